// The gateway without its transport: what a program or person can ask of the mesh.
// `services/gateway` puts gRPC in front; `ragmesh serve` builds the same object over stages in its
// own process.
#ifndef RAGMESH_LIBS_PIPELINE_GATEWAY_H_
#define RAGMESH_LIBS_PIPELINE_GATEWAY_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/pipeline/ask.h"
#include "libs/pipeline/ingest.h"
#include "libs/pipeline/search.h"
#include "libs/pipeline/stages.h"

namespace ragmesh::pipeline {

struct NewCollection {
  std::string name;
  std::string description;
  std::string language = "en";
  std::optional<stages::Fusion> fusion;
  std::optional<stages::RerankWeights> rerank;
  bool lexical_only = false;
  std::optional<stages::FieldWeights> lexical_weights;
  std::optional<double> dense_recall;
  absl::Duration retention = absl::ZeroDuration();  // of its documents; 0: for ever
};

struct CollectionChange {
  std::string name;
  std::optional<std::string> description;
  std::optional<stages::Fusion> fusion;
  std::optional<stages::RerankWeights> rerank;
  std::optional<stages::Bm25> bm25;
  std::optional<stages::FieldWeights> lexical_weights;
  std::optional<double> dense_recall;
  std::optional<absl::Duration> retention;
};

struct EmbedResult {
  std::vector<stages::Embedding> embeddings;
  std::string model;
  std::string digest;
  std::uint32_t prompt_tokens = 0;
};

struct StageStatus {
  stages::StageInfo info;  // only `stage` is set when it cannot be reached
  std::string address;
  bool reachable = false;
  absl::Duration latency;
  std::string error;
};

struct GatewayOptions {
  Ingest::Options ingest;
  Searcher::Options search;
  Asker::Options ask;
  absl::Duration status_timeout = absl::Milliseconds(500);  // of one stage
  // By stage name, for people; a stage without an entry runs in this process.
  std::map<std::string, std::string> addresses;
  stages::StageInfo self;  // what the gateway says of itself
};

// Thread-safe. Every method takes the caller and keeps to the caller's tenant and labels.
class Gateway {
 public:
  // Opens the journal under `options.ingest.data_folder` and goes on with unfinished jobs. `stages`
  // and `observer` are borrowed and must outlive the gateway.
  static absl::StatusOr<std::unique_ptr<Gateway>> Create(const Stages& stages,
                                                         const GatewayOptions& options,
                                                         Observer& observer = Observer::None());
  ~Gateway();

  // ---- Collections ----
  // Bound to the embedder in use; lexical only when there is none, or when asked for.
  absl::StatusOr<stages::Collection> CreateCollection(const Caller& caller,
                                                      const NewCollection& collection,
                                                      const CallContext& call);
  absl::StatusOr<std::vector<stages::Collection>> ListCollections(const Caller& caller,
                                                                  const CallContext& call);
  absl::StatusOr<stages::Collection> GetCollection(const Caller& caller, const std::string& name,
                                                   const CallContext& call);
  absl::StatusOr<stages::Collection> UpdateCollection(const Caller& caller,
                                                      const CollectionChange& change,
                                                      const CallContext& call);
  absl::Status DeleteCollection(const Caller& caller, const std::string& name,
                                const CallContext& call);

  // ---- Another model for a collection that goes on serving: gateway_models.cc ----
  // By the name of the model or the digest of its weights, of an embedder that is served; empty:
  // the one that is not the collection's. The job's end is the switch. FAILED_PRECONDITION /
  // EMBEDDER_NOT_SERVED, MODEL_UNCHANGED, MODEL_CHANGE_RUNNING, or PREVIOUS_MODEL_KEPT while the
  // change before is not finished.
  absl::StatusOr<journal::JobRecord> ChangeModel(const Caller& caller, const std::string& name,
                                                 const std::string& embedder,
                                                 const CallContext& call);
  // Back to the model before, with what was written since. FAILED_PRECONDITION / NO_PREVIOUS_MODEL.
  absl::StatusOr<journal::JobRecord> RollBackModel(const Caller& caller, const std::string& name,
                                                   const CallContext& call);
  // Deletes what is kept to go back to, and what changes that failed have left. The own names of
  // what was deleted.
  absl::StatusOr<std::vector<std::string>> FinishModelChange(const Caller& caller,
                                                             const std::string& name,
                                                             const CallContext& call);
  // What RollBackModel would go back to.
  absl::StatusOr<std::optional<stages::Collection>> PreviousModel(const Caller& caller,
                                                                  const std::string& name,
                                                                  const CallContext& call);

  // ---- Documents ----
  absl::StatusOr<stages::DocumentPage> ListDocuments(const Caller& caller,
                                                     const std::string& collection,
                                                     const stages::Page& page,
                                                     const CallContext& call);
  absl::StatusOr<stages::StoredDocument> GetDocument(const Caller& caller,
                                                     const std::string& collection,
                                                     const std::string& document_id,
                                                     const CallContext& call);
  absl::StatusOr<stages::ChunkPage> ListChunks(const Caller& caller, const std::string& collection,
                                               const std::string& document_id,
                                               const stages::Page& page, const CallContext& call);
  // Chunks removed with it. What the caller does not see is not found.
  absl::StatusOr<std::uint64_t> DeleteDocument(const Caller& caller, const std::string& collection,
                                               const std::string& document_id,
                                               const CallContext& call);

  // ---- Ingest: see Ingest; these two check first that the collection exists ----
  absl::StatusOr<journal::JobRecord> CreateIngestJob(const Caller& caller, NewJob job,
                                                     const CallContext& call);
  absl::StatusOr<std::unique_ptr<journal::Spool::Writer>> BeginUpload(const Caller& caller,
                                                                      const std::string& collection,
                                                                      const CallContext& call);
  Ingest& ingest() { return *ingest_; }

  // ---- Questions ----
  absl::StatusOr<SearchResponse> Search(const Caller& caller, const SearchRequest& request,
                                        const CallContext& call);
  absl::Status Ask(const Caller& caller, const AskRequest& request, AskSink sink,
                   const CallContext& call);
  absl::StatusOr<stages::GenerateResult> Chat(
      const Caller& caller, stages::GenerateRequest request,
      absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token, const CallContext& call);
  // By the embedder of a collection; of an empty name: by the one that new ones are bound to.
  absl::StatusOr<EmbedResult> Embed(const Caller& caller, const std::string& collection,
                                    std::vector<std::string> texts, bool query,
                                    const CallContext& call);

  // The gateway first, then the stages in the order of the pipeline, a next embedder last, all
  // asked at once. Never fails; takes at most the status timeout.
  std::vector<StageStatus> Status(const CallContext& call);

 private:
  Gateway(const Stages& stages, const GatewayOptions& options, Observer& observer);
  // Own names that belong to a collection whose model was or is being changed, and that it does not
  // stand for.
  absl::StatusOr<std::vector<std::string>> KeptBeside(const std::string& tenant,
                                                      const std::string& name,
                                                      const std::vector<stages::Alias>& aliases);

  const Stages stages_;
  const GatewayOptions options_;
  Observer& observer_;
  Embedders embedders_;
  const Searcher searcher_;
  const Asker asker_;
  std::unique_ptr<Ingest> ingest_;
  ThreadPool status_threads_;
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_GATEWAY_H_
