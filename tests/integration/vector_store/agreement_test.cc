// Searches and filters of every store against the built-in one's, on the same random documents:
// the same chunks, in the same order, with the same scores.
#include <cstdint>
#include <limits>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "libs/vector_store/filter.h"
#include "tests/integration/vector_store/contract_fixture.h"

namespace ragmesh::testing {
namespace {

using stages::Filter;
using stages::MetadataValue;

constexpr std::uint32_t kDimension = 16;
constexpr std::uint64_t kSeed = 20261126;

class AgreementTest : public ContractTest {
 protected:
  void SetUp() override {
    ContractTest::SetUp();
    if (store == nullptr || HasFatalFailure()) return;
    oracle_backend_ = MakeBackend("builtin");
    oracle = oracle_backend_->Open();
    stages::CollectionConfig config = Config("random", kDimension);
    id = config.id;
    RAGMESH_ASSERT_OK(store->CreateCollection(config, call()));
    RAGMESH_ASSERT_OK(oracle->CreateCollection(config, call()));
    for (int d = 0; d < 40; ++d) WriteBoth(absl::StrCat("doc-", d));
    // Written again and deleted, so that statistics have to follow.
    for (int d = 0; d < 10; ++d) WriteBoth(absl::StrCat("doc-", d));
    const stages::DeleteSelector gone = stages::DocumentIds{{"doc-10", "doc-11"}};
    RAGMESH_ASSERT_OK(store->Delete(id, gone, call()));
    RAGMESH_ASSERT_OK(oracle->Delete(id, gone, call()));
    documents.erase("doc-10");
    documents.erase("doc-11");
  }

  std::size_t Below(std::size_t n) { return static_cast<std::size_t>(random() % n); }

  std::string Words(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
      // Few words are frequent, most are rare.
      const std::size_t word = Below(1 + Below(200));
      absl::StrAppend(&text, i == 0 ? "" : " ", "word", word, "s");
    }
    return text;
  }

  std::vector<float> Vector() {
    std::normal_distribution<float> normal;
    std::vector<float> values(kDimension);
    for (float& value : values) value = normal(random);
    return Unit(values);
  }

  // Values of few kinds and few values, so that they meet.
  MetadataValue Value() {
    switch (Below(7)) {
      case 0:
        return absl::StrCat("v", Below(4));
      case 1:
        return static_cast<std::int64_t>(Below(4));
      case 2:
        return static_cast<double>(Below(8)) / 2;
      case 3:
        return Below(2) == 0;
      case 4:
        return absl::UnixEpoch() + absl::Nanoseconds(static_cast<std::int64_t>(Below(4)) - 2);
      case 5:
        return Below(2) == 0 ? MetadataValue(std::int64_t{9007199254740993})
                             : MetadataValue(9007199254740992.0);
      default: {
        std::vector<std::string> list(Below(3));
        for (std::string& text : list) text = absl::StrCat("v", Below(4));
        return list;
      }
    }
  }

  void WriteBoth(const std::string& name) {
    stages::StoredDocument document =
        Document(name, absl::StrCat("text ", random()), {absl::StrCat("l", Below(3))});
    document.info.title = Words(2);
    document.info.language = Below(2) == 0 ? "en" : "";
    for (const char* field : {"f0", "f1", "f2"}) {
      if (Below(5) > 0) document.metadata[field] = Value();
    }
    std::vector<stages::StoredChunk> chunks;
    const std::size_t count = 1 + Below(6);
    for (std::size_t c = 0; c < count; ++c) {
      chunks.push_back(Chunk(absl::StrCat(name, "-", c), static_cast<std::uint32_t>(c),
                             Words(3 + Below(40)), Vector()));
      if (Below(2) == 0) chunks.back().chunk.context = Words(3);
    }
    documents[name] = document;
    RAGMESH_ASSERT_OK(Write(id, document, chunks));
    RAGMESH_ASSERT_OK(oracle->Write(id, kDigest, {document, chunks}, call()));
  }

  Filter Leaf(bool allow_list_prefix) {
    const std::vector<std::string> fields = {"f0", "f1", "f2", "document_id", "language"};
    const std::string field = fields[Below(fields.size())];
    const bool reserved = vector_store::IsReservedField(field);
    const auto value = [&]() -> MetadataValue {
      if (reserved) return Below(2) == 0 ? absl::StrCat("doc-", Below(40)) : "en";
      while (true) {
        MetadataValue made = Value();
        if (!std::holds_alternative<std::vector<std::string>>(made)) return made;
      }
    };
    switch (Below(allow_list_prefix ? 4 : 3)) {
      case 0:
        return {stages::FilterEquals{field, value()}};
      case 1: {
        stages::FilterIn in{field, {}};
        for (std::size_t n = Below(4); n > 0; --n) in.values.push_back(value());
        return {in};
      }
      case 2: {
        stages::FilterRange range{field};
        MetadataValue bound = value();
        if (std::holds_alternative<bool>(bound)) bound = std::string("v1");
        if (reserved) bound = absl::StrCat("doc-", Below(40));
        (Below(2) == 0 ? range.greater_than : range.greater_or_equal) = bound;
        if (Below(2) == 0) (Below(2) == 0 ? range.less_than : range.less_or_equal) = bound;
        return {range};
      }
      default:
        return {stages::FilterPrefix{field, reserved ? "doc-1" : Below(2) == 0 ? "v" : "v1"}};
    }
  }

  Filter Random(int depth, bool allow_list_prefix) {
    if (depth == 0 || Below(3) == 0) return Leaf(allow_list_prefix);
    switch (Below(3)) {
      case 0: {
        stages::FilterAnd all;
        for (std::size_t n = Below(3); n > 0; --n)
          all.filters.push_back(Random(depth - 1, allow_list_prefix));
        return {all};
      }
      case 1: {
        stages::FilterOr any;
        for (std::size_t n = Below(3); n > 0; --n)
          any.filters.push_back(Random(depth - 1, allow_list_prefix));
        return {any};
      }
      default:
        return {stages::FilterNot{
            std::make_shared<const Filter>(Random(depth - 1, allow_list_prefix))}};
    }
  }

  stages::SearchRequest Search(stages::SearchMode mode) {
    stages::SearchRequest request = Dense(id, Vector());
    request.mode = mode;
    if (mode != stages::SearchMode::kDense) request.query_text = Words(1 + Below(5));
    request.top_k = static_cast<std::uint32_t>(1 + Below(20));
    return request;
  }

  void ExpectSame(const stages::SearchRequest& request, double tolerance = 1e-6) {
    const auto ours = store->Search(request, call());
    const auto theirs = oracle->Search(request, call());
    RAGMESH_ASSERT_OK(ours);
    RAGMESH_ASSERT_OK(theirs);
    ASSERT_EQ(ours->hits.size(), theirs->hits.size()) << request.query_text;
    const auto near = [&](const std::optional<double>& a, const std::optional<double>& b) {
      ASSERT_EQ(a.has_value(), b.has_value());
      if (a.has_value()) {
        EXPECT_NEAR(*a, *b, tolerance);
      }
    };
    for (std::size_t i = 0; i < ours->hits.size(); ++i) {
      const stages::SearchHit& a = ours->hits[i];
      const stages::SearchHit& b = theirs->hits[i];
      SCOPED_TRACE(absl::StrCat("hit ", i, " of \"", request.query_text, "\""));
      ASSERT_EQ(a.chunk.id, b.chunk.id);
      EXPECT_NEAR(a.score, b.score, tolerance);
      near(a.dense_score, b.dense_score);
      near(a.lexical_score, b.lexical_score);
      near(a.fused_score, b.fused_score);
      EXPECT_EQ(a.dense_rank, b.dense_rank);
      EXPECT_EQ(a.lexical_rank, b.lexical_rank);
      EXPECT_EQ(a.chunk.chunk, b.chunk.chunk);
      if (!Can("neighbours")) continue;
      EXPECT_EQ(a.position, b.position);
      EXPECT_EQ(a.run, b.run);
      ASSERT_EQ(a.neighbours.size(), b.neighbours.size());
      for (std::size_t n = 0; n < a.neighbours.size(); ++n) {
        EXPECT_EQ(a.neighbours[n].chunk.id, b.neighbours[n].chunk.id);
        EXPECT_EQ(a.neighbours[n].position, b.neighbours[n].position);
      }
      if (!request.explain || !Can("explain")) continue;
      ASSERT_TRUE(a.explanation.has_value());
      EXPECT_NEAR(a.explanation->dense_part, b.explanation->dense_part, tolerance);
      EXPECT_NEAR(a.explanation->lexical_part, b.explanation->lexical_part, tolerance);
      ASSERT_EQ(a.explanation->terms.size(), b.explanation->terms.size());
      for (std::size_t t = 0; t < a.explanation->terms.size(); ++t) {
        EXPECT_EQ(a.explanation->terms[t].term, b.explanation->terms[t].term);
        EXPECT_NEAR(a.explanation->terms[t].score, b.explanation->terms[t].score, tolerance);
      }
    }
    if (request.explain && Can("explain")) {
      EXPECT_EQ(ours->candidates, theirs->candidates);
      EXPECT_EQ(ours->explanation->chunks, theirs->explanation->chunks);
      EXPECT_EQ(ours->explanation->candidates, theirs->explanation->candidates);
    }
  }

  std::unique_ptr<Backend> oracle_backend_;
  std::unique_ptr<stages::VectorStore> oracle;
  stages::CollectionId id;
  std::map<std::string, stages::StoredDocument> documents;
  std::mt19937_64 random{kSeed};
};

TEST_P(AgreementTest, StatisticsAreTheSame) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto ours, store->GetCollection(id, call()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto theirs, oracle->GetCollection(id, call()));
  EXPECT_EQ(ours.stats.documents, theirs.stats.documents);
  EXPECT_EQ(ours.stats.chunks, theirs.stats.chunks);
  if (Can("text_statistics")) {
    EXPECT_EQ(ours.stats.text_bytes, theirs.stats.text_bytes);
    EXPECT_EQ(ours.stats.terms, theirs.stats.terms);
  }
}

TEST_P(AgreementTest, DenseSearchIsTheSame) {
  for (int i = 0; i < 30; ++i) {
    stages::SearchRequest request = Search(stages::SearchMode::kDense);
    if (i % 3 == 1) request.principal_labels = {"l1"};
    if (i % 4 == 2) request.filter = Random(2, Can("prefix_of_lists"));
    ExpectSame(request);
  }
}

TEST_P(AgreementTest, LexicalSearchIsTheSame) {
  if (!Can("lexical_search")) GTEST_SKIP() << "skipped: the store has no lexical search";
  for (int i = 0; i < 60; ++i) {
    stages::SearchRequest request = Search(stages::SearchMode::kLexical);
    if (i % 2 == 1) request.bm25 = {0.4 + 0.1 * (i % 5), 0.2 * (i % 5)};
    if (i % 3 == 1) request.lexical_weights = {2.5, 0.5, 1};
    if (i % 6 == 5) request.lexical_weights = {1, 0, 0};
    if (i % 4 == 2) request.filter = Random(2, true);
    if (i % 5 == 2) request.principal_labels = {"l0", "l2"};
    request.explain = i % 2 == 0;
    ExpectSame(request);
  }
}

TEST_P(AgreementTest, HybridSearchIsTheSame) {
  if (!Can("hybrid_search")) GTEST_SKIP() << "skipped: the store has no hybrid search";
  for (int i = 0; i < 40; ++i) {
    stages::SearchRequest request = Search(stages::SearchMode::kHybrid);
    stages::Fusion fusion;
    fusion.method =
        i % 2 == 0 ? stages::FusionMethod::kZScore : stages::FusionMethod::kReciprocalRank;
    fusion.candidates = static_cast<std::uint32_t>(5 + Below(60));
    if (i % 3 > 0) request.fusion = fusion;
    if (i % 4 == 1) request.filter = Random(2, true);
    request.explain = i % 2 == 0;
    ExpectSame(request);
  }
}

TEST_P(AgreementTest, QuotasDiversityAndNeighboursAreTheSame) {
  for (int i = 0; i < 20; ++i) {
    stages::SearchRequest request =
        Search(Can("hybrid_search") && i % 2 == 0 ? stages::SearchMode::kHybrid
                                                  : stages::SearchMode::kDense);
    if (i % 3 == 0) request.max_per_document = static_cast<std::uint32_t>(1 + Below(2));
    if (i % 3 == 1) request.diversity = stages::Diversity{0.6, 30};
    if (i % 3 == 2 && Can("neighbours")) request.neighbours = {1, 2};
    ExpectSame(request);
  }
}

TEST_P(AgreementTest, FiltersMeanTheSame) {
  int some = 0;
  for (int i = 0; i < 300; ++i) {
    const Filter filter = Random(3, Can("prefix_of_lists"));
    std::vector<std::string> expected;
    for (const auto& [name, document] : documents) {
      const vector_store::FilterSubject subject{document.id, document.name,
                                                document.info.media_type, document.info.language,
                                                &document.metadata};
      if (vector_store::Matches(filter, subject)) expected.push_back(name);
    }
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto page,
                                 store->ListDocuments(id, filter, all, {}, call()));
    std::vector<std::string> found;
    for (const auto& document : page.documents) found.push_back(document.id);
    ASSERT_EQ(found, expected) << "filter " << i << " of seed " << kSeed;
    some += expected.empty() ? 0 : 1;
  }
  EXPECT_GT(some, 100);
}

INSTANTIATE_TEST_SUITE_P(Stores, AgreementTest, ::testing::ValuesIn(BackendNames()), NameOf);

}  // namespace
}  // namespace ragmesh::testing
