// Any index, in whatever parts it lies, answers as the model does: the same slots in the same
// order, and the same bits of every score.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "libs/lexical/index_search.h"
#include "libs/lexical/postings_writer.h"
#include "libs/testing/status_matchers.h"
#include "tests/property/lexical/model_index.h"
#include "tests/unit/lexical/random_index.h"

namespace ragmesh::lexical {
namespace {

constexpr std::uint64_t kSeeds = 60;
constexpr int kQueriesPerIndex = 12;

// An index over several images and a tail, beside its model.
class RandomIndex {
 public:
  explicit RandomIndex(std::uint64_t seed) : chunks_(seed) {
    // Often small, sometimes large enough for lists of many blocks that have codes.
    const std::uint32_t sizes[] = {1, 30, 300, 3000};
    for (std::uint32_t part = 1 + Below(3); part > 0; --part) AddImage(1 + Below(sizes[Below(4)]));
    AddTail(Below(sizes[Below(3)]));
    for (std::size_t slot = 0; slot < model_.chunks.size(); ++slot) {
      if (Below(5) == 0) Remove(slot);
    }
    const std::uint32_t share = 1 + Below(3);
    for (std::size_t slot = 0; slot < model_.chunks.size(); ++slot)
      allowed_.push_back(share == 1 || Below(share) == 0);
  }

  std::uint32_t Below(std::uint32_t n) { return chunks_.Below(n); }

  std::vector<SearchPart> Parts(bool live_only = false) {
    std::vector<SearchPart> parts;
    for (const auto& part : parts_) {
      part->allowed.assign(part->index.slot_count() / 64 + 1, 0);
      for (std::uint32_t slot = 0; slot < part->index.slot_count(); ++slot) {
        const std::uint32_t whole = part->base + slot;
        if (model_.chunks[whole].live && (live_only || allowed_[whole]))
          part->allowed[slot / 64] |= std::uint64_t{1} << (slot % 64);
      }
      parts.push_back(
          {part->image.has_value() ? static_cast<const IndexPart*>(&*part->image) : &part->index,
           part->base, part->allowed, part->image.has_value() ? &part->removed : nullptr});
    }
    return parts;
  }

  // Sources of a merge into the slots that `new_slots` gives to slots of the whole.
  std::vector<PostingsSource> Sources(const std::vector<std::uint32_t>& new_slots) const {
    std::vector<PostingsSource> sources;
    for (const auto& part : parts_) {
      sources.push_back(
          {part->image.has_value() ? &*part->image : nullptr,
           part->image.has_value() ? nullptr : &part->index,
           absl::MakeConstSpan(new_slots).subspan(part->base, part->index.slot_count())});
    }
    return sources;
  }

  Query RandomQuery() {
    Query query;
    for (std::uint32_t clauses = 1 + Below(4); clauses > 0; --clauses) {
      Clause& clause = query.clauses.emplace_back();
      const std::uint32_t kind = Below(10);
      clause.role = kind < 7   ? Clause::Role::kOptional
                    : kind < 9 ? Clause::Role::kRequired
                               : Clause::Role::kExcluded;
      if (Below(8) == 0) {
        clause.prefix = absl::StrCat("t", 1 + Below(20));
        continue;
      }
      for (std::uint32_t words = 1 + Below(3), at = 0; words > 0; --words, at += 1 + Below(2))
        clause.terms.push_back({chunks_.Word(), at});
    }
    return query;
  }

  Bm25 RandomBm25() {
    const Bm25 some[] = {{},
                         {},
                         {0, 0.75, {1, 1, 1}},
                         {2, 1, {1, 1, 1}},
                         {1.2, 0.75, {3, 2, 1}},
                         {0.9, 0.4, {0, 0.5, 2}},
                         {1.2, 0, {0, 1, 0}},
                         {1.2, 1, {2.5, 0, 0}}};
    return some[Below(std::size(some))];
  }

  ModelIndex model_;
  std::vector<bool> allowed_;

 private:
  struct Part {
    std::uint32_t base = 0;
    InvertedIndex index;  // of an image: what it was written from
    std::string bytes;
    std::optional<PostingsImage> image;
    RemovedChunks removed;
    std::vector<std::uint64_t> allowed;
  };

  Part* AddTail(std::uint32_t count) {
    parts_.push_back(std::make_unique<Part>());
    Part* part = parts_.back().get();
    part->base = static_cast<std::uint32_t>(model_.chunks.size());
    for (std::uint32_t slot = 0; slot < count; ++slot) {
      model_.chunks.push_back({chunks_.Chunk()});
      AddChunk(&part->index, slot, model_.chunks.back().terms);
    }
    return part;
  }

  void AddImage(std::uint32_t count) {
    Part* part = AddTail(count);
    std::vector<std::uint32_t> same(count);
    std::iota(same.begin(), same.end(), 0u);
    const PostingsSource source{nullptr, &part->index, same};
    auto bytes = WritePostings({&source, 1}, {.slots = count});
    RAGMESH_ASSERT_OK(bytes);
    part->bytes = *std::move(bytes);
    const auto tables = linalg::SupportedPostingsKernels();
    auto image =
        PostingsImage::Open(part->bytes, *tables[Below(static_cast<std::uint32_t>(tables.size()))]);
    RAGMESH_ASSERT_OK(image);
    RAGMESH_ASSERT_OK(image->Check());
    part->image = *std::move(image);
  }

  void Remove(std::size_t slot) {
    ModelIndex::Chunk& chunk = model_.chunks[slot];
    chunk.live = false;
    Part* of = nullptr;
    for (const auto& part : parts_) {
      if (part->base <= slot && slot < part->base + part->index.slot_count()) of = part.get();
    }
    if (of->image.has_value()) {
      of->removed.Add(chunk.terms);
    } else {
      of->index.Deactivate(*of->index.FindAll(chunk.terms));
    }
  }

  RandomChunks chunks_;
  std::vector<std::unique_ptr<Part>> parts_;
};

// Any strict order that is not that of the slots.
bool ComesFirstOf(std::uint32_t a, std::uint32_t b) {
  const auto mixed = [](std::uint32_t x) { return x * 2654435761u; };
  return mixed(a) < mixed(b);
}

class LexicalPropertyTest : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(LexicalPropertyTest, SearchIsThatOfTheModelBitForBit) {
  RandomIndex index(GetParam());
  const auto parts = index.Parts();
  for (int i = 0; i < kQueriesPerIndex; ++i) {
    const Query query = index.RandomQuery();
    const Bm25 bm25 = index.RandomBm25();
    const std::size_t k = std::vector<std::size_t>{0, 1, 10, 100'000}[index.Below(4)];
    const auto found = SearchIndex(parts, query, bm25, k, ComesFirstOf);
    RAGMESH_ASSERT_OK(found);
    const auto expected = index.model_.Search(query, bm25, index.allowed_, k, ComesFirstOf);
    ASSERT_EQ(found->best, expected) << "seed " << GetParam() << ", query " << i;
  }
}

TEST_P(LexicalPropertyTest, ScoresOfGivenSlotsAreThoseOfTheModel) {
  RandomIndex index(GetParam());
  const auto parts = index.Parts();
  for (int i = 0; i < kQueriesPerIndex; ++i) {
    const Query query = index.RandomQuery();
    const Bm25 bm25 = index.RandomBm25();
    std::vector<std::uint32_t> slots;
    for (std::uint32_t slot = 0; slot < index.model_.chunks.size(); ++slot) {
      if (index.Below(3) == 0) slots.push_back(slot);
    }
    const auto scores = ScoreIndex(parts, query, bm25, slots);
    RAGMESH_ASSERT_OK(scores);
    const auto terms = index.model_.Terms(query);
    for (std::size_t s = 0; s < slots.size(); ++s)
      ASSERT_EQ((*scores)[s], index.model_.Score(terms, bm25, slots[s])) << "seed " << GetParam();
  }
}

TEST_P(LexicalPropertyTest, MergedImageAnswersAsItsSourcesDidAndIsThatOfItsContent) {
  RandomIndex index(GetParam());
  // Live chunks get random slots among a few more than there are.
  std::uint32_t live = 0;
  for (const auto& chunk : index.model_.chunks) live += chunk.live ? 1 : 0;
  std::vector<std::uint32_t> order(live + 70);
  std::iota(order.begin(), order.end(), 0u);
  for (std::size_t i = order.size() - 1; i > 0; --i)
    std::swap(order[i], order[index.Below(static_cast<std::uint32_t>(i + 1))]);
  std::vector<std::uint32_t> new_slots;
  ModelIndex merged;
  merged.chunks.resize(order.size());
  for (auto& chunk : merged.chunks) chunk.live = false;
  for (const auto& chunk : index.model_.chunks) {
    new_slots.push_back(chunk.live ? order[--live] : InvertedIndex::kDropped);
    if (chunk.live) merged.chunks[new_slots.back()] = chunk;
  }
  const PostingsLayout layout{static_cast<std::uint32_t>(order.size()), true};
  const auto bytes = WritePostings(index.Sources(new_slots), layout);
  RAGMESH_ASSERT_OK(bytes);
  const auto image = PostingsImage::Open(*bytes);
  RAGMESH_ASSERT_OK(image);
  RAGMESH_ASSERT_OK(image->Check());

  InvertedIndex fresh;
  std::vector<std::uint32_t> same(order.size());
  std::iota(same.begin(), same.end(), 0u);
  for (std::uint32_t slot = 0; slot < merged.chunks.size(); ++slot) {
    if (merged.chunks[slot].live) {
      AddChunk(&fresh, slot, merged.chunks[slot].terms);
    } else {
      same[slot] = InvertedIndex::kDropped;
    }
  }
  const PostingsSource source{nullptr, &fresh, same};
  EXPECT_EQ(*bytes, *WritePostings({&source, 1}, layout)) << "seed " << GetParam();

  const std::vector<std::uint64_t> all(order.size() / 64 + 1, ~std::uint64_t{0});
  const SearchPart part{&*image, 0, all, nullptr};
  for (int i = 0; i < kQueriesPerIndex; ++i) {
    const Query query = index.RandomQuery();
    const Bm25 bm25 = index.RandomBm25();
    const auto found = SearchIndex({&part, 1}, query, bm25, 10, ComesFirstOf);
    RAGMESH_ASSERT_OK(found);
    ASSERT_EQ(found->best,
              merged.Search(query, bm25, std::vector<bool>(order.size(), true), 10, ComesFirstOf))
        << "seed " << GetParam() << ", query " << i;
  }
}

// Large enough for codes of many ranges, where the model would take too long: the scan of every
// posting, which the tests above hold to the model, is the truth.
TEST(LargeIndexPropertyTest, EveryTableOfKernelsFindsWhatTheScanOfEveryPostingFinds) {
  constexpr std::uint32_t kChunks = 20'000;
  RandomChunks chunks(7, 5000);
  InvertedIndex index;
  for (std::uint32_t slot = 0; slot < kChunks; ++slot) AddChunk(&index, slot, chunks.Chunk());
  std::vector<std::uint32_t> same(kChunks);
  std::iota(same.begin(), same.end(), 0u);
  const PostingsSource source{nullptr, &index, same};
  const auto bytes = WritePostings({&source, 1}, {.slots = kChunks});
  RAGMESH_ASSERT_OK(bytes);
  std::vector<std::uint64_t> allowed(kChunks / 64 + 1);
  for (int round = 0; round < 200; ++round) {
    for (auto& word : allowed) word = round % 2 == 0 ? ~0ull : chunks.random()();
    Query query;
    for (std::uint32_t words = 1 + chunks.Below(12); words > 0; --words)
      query.clauses.push_back({Clause::Role::kOptional, {{chunks.Word(), 0}}, ""});
    Bm25 bm25;
    if (round % 3 == 0) bm25.weights = {2, 1.5, 1};
    if (round % 5 == 0) bm25.k1 = 0.5;
    const std::size_t k = 1 + chunks.Below(100);
    const SearchPart scanned{&index, 0, allowed, nullptr};
    const auto expected = SearchIndex({&scanned, 1}, query, bm25, k, ComesFirstOf);
    RAGMESH_ASSERT_OK(expected);
    for (const auto* kernels : linalg::SupportedPostingsKernels()) {
      const auto image = PostingsImage::Open(*bytes, *kernels);
      RAGMESH_ASSERT_OK(image);
      const SearchPart part{&*image, 0, allowed, nullptr};
      const auto found = SearchIndex({&part, 1}, query, bm25, k, ComesFirstOf);
      RAGMESH_ASSERT_OK(found);
      ASSERT_EQ(found->best, expected->best) << kernels->name << ", round " << round;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, LexicalPropertyTest,
                         ::testing::Range(std::uint64_t{1}, kSeeds + 1));

}  // namespace
}  // namespace ragmesh::lexical
