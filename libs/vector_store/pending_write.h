// A write on its way, as the parts of StoredCollection that write see it.
#ifndef RAGMESH_LIBS_VECTOR_STORE_PENDING_WRITE_H_
#define RAGMESH_LIBS_VECTOR_STORE_PENDING_WRITE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/call_context.h"
#include "libs/lexical/analyzer.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/numbers.h"
#include "libs/vector_store/stored_collection.h"
#include "libs/vector_store/write_queue.h"
#include "libs/vector_store/write_set.h"

namespace ragmesh::vector_store {

struct StoredCollection::PendingWrite : WriteQueue::Entry {
  // One of the two. The upsert is the write's own; what the store sets in it is set.
  stages::Upsert* upsert = nullptr;
  const stages::DeleteSelector* selector = nullptr;
  // With a selector of documents by id: those of these numbers, and none that took their ids since.
  const absl::flat_hash_set<std::uint64_t>* only = nullptr;

  const CallContext* call = nullptr;
  std::string idempotency_key;  // empty: the write may be done again
  std::string content;          // ContentOf it, when there is a key

  std::uint64_t names = 0;  // StoreResources::names when the collection was looked up

  // Of an upsert, from Prepare.
  std::string text_sha256;                 // of the document's text
  std::vector<lexical::ChunkTerms> terms;  // by chunk, until they are in place
  std::optional<std::uint64_t> replaces;   // number of the stored document it was prepared for
  std::optional<DocumentRecord> document;  // its new record, when it brings one
  std::uint64_t document_number = 0;       // of the new document, or of the one that gets chunks
  Numbers::Lease numbers;                  // of the chunks, and of the document when it is new
  WriteSet records;                        // all that is put under these numbers

  bool stale = false;  // the document has changed since: prepare again
  absl::Status status;
  stages::UpsertResult upserted;
  stages::DeleteResult deleted;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_PENDING_WRITE_H_
