#include "libs/vector_index/row_blocks.h"

#include <gtest/gtest.h>

#include <thread>

namespace ragmesh::vector_index {
namespace {

TEST(RowBlocksTest, RowsAreAlignedAndViewsKeepTheirRowsWhileOthersAreAppended) {
  RowBlocks blocks(5);
  for (int i = 0; i < 1500; ++i) blocks.Append({float(i), 1, 2, 3, 4});
  const RowView view = blocks.view();
  std::thread writer([&blocks] {
    for (int i = 0; i < 3000; ++i) blocks.Append({-1, -1, -1, -1, -1});
  });
  for (std::uint32_t row = 0; row < view.rows; ++row) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.Row(row)) % 64, 0u);
    EXPECT_EQ(view.Row(row)[0], float(row));
  }
  writer.join();
  EXPECT_EQ(view.rows, 1500u);
  EXPECT_EQ(blocks.rows(), 4500u);
}

}  // namespace
}  // namespace ragmesh::vector_index
