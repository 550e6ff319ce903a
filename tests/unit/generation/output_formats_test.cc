#include "libs/generation/output_formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/gguf/gguf.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/generation/golden_model.h"

namespace ragmesh::generation {
namespace {

using Kind = stages::OutputFormat::Kind;

class OutputFormatsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RAGMESH_REQUIRE_SMOLLM();
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto file, gguf::File::Open(SmolLmPath()->string()));
    RAGMESH_ASSERT_OK_AND_ASSIGN(vocabulary_, ReadVocabulary(*file));
    formats_ = std::make_unique<OutputFormats>(vocabulary_);
  }

  // Some hundred milliseconds of work to compile.
  static stages::OutputFormat Large(int number) {
    std::string words;
    for (int i = 0; i < 12'000; ++i)
      absl::StrAppend(&words, i == 0 ? "" : ",", "\"word", number, "x", i * 7919, "\"");
    return {Kind::kJsonSchema, absl::StrCat(R"({"enum": [)", words, "]}")};
  }

  Vocabulary vocabulary_;
  std::unique_ptr<OutputFormats> formats_;
};

TEST_F(OutputFormatsTest, TheSameFormatIsKeptAndTextHasNone) {
  const stages::OutputFormat format{Kind::kJsonSchema, R"({"type": "integer"})"};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto first, formats_->Find(format));
  EXPECT_NE(first, nullptr);
  EXPECT_EQ(*formats_->Find(format), first);
  EXPECT_NE(*formats_->Find({Kind::kJsonObject, ""}), first);
  EXPECT_EQ(*formats_->Find({}), nullptr);
}

TEST_F(OutputFormatsTest, AFormatThatCompilesKeepsNoOtherWaiting) {
  const stages::OutputFormat small{Kind::kJsonSchema, R"({"type": "integer"})"};
  RAGMESH_ASSERT_OK(formats_->Find(small));
  int found_meanwhile = 0;
  for (int number = 0; number < 20 && found_meanwhile == 0; ++number) {
    std::atomic<bool> begun = false, ended = false;
    std::thread compiling([&] {
      begun = true;
      RAGMESH_EXPECT_OK(formats_->Find(Large(number)));
      ended = true;
    });
    while (!begun) std::this_thread::yield();
    while (!ended) {
      RAGMESH_EXPECT_OK(formats_->Find(small));
      if (!ended) ++found_meanwhile;
    }
    compiling.join();
  }
  EXPECT_GT(found_meanwhile, 1);
}

TEST_F(OutputFormatsTest, RequestsForTheSameNewFormatShareWhatIsKept) {
  const stages::OutputFormat format = Large(100);
  std::vector<std::thread> threads;
  std::vector<std::shared_ptr<grammar::Constraint>> found(3);
  for (auto& constraint : found)
    threads.emplace_back([&] { constraint = *formats_->Find(format); });
  for (std::thread& thread : threads) thread.join();
  const auto kept = *formats_->Find(format);
  for (const auto& constraint : found) EXPECT_EQ(constraint, kept);
}

}  // namespace
}  // namespace ragmesh::generation
