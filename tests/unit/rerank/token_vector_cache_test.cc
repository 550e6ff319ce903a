#include "libs/rerank/token_vector_cache.h"

#include <gtest/gtest.h>

namespace ragmesh::rerank {
namespace {

// One row of `width` bytes.
TokenVectorCache::Vectors Of(std::size_t width) {
  return std::make_shared<const embedding::TokenVectors>(
      embedding::TokenVectors{std::string(width, '\1'), {{}}});
}

constexpr std::size_t kEntryBytes =
    1000 + sizeof(linalg::QuantizedRow) + 2 + 256;  // a one-letter key, a row of 1000

TEST(TokenVectorCacheTest, GivesBackWhatItKeeps) {
  TokenVectorCache cache(1 << 20);
  EXPECT_EQ(cache.Get("a"), nullptr);
  const auto vectors = Of(10);
  cache.Put("a", vectors);
  EXPECT_EQ(cache.Get("a"), vectors);
  EXPECT_EQ(cache.stats().hits, 1u);
  EXPECT_EQ(cache.stats().misses, 1u);
}

TEST(TokenVectorCacheTest, DropsTheLeastRecentlyUsedToStayWithinItsBytes) {
  TokenVectorCache cache(2 * kEntryBytes);
  cache.Put("a", Of(1000));
  cache.Put("b", Of(1000));
  ASSERT_NE(cache.Get("a"), nullptr);  // now "b" is the older
  cache.Put("c", Of(1000));
  EXPECT_EQ(cache.Get("b"), nullptr);
  EXPECT_NE(cache.Get("a"), nullptr);
  EXPECT_NE(cache.Get("c"), nullptr);
  EXPECT_EQ(cache.stats().entries, 2u);
  EXPECT_LE(cache.stats().bytes, 2 * kEntryBytes);
}

TEST(TokenVectorCacheTest, KeepsNothingLargerThanItself) {
  TokenVectorCache cache(kEntryBytes);
  cache.Put("a", Of(1000));
  cache.Put("b", Of(1001));
  EXPECT_NE(cache.Get("a"), nullptr);
  EXPECT_EQ(cache.Get("b"), nullptr);
  TokenVectorCache none(0);
  none.Put("a", Of(0));
  EXPECT_EQ(none.Get("a"), nullptr);
}

TEST(TokenVectorCacheTest, AnEntryPutTwiceCountsOnce) {
  TokenVectorCache cache(1 << 20);
  cache.Put("a", Of(1000));
  cache.Put("a", Of(1000));
  EXPECT_EQ(cache.stats().bytes, kEntryBytes);
}

}  // namespace
}  // namespace ragmesh::rerank
