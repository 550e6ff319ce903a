// A store under random writes, updates, deletes by each selector, collections that come and go, and
// restarts equals a plain map; its searches of every mode and its pages equal what is worked out
// from that map.
#include <rapidcheck.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/vector_store/store.h"
#include "tests/proof/vector_store/model.h"
#include "tests/proof/vector_store/proof.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint64_t kGate = 40, kFull = 2000;
constexpr char kDigest[] = "digest";
constexpr std::uint32_t kDimension = 3;
const char* const kWords[] = {"pump", "valve", "seal", "motor", "oil", "the"};
const std::vector<std::vector<std::string>> kPrincipals = {{"*"},      {"a"}, {"b"},
                                                           {"a", "b"}, {},    {"nobody"}};

// Few ids, words and directions, so that replacements, shared terms and exact ties are common.
std::string Pick(const char* prefix, int count) {
  return prefix + std::to_string(*rc::gen::inRange(0, count));
}

std::string RandomText() {
  std::string text;
  for (int i = *rc::gen::inRange(0, 6); i > 0; --i)
    text += std::string(kWords[*rc::gen::inRange(0, 6)]) + " ";
  return text;
}

std::vector<float> RandomUnit() {
  std::vector<float> vector(kDimension);
  vector[*rc::gen::inRange<std::size_t>(0, kDimension)] = 1;
  if (*rc::gen::inRange(0, 2) == 1) {
    for (float& value : vector) value = (value + 1) / std::sqrt(6.0f);
  }
  return vector;
}

stages::StoredChunk RandomChunk(const std::string& document_id, int number) {
  stages::StoredChunk chunk;
  chunk.document_id = document_id;
  chunk.id = document_id + "-" + std::to_string(number);
  chunk.chunk.ordinal = static_cast<std::uint32_t>(*rc::gen::inRange(0, 4));
  chunk.chunk.text = RandomText();
  chunk.vector = RandomUnit();
  return chunk;
}

// A store of two collections, and what each must hold.
class Pair {
 public:
  Pair() {
    Open();
    for (Side& side : sides_) Create(&side);
  }

  void Open() {
    store_.reset();
    auto opened = Store::Open(BusyStore(folder_.path() + "/store"));
    RC_ASSERT(opened.ok());
    store_ = *std::move(opened);
  }

  // Makes the collection, or finds that it is there.
  void CreateOne() { Create(&AnySide()); }

  void DropOne() {
    Side& side = AnySide();
    RC_ASSERT(store_->DeleteCollection(side.id, call_).ok() == side.model.has_value());
    side.model.reset();
  }

  void WriteDocument() {
    Side& side = AnySide();
    stages::Upsert upsert;
    upsert.document.emplace();
    stages::StoredDocument& document = *upsert.document;
    document.id = Pick("d", 6);
    document.text = RandomText();
    document.metadata["group"] = static_cast<std::int64_t>(*rc::gen::inRange(0, 3));
    for (const char* label : {"a", "b"}) {
      if (*rc::gen::inRange(0, 2) == 1) document.acl_labels.emplace_back(label);
    }
    for (int i = *rc::gen::inRange(0, 5); i > 0; --i)
      upsert.chunks.push_back(RandomChunk(document.id, i));
    Put(&side, std::move(upsert));
  }

  // The same document with other labels: a new record, but no new version.
  void UpdateLabels() {
    Side& side = AnySide();
    if (!side.model.has_value() || side.model->empty()) return;
    const auto at = std::next(
        side.model->begin(),
        *rc::gen::inRange<std::ptrdiff_t>(0, static_cast<std::ptrdiff_t>(side.model->size())));
    stages::Upsert upsert;
    upsert.document = at->second.document;
    upsert.document->acl_labels = {*rc::gen::inRange(0, 2) == 1 ? "a" : "b"};
    for (const auto& [id, chunk] : at->second.chunks) upsert.chunks.push_back(chunk);
    Put(&side, std::move(upsert));
  }

  void AddChunk() {
    Side& side = AnySide();
    const std::string id = Pick("d", 6);
    const auto chunk = RandomChunk(id, *rc::gen::inRange(1, 8));
    const auto result = store_->Write(side.id, kDigest, {std::nullopt, {chunk}}, call_);
    const bool there = side.model.has_value() && side.model->contains(id);
    RC_ASSERT(result.ok() == there);
    if (there) side.model->at(id).chunks[chunk.id] = chunk;
  }

  void DeleteDocument() {
    Side& side = AnySide();
    const std::string id = Pick("d", 6);
    const auto result = store_->Delete(side.id, stages::DocumentIds{{id}}, call_);
    RC_ASSERT(result.ok() == side.model.has_value());
    if (result.ok()) RC_ASSERT(result->documents == side.model->erase(id));
  }

  void DeleteChunk() {
    Side& side = AnySide();
    const std::string document = Pick("d", 6);
    const std::string chunk = absl::StrCat(document, "-", *rc::gen::inRange(1, 8));
    const auto result = store_->Delete(side.id, stages::ChunkIds{{chunk}}, call_);
    RC_ASSERT(result.ok() == side.model.has_value());
    if (!result.ok()) return;
    const auto entry = side.model->find(document);
    RC_ASSERT(result->chunks ==
              (entry == side.model->end() ? 0 : entry->second.chunks.erase(chunk)));
  }

  void DeleteGroup() {
    Side& side = AnySide();
    const auto group = static_cast<std::int64_t>(*rc::gen::inRange(0, 3));
    const auto result =
        store_->Delete(side.id, stages::Filter{stages::FilterEquals{"group", group}}, call_);
    RC_ASSERT(result.ok() == side.model.has_value());
    if (!result.ok()) return;
    RC_ASSERT(result->documents == std::erase_if(*side.model, [group](const auto& entry) {
                return entry.second.document.metadata.at("group") == stages::MetadataValue(group);
              }));
  }

  void CheckSearches() {
    for (const Side& side : sides_) {
      if (!side.model.has_value()) continue;
      for (const auto& labels : kPrincipals) {
        stages::SearchRequest request;
        request.collection = side.id;
        request.mode = stages::SearchMode::kDense;
        request.query_vector = RandomUnit();
        request.embedder_digest = kDigest;
        request.top_k = static_cast<std::uint32_t>(*rc::gen::inRange(1, 12));
        request.principal_labels = labels;
        const Model& model = *side.model;
        Compare(request, BruteDense(model, request.query_vector, labels, request.top_k), 0);
        request.mode = stages::SearchMode::kLexical;
        request.query_text = RandomText() + "pump";
        Compare(request, BruteBm25(model, request.query_text, labels, request.top_k), 1e-9);
        request.mode = stages::SearchMode::kHybrid;
        request.fusion = stages::Fusion{.method = stages::FusionMethod::kReciprocalRank,
                                        .candidates = 1 + request.top_k};
        Compare(request, BruteReciprocalRank(model, request), 1e-12);
      }
    }
  }

  void CheckContents() {
    for (const Side& side : sides_) {
      const auto collection = store_->GetCollection(side.id, call_);
      RC_ASSERT(collection.ok() == side.model.has_value());
      if (!collection.ok()) continue;
      stages::CollectionStats expected;
      for (const auto& [id, entry] : *side.model) {
        CheckDocument(side, entry);
        ++expected.documents;
        expected.chunks += entry.chunks.size();
        expected.text_bytes += entry.document.text.size();
      }
      RC_ASSERT(collection->stats.documents == expected.documents);
      RC_ASSERT(collection->stats.chunks == expected.chunks);
      RC_ASSERT(collection->stats.text_bytes == expected.text_bytes);
      CheckPages(side);
    }
  }

 private:
  struct Side {
    stages::CollectionId id;
    std::optional<Model> model;  // nullopt while there is no such collection
  };

  Side& AnySide() { return sides_[*rc::gen::weightedElement<std::size_t>({{3, 0}, {1, 1}})]; }

  void Create(Side* side) {
    stages::CollectionConfig config;
    config.id = side->id;
    config.dimension = kDimension;
    config.embedder_digest = kDigest;
    RC_ASSERT(store_->CreateCollection(config, call_).ok() == !side->model.has_value());
    if (!side->model.has_value()) side->model.emplace();
  }

  void Put(Side* side, stages::Upsert upsert) {
    ModelDocument entry{*upsert.document, {}};
    for (const auto& chunk : upsert.chunks) entry.chunks[chunk.id] = chunk;
    const auto result = store_->Write(side->id, kDigest, std::move(upsert), call_);
    RC_ASSERT(result.ok() == side->model.has_value());
    if (!result.ok()) return;
    const auto old = side->model->find(entry.document.id);
    const bool is_new = old == side->model->end();
    const bool same = !is_new && old->second.document.text == entry.document.text;
    entry.document.version = is_new ? 1 : old->second.document.version + (same ? 0 : 1);
    RC_ASSERT(result->document_version == entry.document.version);
    RC_ASSERT(result->chunks_removed == (is_new ? 0 : old->second.chunks.size()));
    (*side->model)[entry.document.id] = entry;
  }

  void CheckDocument(const Side& side, const ModelDocument& entry) {
    const auto document = store_->GetDocument(side.id, entry.document.id, {"*"}, call_);
    RC_ASSERT(document.ok());
    RC_ASSERT(document->text == entry.document.text);
    RC_ASSERT(document->version == entry.document.version);
    RC_ASSERT(document->acl_labels == entry.document.acl_labels);
    const auto page =
        store_->ListChunks(side.id, entry.document.id, {"*"}, {.vector = true}, {}, call_);
    RC_ASSERT(page.ok());
    RC_ASSERT(page->chunks.size() == entry.chunks.size());
    for (const auto& chunk : page->chunks) {
      RC_ASSERT(chunk.chunk == entry.chunks.at(chunk.id).chunk);
      RC_ASSERT(chunk.vector == entry.chunks.at(chunk.id).vector);
    }
  }

  // Small pages put together are the whole, in order, for each principal.
  void CheckPages(const Side& side) {
    for (const auto& labels : kPrincipals) {
      std::vector<std::string> expected, listed, expected_chunks, listed_chunks;
      for (const auto& [id, entry] : *side.model) {
        if (!MayBeSeen(entry.document, labels)) continue;
        expected.push_back(id);
        std::vector<std::pair<std::uint32_t, std::string>> chunks;
        for (const auto& [chunk_id, chunk] : entry.chunks)
          chunks.emplace_back(chunk.chunk.ordinal, chunk_id);
        std::sort(chunks.begin(), chunks.end());
        for (const auto& [ordinal, chunk_id] : chunks) expected_chunks.push_back(chunk_id);
      }
      stages::Page page{.size = static_cast<std::uint32_t>(*rc::gen::inRange(1, 4))};
      do {
        const auto documents = store_->ListDocuments(side.id, std::nullopt, labels, page, call_);
        RC_ASSERT(documents.ok());
        for (const auto& document : documents->documents) listed.push_back(document.id);
        page.token = documents->next_token;
      } while (!page.token.empty());
      do {
        const auto chunks = store_->ListChunks(side.id, "", labels, {}, page, call_);
        RC_ASSERT(chunks.ok());
        for (const auto& chunk : chunks->chunks) listed_chunks.push_back(chunk.id);
        page.token = chunks->next_token;
      } while (!page.token.empty());
      RC_ASSERT(listed == expected);
      RC_ASSERT(listed_chunks == expected_chunks);
    }
  }

  static Ranking BruteReciprocalRank(const Model& model, const stages::SearchRequest& request) {
    const stages::Fusion& fusion = *request.fusion;
    std::map<std::string, double> scores;
    for (const Ranking& ranking :
         {BruteDense(model, request.query_vector, request.principal_labels, fusion.candidates),
          BruteBm25(model, request.query_text, request.principal_labels, fusion.candidates)}) {
      for (std::size_t i = 0; i < ranking.size(); ++i)
        scores[ranking[i].first] += 1 / (fusion.rank_constant + static_cast<double>(i + 1));
    }
    return Best({scores.begin(), scores.end()}, request.top_k);
  }

  void Compare(const stages::SearchRequest& request, const Ranking& expected, double tolerance) {
    const auto found = store_->Search(request, call_);
    RC_ASSERT(found.ok());
    RC_ASSERT(found->hits.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      RC_ASSERT(std::abs(found->hits[i].score - expected[i].second) <= tolerance);
      RC_ASSERT(found->hits[i].chunk.id == expected[i].first);
    }
  }

  ScratchFolder folder_;
  const CallContext call_{absl::InfiniteFuture()};
  std::unique_ptr<Store> store_;
  Side sides_[2] = {{{"default", "model"}, std::nullopt}, {{"default", "other"}, std::nullopt}};
};

void CheckOnce() {
  Pair pair;
  for (int step = *rc::gen::inRange(1, 40); step > 0; --step) {
    switch (*rc::gen::weightedElement<int>(
        {{8, 0}, {2, 1}, {4, 2}, {2, 3}, {2, 4}, {1, 5}, {1, 6}, {1, 7}, {1, 8}, {3, 9}})) {
      case 0:
        pair.WriteDocument();
        break;
      case 1:
        pair.UpdateLabels();
        break;
      case 2:
        pair.AddChunk();
        break;
      case 3:
        pair.DeleteDocument();
        break;
      case 4:
        pair.DeleteChunk();
        break;
      case 5:
        pair.DeleteGroup();
        break;
      case 6:
        pair.DropOne();
        break;
      case 7:
        pair.CreateOne();
        break;
      case 8:
        pair.Open();
        break;
      default:
        pair.CheckSearches();
        break;
    }
  }
  pair.CheckContents();
  pair.CheckSearches();
  pair.Open();
  pair.CheckContents();
  pair.CheckSearches();
}

}  // namespace

void ProveModel(Proof* proof) {
  const std::string parameters =
      absl::StrCat("seed=", proof->seed(), " max_success=", proof->CountOr(kGate, kFull));
  setenv("RC_PARAMS", parameters.c_str(), /*overwrite=*/1);
  const bool holds = rc::check("the store equals a plain map", [&] {
    CheckOnce();
    proof->Done();
  });
  if (!holds) proof->Fail("the store differs from a plain map; what led there is above");
}

}  // namespace ragmesh::vector_store
