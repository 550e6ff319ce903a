// A collection made equal to another one, but for its vectors: those come from its own embedder.
#ifndef RAGMESH_LIBS_PIPELINE_COLLECTION_COPY_H_
#define RAGMESH_LIBS_PIPELINE_COLLECTION_COPY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/pipeline/backoff.h"
#include "libs/pipeline/embedders.h"
#include "libs/pipeline/observer.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::pipeline {

struct CopyProgress {
  std::uint64_t documents_same = 0;    // found equal
  std::uint64_t documents_copied = 0;  // once a copy, so more than once when they change meanwhile
  std::uint64_t documents_removed = 0;
  std::uint64_t chunks_copied = 0;
  std::uint64_t chunks_truncated = 0;  // of these, longer than the model reads
  absl::Status waiting_for;            // not OK: a stage is down and will be tried again
};

// Texts are taken as they are stored, so nothing is parsed again. Documents keep version, time,
// labels and chunk ids. Used by one thread at a time.
class CollectionCopy {
 public:
  struct Options {
    std::uint32_t embed_batch = 32;        // texts a call; less when the embedder says so
    std::size_t batch_documents = 32;      // read, embedded and then written together
    std::size_t batch_bytes = 16u << 20;   // of their texts; a document that is larger goes alone
    std::size_t write_bytes = 128u << 20;  // of one write; a larger document takes several
    // Kept with each chunk of what its new embedder read.
    stages::TokenDetail keep_tokens = stages::TokenDetail::kIds;
    absl::Duration embed_timeout = absl::Minutes(2);  // one call
    absl::Duration store_timeout = absl::Minutes(2);
    BackoffOptions backoff;
  };

  // Borrows all but ids, digest and options. `target_digest` may be empty: the target has no
  // vectors.
  CollectionCopy(stages::VectorStore& store, Embedders& embedders, stages::CollectionId source,
                 stages::CollectionId target, std::string target_digest, const Options& options,
                 Observer& observer, std::function<void(const CopyProgress&)> on_progress)
      : store_(store),
        embedders_(embedders),
        source_(std::move(source)),
        target_(std::move(target)),
        target_digest_(std::move(target_digest)),
        options_(options),
        observer_(observer),
        on_progress_(std::move(on_progress)) {}

  // Compares document by document and chunk by chunk, copies what differs and deletes what the
  // source does not have. What is written to the source meanwhile may be missed.
  absl::Status CopyAll(const CallContext& call);
  // The same for these documents alone, without comparing.
  absl::Status CopyDocuments(absl::Span<const std::string> document_ids, const CallContext& call);

  const CopyProgress& progress() const { return progress_; }

 private:
  struct Listing;
  struct Whole;

  absl::Status Retry(absl::FunctionRef<absl::Status(const CallContext&)> attempt,
                     absl::Duration timeout, const CallContext& call);
  absl::StatusOr<bool> SameChunks(const std::string& document_id, const CallContext& call);
  // Reads documents of the source, embeds their chunks and writes them; those that are gone, or
  // have no chunks left, are deleted from the target.
  absl::Status CopyBatch(absl::Span<const std::string> document_ids, const CallContext& call);
  // False when the document is not there.
  absl::StatusOr<bool> Read(const std::string& document_id, Whole* whole, const CallContext& call);
  absl::Status Embed(std::vector<stages::StoredChunk*> chunks, const CallContext& call);
  absl::Status Write(Whole whole, const CallContext& call);
  absl::Status Remove(std::vector<std::string> document_ids, const CallContext& call);

  stages::VectorStore& store_;
  Embedders& embedders_;
  const stages::CollectionId source_;
  const stages::CollectionId target_;
  const std::string target_digest_;
  const Options options_;
  Observer& observer_;
  const std::function<void(const CopyProgress&)> on_progress_;
  CopyProgress progress_;
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_COLLECTION_COPY_H_
