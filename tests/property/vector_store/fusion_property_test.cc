// A hybrid search equals brute force: the best of each list are the candidates, both scores of each
// are exact, and the fused order is the formula. How a list was cut matters only in what it
// proposes.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "libs/testing/test_data.h"
#include "libs/vector_store/store.h"
#include "tests/proof/vector_store/model.h"

namespace ragmesh::vector_store {
namespace {

constexpr char kDigest[] = "digest";
const char* const kWords[] = {"pump", "valve", "seal", "motor", "oil", "bearing", "shaft"};

std::string Words(int most) {
  std::string text;
  for (int i = *rc::gen::inRange(1, most + 1); i > 0; --i)
    text += std::string(kWords[*rc::gen::inRange(0, 7)]) + " ";
  return text;
}

std::vector<float> Direction() {
  const double angle = 0.1 * *rc::gen::inRange(0, 63);
  return {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
}

struct Filled {
  testing::TempDir dir;
  std::unique_ptr<Store> store;
  Model model;
  const stages::CollectionId id{"default", "fused"};
  const CallContext call{absl::InfiniteFuture()};

  Filled() {
    StoreOptions options;
    options.path = dir.path().string();
    auto opened = Store::Open(options);
    RC_ASSERT(opened.ok());
    store = *std::move(opened);
    stages::CollectionConfig config;
    config.id = id;
    config.dimension = 2;
    config.embedder_digest = kDigest;
    RC_ASSERT(store->CreateCollection(config, call).ok());
    for (int d = *rc::gen::inRange(1, 12); d > 0; --d) {
      stages::Upsert upsert;
      upsert.document.emplace();
      upsert.document->id = "d" + std::to_string(d);
      upsert.document->acl_labels = {*rc::gen::inRange(0, 3) == 0 ? "board" : "staff"};
      ModelDocument entry{*upsert.document, {}};
      for (int i = *rc::gen::inRange(1, 6); i > 0; --i) {
        stages::StoredChunk chunk;
        chunk.id = upsert.document->id + "-" + std::to_string(i);
        chunk.chunk.ordinal = static_cast<std::uint32_t>(i);
        chunk.chunk.text = Words(5);
        chunk.vector = Direction();
        upsert.chunks.push_back(chunk);
        entry.chunks[chunk.id] = chunk;
      }
      RC_ASSERT(store->Write(id, kDigest, upsert, call).ok());
      model[entry.document.id] = entry;
    }
  }
};

struct Expected {
  double dense = 0, lexical = 0, fused = 0;
};

std::map<std::string, Expected> BruteFusion(const Model& model,
                                            const stages::SearchRequest& request) {
  const auto& labels = request.principal_labels;
  const std::size_t all = 1'000'000;
  std::map<std::string, double> dense, lexical;
  for (const auto& [id, score] : BruteDense(model, request.query_vector, labels, all))
    dense[id] = score;
  for (const auto& [id, score] : BruteBm25(model, request.query_text, labels, all))
    lexical[id] = score;
  std::map<std::string, Expected> expected;
  const std::size_t cut = request.fusion->candidates;
  for (const auto& [id, score] : BruteDense(model, request.query_vector, labels, cut)) expected[id];
  for (const auto& [id, score] : BruteBm25(model, request.query_text, labels, cut)) expected[id];
  double means[2] = {}, variances[2] = {};
  const double n = static_cast<double>(expected.size());
  for (auto& [id, one] : expected) {
    one.dense = dense.at(id);
    one.lexical = lexical.contains(id) ? lexical.at(id) : 0;
    means[0] += one.dense / n;
    means[1] += one.lexical / n;
  }
  for (const auto& [id, one] : expected) {
    variances[0] += (one.dense - means[0]) * (one.dense - means[0]) / n;
    variances[1] += (one.lexical - means[1]) * (one.lexical - means[1]) / n;
  }
  for (auto& [id, one] : expected) {
    const auto z = [&](double score, int kind) {
      return variances[kind] < 1e-18 ? 0 : (score - means[kind]) / std::sqrt(variances[kind]);
    };
    one.fused = request.fusion->dense_weight * z(one.dense, 0) +
                (1 - request.fusion->dense_weight) * z(one.lexical, 1);
  }
  return expected;
}

TEST(FusionPropertyTest, HybridSearchEqualsBruteForce) {
  EXPECT_TRUE(rc::check("hybrid equals brute force", [] {
    Filled filled;
    for (int question = 0; question < 10; ++question) {
      stages::SearchRequest request;
      request.collection = filled.id;
      request.query_text = Words(4);
      request.query_vector = Direction();
      request.embedder_digest = kDigest;
      request.top_k = 1000;
      request.fusion = stages::Fusion{.dense_weight = 0.1 * *rc::gen::inRange(0, 11)};
      request.fusion->candidates = *rc::gen::inRange(1, 30);
      request.principal_labels = {*rc::gen::inRange(0, 2) == 0 ? "staff" : "*"};
      const auto found = filled.store->Search(request, filled.call);
      RC_ASSERT(found.ok());
      const auto expected = BruteFusion(filled.model, request);
      RC_ASSERT(found->hits.size() == expected.size());
      std::set<std::string> seen;
      for (std::size_t i = 0; i < found->hits.size(); ++i) {
        const stages::SearchHit& hit = found->hits[i];
        const auto it = expected.find(hit.chunk.id);
        RC_ASSERT(it != expected.end() && seen.insert(hit.chunk.id).second);
        RC_ASSERT(std::abs(*hit.dense_score - it->second.dense) < 1e-9);
        RC_ASSERT(std::abs(*hit.lexical_score - it->second.lexical) < 1e-9);
        RC_ASSERT(std::abs(hit.score - it->second.fused) < 1e-7);
        if (i == 0) continue;
        const stages::SearchHit& before = found->hits[i - 1];
        RC_ASSERT(before.score > hit.score ||
                  (before.score == hit.score && before.chunk.id < hit.chunk.id));
      }
      // Fewer hits are the first of more.
      request.top_k = static_cast<std::uint32_t>(*rc::gen::inRange(1, 8));
      const auto fewer = filled.store->Search(request, filled.call);
      RC_ASSERT(fewer.ok());
      for (std::size_t i = 0; i < fewer->hits.size(); ++i) {
        RC_ASSERT(fewer->hits[i].chunk.id == found->hits[i].chunk.id);
        RC_ASSERT(fewer->hits[i].score == found->hits[i].score);
      }
    }
  }));
}

}  // namespace
}  // namespace ragmesh::vector_store
