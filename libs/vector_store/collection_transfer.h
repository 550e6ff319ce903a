// One collection as an archive and back: its records go as they are stored, and what follows from
// them (index entries) is made anew. docs/formats/collection-archive.md.
#ifndef RAGMESH_LIBS_VECTOR_STORE_COLLECTION_TRANSFER_H_
#define RAGMESH_LIBS_VECTOR_STORE_COLLECTION_TRANSFER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/backup/collection_archive.h"
#include "libs/base/call_context.h"
#include "libs/lexical/analyzer.h"
#include "libs/stages/store_admin.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"

namespace ragmesh::vector_store {

// Walks one moment of the database, so writes go on and are not in the archive. NOT_FOUND /
// COLLECTION_NOT_FOUND.
absl::Status ExportCollection(const Database& database, const stages::CollectionId& id,
                              absl::Time now, const std::string& release, stages::ArchiveSink sink,
                              const CallContext& call);

// Brings the records of an archive into the database under the number of a collection that is not
// there yet, some MiB a commit. Every record is decoded, held against what a write would have to
// pass and against the others, and encoded anew. Not thread-safe.
class CollectionImport {
 public:
  // `number` has a note under kDroppedPrefix, so that a crash leaves nothing.
  CollectionImport(Database* database, std::uint32_t number, const stages::CollectionId& id,
                   std::uint64_t max_memory_bytes)
      : database_(*database), number_(number), id_(id), max_memory_bytes_(max_memory_bytes) {}

  // Reads all of `reader`. After an error some records may be in the database.
  absl::Status Run(backup::ArchiveReader* reader, const CallContext& call);

  // After Run: what makes the collection visible.
  const CollectionRecord& record() const { return record_; }
  const CollectionState& state() const { return state_; }

 private:
  struct Owner {
    std::string id, name, title;
    std::uint64_t version = 0, text_bytes = 0;
  };
  absl::Status TakeCollection(absl::string_view payload);
  absl::Status TakeDocument(absl::string_view payload);
  absl::Status TakeChunk(absl::string_view payload, const lexical::Analyzer& analyzer);
  absl::Status Put(Family family, const std::string& key, std::string value);
  absl::Status Flush();

  Database& database_;
  const std::uint32_t number_;
  const stages::CollectionId id_;
  const std::uint64_t max_memory_bytes_;  // 0: no bound
  CollectionRecord record_;
  CollectionState state_;
  std::uint64_t documents_ = 0, chunks_ = 0, last_document_ = 0, last_chunk_ = 0, text_bytes_ = 0;
  absl::flat_hash_map<std::uint64_t, Owner> owners_;
  absl::flat_hash_set<std::string> document_ids_, chunk_ids_;
  WriteSet writes_;
  std::uint64_t waiting_bytes_ = 0;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_COLLECTION_TRANSFER_H_
