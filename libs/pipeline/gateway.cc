#include "libs/pipeline/gateway.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/blocking_counter.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::pipeline {
namespace {

constexpr std::size_t kMaxEmbedTexts = 2048;
constexpr std::size_t kMaxEmbedBytes = 8 << 20;
constexpr std::size_t kStages = 7;  // the next embedder among them

absl::Status CheckCollectionName(absl::string_view field, absl::string_view name) {
  const bool sound =
      !name.empty() && name.size() <= 63 &&
      std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' || c == '-';
      });
  return sound ? absl::OkStatus() : InvalidField(field, "must be 1 to 63 of a-z, 0-9, '_' and '-'");
}

absl::Status CheckDocumentId(absl::string_view id) {
  if (id.empty() || id.size() > 512) return InvalidField("document_id", "must have 1 to 512 bytes");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Gateway>> Gateway::Create(const Stages& stages,
                                                         const GatewayOptions& options,
                                                         Observer& observer) {
  std::unique_ptr<Gateway> gateway(new Gateway(stages, options, observer));
  RAGMESH_ASSIGN_OR_RETURN(gateway->ingest_,
                           Ingest::Create(stages, gateway->embedders_, options.ingest, observer));
  return gateway;
}

Gateway::Gateway(const Stages& stages, const GatewayOptions& options, Observer& observer)
    : stages_(stages),
      options_(options),
      observer_(observer),
      embedders_(stages.embedder, stages.next_embedder),
      searcher_(stages, embedders_, options.search, observer),
      asker_(stages, searcher_, embedders_, options.ask, observer),
      status_threads_("status", static_cast<int>(kStages), 4 * kStages) {}

Gateway::~Gateway() = default;

absl::StatusOr<stages::Collection> Gateway::CreateCollection(const Caller& caller,
                                                             const NewCollection& collection,
                                                             const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(CheckCollectionName("name", collection.name));
  if (collection.description.size() > 4096)
    return InvalidField("description", "must have at most 4096 bytes");
  // The name of what a change fills belongs to that change.
  RAGMESH_ASSIGN_OR_RETURN(const auto targets, ingest_->ChangeTargets(caller.tenant));
  for (const Ingest::ChangeTarget& target : targets) {
    if (collection.name == target.change.target || collection.name == target.change.source)
      return AlreadyExists("collection", collection.name);
  }
  stages::CollectionConfig config;
  config.id = {caller.tenant, collection.name};
  config.description = collection.description;
  if (!collection.language.empty()) config.language = collection.language;
  if (collection.fusion.has_value()) config.fusion = *collection.fusion;
  if (collection.rerank.has_value()) config.rerank = *collection.rerank;
  if (collection.lexical_weights.has_value()) config.lexical_weights = *collection.lexical_weights;
  if (collection.dense_recall.has_value()) config.dense_recall = *collection.dense_recall;
  config.retention = collection.retention;
  if (!collection.lexical_only) {
    const auto embedder = embedders_.First(ShareOf(call, 0.5));
    RAGMESH_RETURN_IF_ERROR(call.Check());
    // An embedder without weights means a mesh without one. One that cannot be reached may be back
    // in a moment, and a collection cannot be given vectors later.
    const auto detail = GetErrorDetail(embedder.status());
    const bool absent = detail.has_value() && detail->reason == "MODEL_NOT_LOADED";
    if (!embedder.ok() && !absent) return Annotate(embedder.status(), "embedder");
    if (embedder.ok()) {
      config.embedder_model = embedder->identity.model.name;
      config.embedder_digest = embedder->identity.model.digest;
      config.dimension = embedder->identity.model.dimension;
    }
  }
  return stages_.vector_store.CreateCollection(config, call);
}

// Each collection under the name that callers use.
absl::StatusOr<std::vector<stages::Collection>> Gateway::ListCollections(const Caller& caller,
                                                                         const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(auto collections,
                           stages_.vector_store.ListCollections(caller.tenant, call));
  RAGMESH_ASSIGN_OR_RETURN(const auto aliases,
                           AliasesOf(stages_.vector_store, caller.tenant, call));
  if (!aliases.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(const auto beside, KeptBeside(caller.tenant, "", aliases));
    const absl::flat_hash_set<std::string> hidden(beside.begin(), beside.end());
    collections.erase(
        std::remove_if(collections.begin(), collections.end(),
                       [&](const auto& one) { return hidden.contains(one.config.id.name); }),
        collections.end());
    for (stages::Collection& one : collections) {
      for (const stages::Alias& alias : aliases) {
        if (alias.collection != one.config.id.name) continue;
        one.config.id.name = alias.name;
        break;
      }
    }
  }
  std::sort(collections.begin(), collections.end(),
            [](const auto& a, const auto& b) { return a.config.id.name < b.config.id.name; });
  return collections;
}

absl::StatusOr<stages::Collection> Gateway::GetCollection(const Caller& caller,
                                                          const std::string& name,
                                                          const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(CheckCollectionName("collection", name));
  RAGMESH_ASSIGN_OR_RETURN(stages::Collection found,
                           stages_.vector_store.GetCollection({caller.tenant, name}, call));
  found.config.id.name = name;  // it may be an alias
  return found;
}

absl::StatusOr<stages::Collection> Gateway::UpdateCollection(const Caller& caller,
                                                             const CollectionChange& change,
                                                             const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(stages::Collection collection, GetCollection(caller, change.name, call));
  if (change.description.has_value()) {
    if (change.description->size() > 4096)
      return InvalidField("description", "must have at most 4096 bytes");
    collection.config.description = *change.description;
  }
  if (change.fusion.has_value()) collection.config.fusion = *change.fusion;
  if (change.rerank.has_value()) collection.config.rerank = *change.rerank;
  if (change.bm25.has_value()) {
    collection.config.bm25_k1 = change.bm25->k1;
    collection.config.bm25_b = change.bm25->b;
  }
  if (change.lexical_weights.has_value())
    collection.config.lexical_weights = *change.lexical_weights;
  if (change.dense_recall.has_value()) collection.config.dense_recall = *change.dense_recall;
  if (change.retention.has_value()) collection.config.retention = *change.retention;
  return stages_.vector_store.UpdateCollection(collection.config, call);
}

absl::Status Gateway::DeleteCollection(const Caller& caller, const std::string& name,
                                       const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(GetCollection(caller, name, call).status());
  const stages::CollectionId id{caller.tenant, name};
  RAGMESH_RETURN_IF_ERROR(ingest_->ForgetCollection(id, call));
  // First what is kept beside it, so that nothing is left that no name leads to.
  RAGMESH_RETURN_IF_ERROR(FinishModelChange(caller, name, call).status());
  return stages_.vector_store.DeleteCollection(id, call);
}

absl::StatusOr<stages::DocumentPage> Gateway::ListDocuments(const Caller& caller,
                                                            const std::string& collection,
                                                            const stages::Page& page,
                                                            const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(CheckCollectionName("collection", collection));
  if (page.size > 1000) return InvalidField("page_size", "must be at most 1000");
  return stages_.vector_store.ListDocuments({caller.tenant, collection}, std::nullopt,
                                            caller.labels,
                                            {page.size == 0 ? 100 : page.size, page.token}, call);
}

absl::StatusOr<stages::StoredDocument> Gateway::GetDocument(const Caller& caller,
                                                            const std::string& collection,
                                                            const std::string& document_id,
                                                            const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(CheckCollectionName("collection", collection));
  RAGMESH_RETURN_IF_ERROR(CheckDocumentId(document_id));
  return stages_.vector_store.GetDocument({caller.tenant, collection}, document_id, caller.labels,
                                          call);
}

absl::StatusOr<stages::ChunkPage> Gateway::ListChunks(const Caller& caller,
                                                      const std::string& collection,
                                                      const std::string& document_id,
                                                      const stages::Page& page,
                                                      const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(CheckCollectionName("collection", collection));
  RAGMESH_RETURN_IF_ERROR(CheckDocumentId(document_id));
  if (page.size > 1000) return InvalidField("page_size", "must be at most 1000");
  return stages_.vector_store.ListChunks({caller.tenant, collection}, document_id, caller.labels,
                                         /*parts=*/{},
                                         {page.size == 0 ? 100 : page.size, page.token}, call);
}

absl::StatusOr<std::uint64_t> Gateway::DeleteDocument(const Caller& caller,
                                                      const std::string& collection,
                                                      const std::string& document_id,
                                                      const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(GetDocument(caller, collection, document_id, call).status());
  const stages::CollectionId id{caller.tenant, collection};
  RAGMESH_RETURN_IF_ERROR(ingest_->ForgetDocument(id, document_id));
  RAGMESH_ASSIGN_OR_RETURN(
      const stages::DeleteResult deleted,
      stages_.vector_store.Delete(id, stages::DocumentIds{{document_id}}, call));
  return deleted.chunks;
}

absl::StatusOr<journal::JobRecord> Gateway::CreateIngestJob(const Caller& caller, NewJob job,
                                                            const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(GetCollection(caller, job.collection, call).status());
  return ingest_->CreateJob(caller, std::move(job), call);
}

absl::StatusOr<std::unique_ptr<journal::Spool::Writer>> Gateway::BeginUpload(
    const Caller& caller, const std::string& collection, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(GetCollection(caller, collection, call).status());
  return ingest_->BeginUpload();
}

absl::StatusOr<SearchResponse> Gateway::Search(const Caller& caller, const SearchRequest& request,
                                               const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(CheckCollectionName("collection", request.collection));
  const WorkMeter meter("Search", call, observer_);
  return searcher_.Search(caller, request, call);
}

absl::Status Gateway::Ask(const Caller& caller, const AskRequest& request, AskSink sink,
                          const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(CheckCollectionName("collection", request.collection));
  return asker_.Ask(caller, request, sink, call);
}

absl::StatusOr<stages::GenerateResult> Gateway::Chat(
    const Caller& caller, stages::GenerateRequest request,
    absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token, const CallContext& call) {
  const WorkMeter meter("Chat", call, observer_);
  request.tenant = caller.tenant;
  return stages_.generator.Generate(request, on_token, call);
}

absl::StatusOr<EmbedResult> Gateway::Embed(const Caller& caller, const std::string& collection,
                                           std::vector<std::string> texts, bool query,
                                           const CallContext& call) {
  if (texts.empty() || texts.size() > kMaxEmbedTexts)
    return InvalidField("texts", "must hold 1 to 2048 texts");
  std::size_t bytes = 0;
  for (const std::string& text : texts) bytes += text.size();
  if (bytes > kMaxEmbedBytes) {
    return LimitExceeded("texts", static_cast<long long>(bytes),
                         static_cast<long long>(kMaxEmbedBytes), "bytes",
                         "send the texts in several calls");
  }
  const WorkMeter meter("Embed", call, observer_);
  Embedders::Bound embedder;
  if (collection.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(embedder, embedders_.First(call));
  } else {
    RAGMESH_ASSIGN_OR_RETURN(const auto found, GetCollection(caller, collection, call));
    if (found.config.embedder_digest.empty()) {
      return WrongState("LEXICAL_ONLY_COLLECTION", "the collection has no vectors",
                        "Leave collection empty.");
    }
    RAGMESH_ASSIGN_OR_RETURN(embedder, embedders_.For(found.config.embedder_digest, call));
  }
  const EmbedderIdentity::Identity& identity = embedder.identity;
  EmbedResult result;
  result.model = identity.model.name;
  result.digest = identity.model.digest;
  for (std::size_t at = 0; at < texts.size(); at += identity.max_batch_texts) {
    const std::size_t end = std::min<std::size_t>(texts.size(), at + identity.max_batch_texts);
    stages::EmbedRequest request;
    request.input_type = query ? stages::InputType::kQuery : stages::InputType::kPassage;
    for (std::size_t i = at; i < end; ++i) request.texts.push_back(std::move(texts[i]));
    auto embeddings = embedder.stage->Embed(request, call);
    if (!embeddings.ok()) {
      embedder.watch->Forget();
      return embeddings.status();
    }
    for (stages::Embedding& embedding : *embeddings) {
      result.prompt_tokens += embedding.token_count;
      result.embeddings.push_back(std::move(embedding));
    }
  }
  return result;
}

std::vector<StageStatus> Gateway::Status(const CallContext& call) {
  using Ask = std::function<absl::StatusOr<stages::StageInfo>(const CallContext&)>;
  std::vector<std::pair<const char*, Ask>> asks = {
      {"loader", [this](const CallContext& c) { return stages_.loader.Info(c); }},
      {"splitter", [this](const CallContext& c) { return stages_.splitter.Info(c); }},
      {"embedder", [this](const CallContext& c) { return stages_.embedder.Info(c); }},
      {"vector-store", [this](const CallContext& c) { return stages_.vector_store.Info(c); }},
      {"reranker", [this](const CallContext& c) { return stages_.reranker.Info(c); }},
      {"generator", [this](const CallContext& c) { return stages_.generator.Info(c); }}};
  if (stages_.next_embedder != nullptr) {
    asks.emplace_back("next-embedder",
                      [this](const CallContext& c) { return stages_.next_embedder->Info(c); });
  }
  std::vector<StageStatus> statuses(asks.size() + 1);
  statuses[0].info = options_.self;
  statuses[0].info.stage = "gateway";
  statuses[0].info.ready = true;
  statuses[0].reachable = true;
  const CallContext bounded =
      call.Child(std::min(call.deadline(), absl::Now() + options_.status_timeout));
  absl::BlockingCounter waiting(static_cast<int>(asks.size()));
  for (std::size_t i = 0; i < asks.size(); ++i) {
    StageStatus& status = statuses[i + 1];
    const Ask& ask = asks[i].second;
    status.info.stage = asks[i].first;
    const auto work = [&status, &ask, &bounded, &waiting] {
      const absl::Time begun = absl::Now();
      auto info = ask(bounded);
      status.latency = absl::Now() - begun;
      status.reachable = info.ok();
      if (info.ok()) {
        const std::string name = std::move(status.info.stage);
        status.info = *std::move(info);
        status.info.stage = name;
      } else {
        status.error = std::string(info.status().message());
      }
      waiting.DecrementCount();
    };
    if (!status_threads_.TrySubmit(work)) {
      status.error = "too many status calls at once";
      waiting.DecrementCount();
    }
  }
  waiting.Wait();
  for (StageStatus& status : statuses) {
    const auto address = options_.addresses.find(status.info.stage);
    status.address = address == options_.addresses.end() ? "in process" : address->second;
  }
  return statuses;
}

}  // namespace ragmesh::pipeline
