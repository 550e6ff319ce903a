// Nobody ever gets a chunk of another tenant, or of a document that shares no label with them:
// random questions by random callers over documents of random labels, in collections of one name
// under several tenants.
#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "tests/proof/vector_store/model.h"
#include "tests/proof/vector_store/proof.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint64_t kGate = 20'000, kFull = 1'000'000;
constexpr int kTenants = 3, kDocuments = 60;

std::vector<std::string> RandomLabels(std::mt19937* random, unsigned most) {
  std::vector<std::string> labels;
  for (unsigned n = (*random)() % (most + 1); n > 0; --n)
    labels.push_back(absl::StrCat("label-", (*random)() % 8));
  return labels;
}

std::string Tenant(std::uint64_t n) { return absl::StrCat("t-", n % kTenants); }

std::string Fill(Store* store, const std::string& tenant, std::mt19937* random, Model* model) {
  const CallContext call(absl::InfiniteFuture());
  stages::CollectionConfig config;
  config.id = {tenant, "same-name"};
  config.dimension = 2;
  config.embedder_digest = "digest";
  if (const auto made = store->CreateCollection(config, call); !made.ok())
    return made.status().ToString();
  for (int i = 0; i < kDocuments; ++i) {
    stages::Upsert upsert;
    upsert.document.emplace();
    upsert.document->id = absl::StrCat("d", i);
    upsert.document->acl_labels = RandomLabels(random, 3);
    upsert.document->metadata["even"] = i % 2 == 0;
    stages::StoredChunk chunk;
    chunk.id = absl::StrCat(tenant, "/", upsert.document->id);
    chunk.chunk.text = "pump";
    chunk.vector = {1, 0};
    upsert.chunks = {chunk};
    (*model)[upsert.document->id] = {*upsert.document, {{chunk.id, chunk}}};
    if (const auto written = store->Write(config.id, "digest", upsert, call); !written.ok())
      return written.status().ToString();
  }
  return "";
}

// Empty, or what was wrong with the answer.
std::string Ask(Store* store, const std::string& tenant, const Model& model, std::mt19937* random) {
  stages::SearchRequest request;
  request.collection = {tenant, "same-name"};
  request.mode = static_cast<stages::SearchMode>((*random)() % 3);
  request.query_text = "pump";
  request.query_vector = {1, 0};
  request.embedder_digest = "digest";
  request.top_k = 1 + (*random)() % 5;
  request.principal_labels = RandomLabels(random, 3);
  const bool filtered = (*random)() % 4 == 0;
  if (filtered) request.filter = stages::Filter{stages::FilterEquals{"even", true}};
  const auto may_be_seen = [&](const stages::StoredDocument& document) {
    return MayBeSeen(document, request.principal_labels) &&
           (!filtered || document.metadata.at("even") == stages::MetadataValue(true));
  };
  const auto found = store->Search(request, CallContext(absl::InfiniteFuture()));
  if (!found.ok()) return found.status().ToString();
  std::size_t visible = 0;
  for (const auto& [id, entry] : model) visible += may_be_seen(entry.document) ? 1 : 0;
  if (found->candidates != visible ||
      found->hits.size() != std::min<std::size_t>(visible, request.top_k))
    return absl::StrCat("found ", found->hits.size(), " of ", found->candidates, ", ", visible,
                        " may be seen");
  for (const auto& hit : found->hits) {
    const auto owner = model.find(hit.chunk.document_id);
    if (owner == model.end() || !owner->second.chunks.contains(hit.chunk.id) ||
        !may_be_seen(owner->second.document))
      return absl::StrCat(tenant, " was given ", hit.chunk.id);
  }
  return "";
}

}  // namespace

void ProveIsolation(Proof* proof) {
  std::mt19937 random(static_cast<unsigned>(proof->seed()));
  const ScratchFolder folder;
  const auto store = Store::Open(BusyStore(folder.path() + "/store"));
  if (!store.ok()) return proof->Fail(store.status().ToString());
  std::map<std::string, Model> tenants;
  for (int i = 0; i < kTenants; ++i) {
    const std::string problem = Fill(store->get(), Tenant(i), &random, &tenants[Tenant(i)]);
    if (!problem.empty()) return proof->Fail(problem);
  }
  for (std::uint64_t i = proof->CountOr(kGate, kFull); i > 0; --i) {
    const std::string tenant = Tenant(random());
    const std::string problem = Ask(store->get(), tenant, tenants[tenant], &random);
    proof->Done();
    if (!problem.empty()) proof->Fail(problem);
  }
}

}  // namespace ragmesh::vector_store
