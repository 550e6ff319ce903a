#include "tests/proof/vector_store/workload.h"

#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/vector_store/records.h"

namespace ragmesh::vector_store {
namespace {

constexpr int kDocuments = 25, kGroups = 5;
constexpr char kDigest[] = "digest";

struct Step {
  enum Kind { kWrite, kAdd, kDeleteDocuments, kDeleteChunks, kDeleteGroup, kDrop, kCreate } kind;
  std::uint64_t number;
  std::mt19937 random;
};

Step StepOf(std::uint64_t seed, std::uint64_t writer, std::uint64_t n) {
  std::seed_seq seeds{seed, writer, n};
  Step step{Step::kCreate, n, std::mt19937(seeds)};
  if (n == 0) return step;
  const std::uint32_t roll = step.random() % 100;
  step.kind = roll < 50   ? Step::kWrite
              : roll < 65 ? Step::kAdd
              : roll < 75 ? Step::kDeleteDocuments
              : roll < 85 ? Step::kDeleteChunks
              : roll < 93 ? Step::kDeleteGroup
              : roll < 94 ? Step::kDrop
                          : Step::kCreate;
  return step;
}

std::string DocumentName(std::uint32_t n) { return absl::StrCat("d", n % kDocuments); }

std::vector<stages::StoredChunk> Chunks(const std::string& document, std::uint32_t first,
                                        std::uint32_t count, std::uint64_t number,
                                        std::mt19937* random) {
  std::vector<stages::StoredChunk> chunks;
  for (std::uint32_t i = first; i < first + count; ++i) {
    stages::StoredChunk chunk;
    chunk.document_id = document;
    chunk.id = absl::StrCat(document, "-", i);
    chunk.chunk.ordinal = i;
    chunk.chunk.text = absl::StrCat("pump ", (*random)() % 10, " rev", number);
    chunk.vector.assign(kLoadDimension, 0);
    chunk.vector[(*random)() % kLoadDimension] = 1;
    if (i % 2 == 0)
      chunk.tokens = {.tokenizer = "t", .ids = {static_cast<std::uint32_t>(number), i}};
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

stages::Upsert WriteOf(Step step) {
  stages::Upsert upsert;
  upsert.document.emplace();
  const std::uint32_t document = step.random() % kDocuments;
  upsert.document->id = DocumentName(document);
  upsert.document->text = absl::StrCat("revision ", step.number);
  upsert.document->metadata["group"] = static_cast<std::int64_t>(document % kGroups);
  upsert.document->acl_labels = {absl::StrCat("label-", step.number % 3)};
  upsert.chunks = Chunks(upsert.document->id, 0, 1 + step.random() % 12, step.number, &step.random);
  return upsert;
}

stages::Upsert AddOf(Step step) {
  const std::string document = DocumentName(step.random());
  const std::uint32_t first = step.random() % 14;
  return {std::nullopt, Chunks(document, first, 1 + step.random() % 3, step.number, &step.random)};
}

stages::DeleteSelector DeleteOf(Step step) {
  if (step.kind == Step::kDeleteGroup) {
    return stages::Filter{
        stages::FilterEquals{"group", static_cast<std::int64_t>(step.random() % kGroups)}};
  }
  std::vector<std::string> ids;
  for (std::uint32_t i = 1 + step.random() % 3; i > 0; --i) {
    ids.push_back(DocumentName(step.random()));
    if (step.kind == Step::kDeleteChunks) absl::StrAppend(&ids.back(), "-", step.random() % 12);
  }
  if (step.kind == Step::kDeleteChunks) return stages::ChunkIds{ids};
  return stages::DocumentIds{ids};
}

void AppendDocument(const stages::StoredDocument& document, std::string* out) {
  absl::StrAppend(out, "document ", document.id, " v", document.version, " text ", document.text);
  for (const std::string& label : document.acl_labels) absl::StrAppend(out, " label ", label);
  for (const auto& [name, value] : document.metadata)
    absl::StrAppend(out, " ", name, "=", std::get<std::int64_t>(value));
  absl::StrAppend(out, "\n");
}

void AppendChunk(const stages::StoredChunk& chunk, std::string* out) {
  absl::StrAppend(out, "chunk ", chunk.id, " of ", chunk.document_id, " ", chunk.chunk.ordinal, " ",
                  chunk.chunk.text, " vector");
  for (const float value : chunk.vector) absl::StrAppend(out, " ", value);
  absl::StrAppend(out, " tokens");
  for (const std::uint32_t id : chunk.tokens.ids) absl::StrAppend(out, " ", id);
  absl::StrAppend(out, "\n");
}

absl::Status Forgive(const absl::Status& status, std::initializer_list<const char*> reasons) {
  const auto detail = GetErrorDetail(status);
  for (const char* reason : reasons) {
    if (detail.has_value() && detail->reason == reason) return absl::OkStatus();
  }
  return status;
}

}  // namespace

stages::CollectionId Load::collection() const {
  return {"default", absl::StrCat("load-", writer_)};
}

absl::Status Load::Do(std::uint64_t n, bool keyed, Store* store) const {
  const CallContext call(absl::InfiniteFuture());
  const Step step = StepOf(seed_, writer_, n);
  const std::string key = keyed ? absl::StrCat("key-", n) : "";
  switch (step.kind) {
    case Step::kWrite:
    case Step::kAdd: {
      stages::Upsert upsert = step.kind == Step::kWrite ? WriteOf(step) : AddOf(step);
      upsert.idempotency_key = key;
      return Forgive(store->Write(collection(), kDigest, std::move(upsert), call).status(),
                     {"COLLECTION_NOT_FOUND", "DOCUMENT_NOT_FOUND"});
    }
    case Step::kDeleteDocuments:
    case Step::kDeleteChunks:
    case Step::kDeleteGroup: {
      const stages::DeleteSelector what = DeleteOf(step);
      return Forgive((key.empty() ? store->Delete(collection(), what, call)
                                  : store->DeleteOnce(collection(), what, key, call))
                         .status(),
                     {"COLLECTION_NOT_FOUND"});
    }
    case Step::kDrop:
      return Forgive(store->DeleteCollection(collection(), call), {"COLLECTION_NOT_FOUND"});
    case Step::kCreate: {
      stages::CollectionConfig config;
      config.id = collection();
      config.dimension = kLoadDimension;
      config.embedder_digest = kDigest;
      return Forgive(store->CreateCollection(config, call).status(), {"COLLECTION_EXISTS"});
    }
  }
  return absl::OkStatus();
}

void Load::Apply(std::uint64_t n, Expected* expected) const {
  const Step step = StepOf(seed_, writer_, n);
  if (step.kind == Step::kCreate) {
    if (!expected->has_value()) expected->emplace();
    return;
  }
  if (!expected->has_value()) return;
  Model& model = **expected;
  if (step.kind == Step::kDrop) {
    expected->reset();
  } else if (step.kind == Step::kWrite) {
    const stages::Upsert upsert = WriteOf(step);
    ModelDocument entry{*upsert.document, {}};
    const auto old = model.find(entry.document.id);
    entry.document.version = old == model.end() ? 1 : old->second.document.version + 1;
    for (const auto& chunk : upsert.chunks) entry.chunks[chunk.id] = chunk;
    model[entry.document.id] = std::move(entry);
  } else if (step.kind == Step::kAdd) {
    const stages::Upsert upsert = AddOf(step);
    const auto owner = model.find(upsert.chunks[0].document_id);
    if (owner == model.end()) return;
    for (const auto& chunk : upsert.chunks) owner->second.chunks[chunk.id] = chunk;
  } else {
    const stages::DeleteSelector what = DeleteOf(step);
    if (const auto* chunks = std::get_if<stages::ChunkIds>(&what)) {
      for (auto& [id, entry] : model) {
        for (const std::string& chunk : chunks->ids) entry.chunks.erase(chunk);
      }
    } else if (const auto* documents = std::get_if<stages::DocumentIds>(&what)) {
      for (const std::string& id : documents->ids) model.erase(id);
    } else {
      const auto& equals = std::get<stages::FilterEquals>(std::get<stages::Filter>(what).node);
      std::erase_if(model, [&](const auto& entry) {
        return entry.second.document.metadata.at("group") == equals.value;
      });
    }
  }
}

absl::StatusOr<std::string> Contents(Store* store, const stages::CollectionId& id) {
  const CallContext call(absl::InfiniteFuture());
  const std::vector<std::string> all{stages::kAllLabels};
  const auto collection = store->GetCollection(id, call);
  if (!collection.ok()) {
    const absl::Status status = Forgive(collection.status(), {"COLLECTION_NOT_FOUND"});
    if (!status.ok()) return status;
    return std::string("none");
  }
  std::string out = absl::StrCat("dimension ", collection->config.dimension, "\n");
  stages::Page page{.size = 7};
  do {
    const auto documents = store->ListDocuments(id, std::nullopt, all, page, call);
    if (!documents.ok()) return documents.status();
    for (const auto& listed : documents->documents) {
      const auto document = store->GetDocument(id, listed.id, all, call);
      if (!document.ok()) return document.status();
      AppendDocument(*document, &out);
    }
    page.token = documents->next_token;
  } while (!page.token.empty());
  page.token.clear();
  page.size = 50;
  do {
    const auto chunks =
        store->ListChunks(id, "", all, {.vector = true, .tokens = true}, page, call);
    if (!chunks.ok()) return chunks.status();
    for (const auto& chunk : chunks->chunks) AppendChunk(chunk, &out);
    page.token = chunks->next_token;
  } while (!page.token.empty());
  return out;
}

std::string Contents(const Expected& expected) {
  if (!expected.has_value()) return "none";
  std::string out = absl::StrCat("dimension ", kLoadDimension, "\n");
  for (const auto& [id, entry] : *expected) AppendDocument(entry.document, &out);
  for (const auto& [id, entry] : *expected) {
    std::vector<const stages::StoredChunk*> chunks;
    for (const auto& [chunk_id, chunk] : entry.chunks) chunks.push_back(&chunk);
    std::sort(chunks.begin(), chunks.end(), [](const auto* a, const auto* b) {
      return std::tie(a->chunk.ordinal, a->id) < std::tie(b->chunk.ordinal, b->id);
    });
    for (const auto* chunk : chunks) AppendChunk(*chunk, &out);
  }
  return out;
}

std::string DifferencesOfAnswers(Store* store, const stages::CollectionId& id,
                                 const Expected& expected) {
  const CallContext call(absl::InfiniteFuture());
  stages::SearchRequest request;
  request.collection = id;
  request.query_text = "pump 3 7";
  request.query_vector = {0, 0, 1, 0, 0, 0, 0, 0};
  request.embedder_digest = kDigest;
  request.top_k = 50;
  request.parts.tokens = true;
  for (const std::vector<std::string>& labels :
       {std::vector<std::string>{stages::kAllLabels}, {"label-1"}, {"nobody"}}) {
    request.principal_labels = labels;
    for (const auto mode :
         {stages::SearchMode::kDense, stages::SearchMode::kLexical, stages::SearchMode::kHybrid}) {
      request.mode = mode;
      const auto found = store->Search(request, call);
      if (!expected.has_value()) {
        if (GetErrorDetail(found.status()).value_or(ErrorDetail()).reason != "COLLECTION_NOT_FOUND")
          return "a collection that was dropped is searched";
        continue;
      }
      if (!found.ok()) return absl::StrCat("search: ", found.status().ToString());
      std::uint64_t visible = 0;
      for (const auto& [name, entry] : *expected)
        visible += MayBeSeen(entry.document, labels) ? entry.chunks.size() : 0;
      if (found->candidates != visible)
        return absl::StrCat("search had ", found->candidates, " candidates instead of ", visible);
      const Ranking dense = BruteDense(*expected, request.query_vector, labels, request.top_k);
      const Ranking lexical = BruteBm25(*expected, request.query_text, labels, request.top_k);
      if (mode == stages::SearchMode::kHybrid) {
        // Fusion has tests of its own; here what it is made from.
        for (const auto& hit : found->hits) {
          const auto owner = expected->find(hit.chunk.document_id);
          if (owner == expected->end() || !owner->second.chunks.contains(hit.chunk.id) ||
              !MayBeSeen(owner->second.document, labels))
            return absl::StrCat("hybrid search found ", hit.chunk.id);
        }
        continue;
      }
      const Ranking& ranking = mode == stages::SearchMode::kDense ? dense : lexical;
      if (found->hits.size() != ranking.size())
        return absl::StrCat("search found ", found->hits.size(), " instead of ", ranking.size());
      for (std::size_t i = 0; i < ranking.size(); ++i) {
        const stages::SearchHit& hit = found->hits[i];
        const auto& stored = expected->at(hit.chunk.document_id).chunks.at(hit.chunk.id);
        if (hit.chunk.id != ranking[i].first || std::abs(hit.score - ranking[i].second) > 1e-9 ||
            hit.chunk.tokens != stored.tokens || hit.chunk.chunk != stored.chunk)
          return absl::StrCat("search found ", hit.chunk.id, " with ", hit.score, " instead of ",
                              ranking[i].first, " with ", ranking[i].second);
      }
    }
  }
  return "";
}

bool IsTyped(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() && !detail->reason.empty() && !status.message().empty();
}

}  // namespace ragmesh::vector_store
