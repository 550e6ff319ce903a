#include "libs/model_files/safetensors_writer.h"

#include <gtest/gtest.h>

#include <string>

#include "libs/testing/status_matchers.h"

namespace ragmesh::model_files {
namespace {

TEST(SafetensorsWriterTest, WhatItWritesIsReadBack) {
  const std::string first(8, 'a'), second(3, 'b');
  std::string bytes = SafetensorsHeader(
      {{"z \"quoted\"", Dtype::kF32, {2, 1}, first}, {"a", Dtype::kU8, {3}, second}},
      {{"format", "of a test"}});
  EXPECT_EQ(bytes.size() % 64, 0u);
  bytes += first + second;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto file, Safetensors::Parse(bytes, "m"));
  EXPECT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->Find("z \"quoted\"")->bytes, first);
  EXPECT_EQ(file->Find("z \"quoted\"")->shape, (std::vector<std::uint64_t>{2, 1}));
  EXPECT_EQ(file->Find("a")->bytes, second);
  EXPECT_EQ(file->metadata().at("format"), "of a test");
}

TEST(SafetensorsWriterTest, NoTensorsAreAFileToo) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto file, Safetensors::Parse(SafetensorsHeader({}, {}), "m"));
  EXPECT_TRUE(file->tensors().empty());
}

}  // namespace
}  // namespace ragmesh::model_files
