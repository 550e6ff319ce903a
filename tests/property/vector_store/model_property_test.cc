// A store under random writes, deletes and restarts equals a plain map, and its searches equal
// brute force over it.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <memory>
#include <string>

#include "libs/testing/test_data.h"
#include "libs/vector_store/store.h"
#include "tests/property/vector_store/model.h"

namespace ragmesh::vector_store {
namespace {

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

class Pair {
 public:
  Pair() {
    Open();
    stages::CollectionConfig config;
    config.id = id_;
    config.dimension = kDimension;
    config.embedder_digest = kDigest;
    RC_ASSERT(store_->CreateCollection(config, call_).ok());
  }

  void Open() {
    store_.reset();
    StoreOptions options;
    options.path = dir_.path().string();
    auto opened = Store::Open(options);
    RC_ASSERT(opened.ok());
    store_ = *std::move(opened);
  }

  void WriteDocument() {
    stages::Upsert upsert;
    upsert.document.emplace();
    upsert.document->id = Pick("d", 6);
    upsert.document->text = RandomText();
    for (const char* label : {"a", "b"}) {
      if (*rc::gen::inRange(0, 2) == 1) upsert.document->acl_labels.emplace_back(label);
    }
    ModelDocument entry{*upsert.document, {}};
    for (int i = *rc::gen::inRange(0, 5); i > 0; --i) {
      upsert.chunks.push_back(RandomChunk(entry.document.id, i));
      entry.chunks[upsert.chunks.back().id] = upsert.chunks.back();
    }
    const auto old = model_.find(entry.document.id);
    const bool same = old != model_.end() && old->second.document.text == entry.document.text;
    entry.document.version =
        old == model_.end() ? 1 : old->second.document.version + (same ? 0 : 1);
    const auto result = store_->Write(id_, kDigest, upsert, call_);
    RC_ASSERT(result.ok());
    RC_ASSERT(result->document_version == entry.document.version);
    RC_ASSERT(result->chunks_removed == (old == model_.end() ? 0 : old->second.chunks.size()));
    model_[entry.document.id] = entry;
  }

  void AddChunk() {
    const std::string id = Pick("d", 6);
    const auto chunk = RandomChunk(id, *rc::gen::inRange(1, 8));
    const auto result = store_->Write(id_, kDigest, {std::nullopt, {chunk}}, call_);
    const auto entry = model_.find(id);
    RC_ASSERT(result.ok() == (entry != model_.end()));
    if (entry != model_.end()) entry->second.chunks[chunk.id] = chunk;
  }

  void DeleteDocument() {
    const std::string id = Pick("d", 6);
    const auto result = store_->Delete(id_, stages::DocumentIds{{id}}, call_);
    RC_ASSERT(result.ok());
    RC_ASSERT(result->documents == model_.erase(id));
  }

  void DeleteChunk() {
    const std::string document = Pick("d", 6);
    const std::string chunk = document + "-" + std::to_string(*rc::gen::inRange(1, 8));
    const auto result = store_->Delete(id_, stages::ChunkIds{{chunk}}, call_);
    RC_ASSERT(result.ok());
    const auto entry = model_.find(document);
    RC_ASSERT(result->chunks == (entry == model_.end() ? 0 : entry->second.chunks.erase(chunk)));
  }

  void CheckSearches() {
    for (const auto& labels : kPrincipals) {
      stages::SearchRequest request;
      request.collection = id_;
      request.mode = stages::SearchMode::kDense;
      request.query_vector = RandomUnit();
      request.embedder_digest = kDigest;
      request.top_k = static_cast<std::uint32_t>(*rc::gen::inRange(1, 12));
      request.principal_labels = labels;
      Compare(request, BruteDense(model_, request.query_vector, labels, request.top_k), 0);
      request.mode = stages::SearchMode::kLexical;
      request.query_text = RandomText() + "pump";
      Compare(request, BruteBm25(model_, request.query_text, labels, request.top_k), 1e-9);
    }
  }

  void CheckContents() {
    stages::CollectionStats expected;
    for (const auto& [id, entry] : model_) {
      const auto document = store_->GetDocument(id_, id, {"*"}, call_);
      RC_ASSERT(document.ok());
      RC_ASSERT(document->text == entry.document.text);
      RC_ASSERT(document->version == entry.document.version);
      const auto page = store_->ListChunks(id_, id, {"*"}, {.vector = true}, {}, call_);
      RC_ASSERT(page.ok());
      RC_ASSERT(page->chunks.size() == entry.chunks.size());
      for (const auto& chunk : page->chunks) {
        RC_ASSERT(chunk.chunk == entry.chunks.at(chunk.id).chunk);
        RC_ASSERT(chunk.vector == entry.chunks.at(chunk.id).vector);
      }
      ++expected.documents;
      expected.chunks += entry.chunks.size();
      expected.text_bytes += entry.document.text.size();
    }
    const auto collection = store_->GetCollection(id_, call_);
    RC_ASSERT(collection.ok());
    RC_ASSERT(collection->stats.documents == expected.documents);
    RC_ASSERT(collection->stats.chunks == expected.chunks);
    RC_ASSERT(collection->stats.text_bytes == expected.text_bytes);
  }

 private:
  void Compare(const stages::SearchRequest& request, const Ranking& expected, double tolerance) {
    const auto found = store_->Search(request, call_);
    RC_ASSERT(found.ok());
    RC_ASSERT(found->hits.size() == expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      RC_ASSERT(std::abs(found->hits[i].score - expected[i].second) <= tolerance);
      RC_ASSERT(found->hits[i].chunk.id == expected[i].first);
    }
  }

  testing::TempDir dir_;
  const stages::CollectionId id_{"default", "model"};
  const CallContext call_{absl::InfiniteFuture()};
  std::unique_ptr<Store> store_;
  Model model_;
};

TEST(ModelPropertyTest, StoreEqualsAPlainMapAndSearchEqualsBruteForce) {
  EXPECT_TRUE(rc::check("store equals map", [] {
    Pair pair;
    for (int step = *rc::gen::inRange(1, 40); step > 0; --step) {
      switch (*rc::gen::weightedElement<int>({{8, 0}, {4, 1}, {2, 2}, {2, 3}, {1, 4}, {3, 5}})) {
        case 0:
          pair.WriteDocument();
          break;
        case 1:
          pair.AddChunk();
          break;
        case 2:
          pair.DeleteDocument();
          break;
        case 3:
          pair.DeleteChunk();
          break;
        case 4:
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
  }));
}

}  // namespace
}  // namespace ragmesh::vector_store
