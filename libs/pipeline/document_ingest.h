// One document on its way in: load -> split -> embed -> one atomic write.
#ifndef RAGMESH_LIBS_PIPELINE_DOCUMENT_INGEST_H_
#define RAGMESH_LIBS_PIPELINE_DOCUMENT_INGEST_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/journal/records.h"
#include "libs/pipeline/backoff.h"
#include "libs/pipeline/embedders.h"
#include "libs/pipeline/observer.h"
#include "libs/pipeline/stages.h"

namespace ragmesh::pipeline {

struct DocumentInput {
  stages::CollectionId collection;
  std::string document_id;
  std::string name;
  std::string uri;
  std::string bytes;
  std::string password;
  journal::IngestOptions options;
  std::vector<std::string> caller_labels;       // what the caller may see, and so may replace
  std::optional<journal::Footprint> footprint;  // of an earlier ingest
};

struct DocumentProgress {
  journal::Step step = journal::Step::kNone;
  std::uint32_t chunks_total = 0;
  std::uint32_t chunks_done = 0;
  std::uint32_t chunks_reused = 0;
  absl::Status waiting_for;  // not OK: a stage is down and will be tried again
};

struct DocumentOutcome {
  bool unchanged = false;
  std::uint32_t chunks_total = 0;
  std::uint32_t chunks_reused = 0;
  std::string fingerprint;
  std::uint64_t version = 0;
};

// Thread-safe: runs share no mutable state. The steps of one document run at the same time, joined
// by bounded queues; nothing is visible in the store before everything is.
class DocumentIngest {
 public:
  struct Options {
    // Texts a call; less when the embedder says so. With token vectors an answer is 3 MB for models
    // of 256 tokens and width 384, 32 MB at twice the tokens and five times the width.
    std::uint32_t embed_batch = 32;
    std::size_t queue_blocks = 256;
    std::size_t queue_chunks = 64;
    std::uint64_t max_text_bytes = 256ull << 20;  // normalised text of one document
    // What the embedder read of each chunk that is kept with it: ids take 2 or 3 bytes a token,
    // vectors as many as the model is wide. Reranking reads passages again that come without.
    stages::TokenDetail keep_tokens = stages::TokenDetail::kIds;
    std::size_t max_token_bytes = 64u << 20;  // of one document; further chunks come without
    absl::Duration load_timeout = absl::Minutes(10);
    absl::Duration embed_timeout = absl::Minutes(2);  // one batch
    absl::Duration store_timeout = absl::Minutes(2);  // one call
    BackoffOptions backoff;
  };

  DocumentIngest(const Stages& stages, Embedders& embedders, const Options& options,
                 Observer& observer)
      : stages_(stages), embedders_(embedders), options_(options), observer_(observer) {}

  // `progress` is called from one thread at a time. A stage that is down is waited for, within the
  // backoff's bound; a collection with an embedder is never filled without it. When the collection
  // takes another embedder meanwhile, the document is embedded by that one. Errors are those of the
  // stage that failed.
  absl::StatusOr<DocumentOutcome> Run(const DocumentInput& input,
                                      const std::function<void(const DocumentProgress&)>& progress,
                                      const CallContext& call) const;

 private:
  class Flow;

  absl::StatusOr<DocumentOutcome> RunOnce(
      const DocumentInput& input, const std::function<void(const DocumentProgress&)>& progress,
      bool* moved, const CallContext& call) const;

  const Stages stages_;
  Embedders& embedders_;
  const Options options_;
  Observer& observer_;
};

// Stable over ingests: the same text in the same document keeps its id. `occurrence` tells equal
// chunks apart, from 0.
std::string ChunkId(absl::string_view document_id, absl::string_view content_sha256,
                    std::uint32_t occurrence);

// A readable id that equal names share: "handbook-pdf-3f2a9c1d5e7b".
std::string DocumentIdFromName(absl::string_view name);

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_DOCUMENT_INGEST_H_
