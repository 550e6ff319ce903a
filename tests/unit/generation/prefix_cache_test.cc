#include "libs/generation/prefix_cache.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "libs/testing/status_matchers.h"

namespace ragmesh::generation {
namespace {

class PrefixCacheTest : public ::testing::Test {
 protected:
  PrefixCacheTest() : pool_(*KvPool::Create(kShape, 8 * kShape.BlockBytes())), kept_(pool_.get()) {}

  // `count` tokens, whose values go up from `first`.
  static std::vector<std::uint32_t> Tokens(std::uint32_t first, std::size_t count) {
    std::vector<std::uint32_t> tokens(count);
    std::iota(tokens.begin(), tokens.end(), first);
    return tokens;
  }
  // Keeps the blocks of a stream that has read `tokens`, and returns which they are.
  std::vector<KvPool::Id> Keep(const std::string& salt, const std::vector<std::uint32_t>& tokens) {
    KvCache cache(pool_.get());
    EXPECT_TRUE(cache.Reserve(tokens.size()));
    kept_.Keep(salt, tokens, cache);
    return {cache.ids().begin(), cache.ids().end()};
  }
  // The whole blocks that are found.
  std::vector<KvPool::Id> Find(const std::string& salt, const std::vector<std::uint32_t>& tokens) {
    KvCache cache(pool_.get());
    const std::size_t found = kept_.Find(salt, tokens, &cache);
    return {cache.ids().begin(), cache.ids().begin() + static_cast<std::ptrdiff_t>(found / 32)};
  }

  static constexpr KvShape kShape = {1, 1, 16, quant::KvType::kF16};
  std::unique_ptr<KvPool> pool_;
  PrefixCache kept_;
};

TEST_F(PrefixCacheTest, FindsTheLongestCommonBeginningInWholeBlocks) {
  std::vector<std::uint32_t> tokens = Tokens(0, 100);
  const auto ids = Keep("", tokens);
  EXPECT_EQ(Find("", tokens), std::vector<KvPool::Id>(ids.begin(), ids.begin() + 3));
  tokens[64] = 7;
  EXPECT_EQ(Find("", tokens), std::vector<KvPool::Id>(ids.begin(), ids.begin() + 2));
  EXPECT_EQ(Find("", Tokens(0, 63)), std::vector<KvPool::Id>(ids.begin(), ids.begin() + 1));
  EXPECT_TRUE(Find("", Tokens(0, 31)).empty());
  EXPECT_TRUE(Find("", Tokens(1, 100)).empty());
}

TEST_F(PrefixCacheTest, ABlockThatBeginsAlikeIsCopied) {
  std::vector<std::uint32_t> tokens = Tokens(0, 64);
  const auto ids = Keep("", tokens);
  pool_->Data(ids[1])[5] = 77;
  tokens[50] = 7;
  KvCache cache(pool_.get());
  EXPECT_EQ(kept_.Find("", tokens, &cache), 50);
  ASSERT_EQ(cache.ids().size(), 2);
  EXPECT_EQ(cache.ids()[0], ids[0]);
  EXPECT_NE(cache.ids()[1], ids[1]);  // it may be written to
  EXPECT_EQ(pool_->Data(cache.ids()[1])[5], 77);
  KvCache brief(pool_.get());
  EXPECT_EQ(kept_.Find("", Tokens(0, 40), &brief), 40);
}

TEST_F(PrefixCacheTest, SaltsShareNothing) {
  Keep("a", Tokens(0, 64));
  EXPECT_TRUE(Find("b", Tokens(0, 64)).empty());
  EXPECT_EQ(Find("a", Tokens(0, 64)).size(), 2);
}

TEST_F(PrefixCacheTest, WhatIsHereAlreadyIsNotKeptTwice) {
  const auto first = Keep("", Tokens(0, 64));
  Keep("", Tokens(0, 96));
  EXPECT_EQ(kept_.blocks(), 3);
  EXPECT_EQ(pool_->free_blocks(), 5);
  EXPECT_EQ(Find("", Tokens(0, 64)), first);
}

TEST_F(PrefixCacheTest, TheLeastRecentlyUsedGoesFirstAndEndsGoBeforeBeginnings) {
  Keep("", Tokens(0, 64));
  Keep("", Tokens(1000, 64));
  Find("", Tokens(0, 64));
  EXPECT_EQ(kept_.Evict(1), 1);
  EXPECT_EQ(Find("", Tokens(1000, 64)).size(), 1);
  EXPECT_EQ(Find("", Tokens(0, 64)).size(), 2);
  EXPECT_EQ(kept_.Evict(2), 2);  // what is left of the one, then the end of the other
  EXPECT_TRUE(Find("", Tokens(1000, 64)).empty());
  EXPECT_EQ(Find("", Tokens(0, 64)).size(), 1);
}

TEST_F(PrefixCacheTest, BlocksThatAStreamHoldsStay) {
  Keep("", Tokens(0, 64));
  KvCache stream(pool_.get());
  ASSERT_EQ(kept_.Find("", Tokens(0, 64), &stream), 64);
  EXPECT_EQ(kept_.Evict(8), 0);
  stream.Clear();
  EXPECT_EQ(kept_.Evict(8), 2);
  EXPECT_EQ(pool_->free_blocks(), 8);
}

TEST(KvPoolTest, AStreamThatFindsNoBlockKeepsWhatItHas) {
  constexpr KvShape kShape = {2, 3, 64, quant::KvType::kQ8};
  auto pool = *KvPool::Create(kShape, 2 * kShape.BlockBytes() + 1);
  KvCache cache(pool.get());
  EXPECT_TRUE(cache.Reserve(33));
  EXPECT_FALSE(cache.Reserve(65));
  EXPECT_EQ(cache.capacity(), 64);
  EXPECT_EQ(pool->free_blocks(), 0);
}

TEST(KvPoolTest, MemoryForLessThanABlockIsRefused) {
  constexpr KvShape kShape = {2, 3, 64, quant::KvType::kF16};
  EXPECT_EQ(KvPool::Create(kShape, kShape.BlockBytes() - 1).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace ragmesh::generation
