#include "libs/gguf/gguf.h"

#include <gmock/gmock.h>

#include <cstring>

#include "libs/testing/status_matchers.h"

namespace ragmesh::gguf {
namespace {

using ::testing::ElementsAre;
using testing::HasReason;
using ::testing::HasSubstr;
using testing::StatusIs;

// Writes GGUF by hand, so that single numbers can be wrong.
class Writer {
 public:
  template <typename T>
  Writer& Number(T value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Writer& String(absl::string_view text) {
    Number<std::uint64_t>(text.size());
    bytes.append(text.data(), text.size());
    return *this;
  }
  Writer& Header(std::uint64_t tensors, std::uint64_t values, std::uint32_t version = 3) {
    bytes += "GGUF";
    return Number(version).Number(tensors).Number(values);
  }
  Writer& Tensor(absl::string_view name, const std::vector<std::uint64_t>& dimensions,
                 std::uint32_t type, std::uint64_t offset) {
    String(name).Number<std::uint32_t>(static_cast<std::uint32_t>(dimensions.size()));
    for (const std::uint64_t size : dimensions) Number(size);
    return Number(type).Number(offset);
  }
  Writer& PadAndAdd(std::size_t count) {
    bytes.resize((bytes.size() + 31) / 32 * 32);
    bytes.append(count, '\1');
    return *this;
  }
  std::string bytes;
};

absl::StatusOr<std::shared_ptr<const File>> Parse(const std::string& bytes) {
  return File::Parse(bytes, "test", nullptr);
}

std::string Good() {
  Writer writer;
  writer.Header(2, 4);
  writer.String("a.count").Number<std::uint32_t>(4).Number<std::uint32_t>(7);
  writer.String("a.name").Number<std::uint32_t>(8).String("model");
  writer.String("a.words")
      .Number<std::uint32_t>(9)
      .Number<std::uint32_t>(8)
      .Number<std::uint64_t>(2)
      .String("x")
      .String("yz");
  writer.String("a.numbers")
      .Number<std::uint32_t>(9)
      .Number<std::uint32_t>(5)
      .Number<std::uint64_t>(2)
      .Number(-1)
      .Number(5);
  writer.Tensor("f", {3, 2}, 0, 0).Tensor("q", {64}, 3, 32).PadAndAdd(32 + 40);
  return writer.bytes;
}

TEST(GgufTest, GivesValuesAndTensors) {
  const std::string bytes = Good();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto file, Parse(bytes));
  EXPECT_EQ(file->GetUint("a.count"), 7u);
  EXPECT_EQ(file->GetString("a.name"), "model");
  EXPECT_THAT(*file->GetStrings("a.words"), ElementsAre("x", "yz"));
  EXPECT_THAT(*file->GetInts("a.numbers"), ElementsAre(-1, 5));
  EXPECT_EQ(file->GetUint("a.name"), std::nullopt);
  EXPECT_EQ(file->GetString("absent"), std::nullopt);
  EXPECT_EQ(file->FindTensor("f")->data.size(), 24u);
  EXPECT_EQ(file->FindTensor("q")->data.size(), 40u);
  EXPECT_EQ(file->FindTensor("q")->data.end(), absl::string_view(bytes).end());
}

TEST(GgufTest, RefusesEveryTruncation) {
  const std::string bytes = Good();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(Parse(bytes.substr(0, size)), HasReason("CORRUPT_DATA")) << size << " bytes";
  }
}

TEST(GgufTest, SurvivesEveryChangedByte) {
  const std::string bytes = Good();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int value : {0, 0x7F, 0xFF}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(value);
      const auto file = Parse(changed);
      if (!file.ok()) continue;
      for (const Tensor& tensor : (*file)->tensors()) {
        EXPECT_GE(tensor.data.data(), changed.data());
        EXPECT_LE(tensor.data.data() + tensor.data.size(), changed.data() + changed.size());
      }
    }
  }
}

struct BadTensor {
  const char* name;
  std::vector<std::uint64_t> dimensions;
  std::uint32_t type;
  std::uint64_t offset;
};

class GgufBadTensorTest : public ::testing::TestWithParam<BadTensor> {};

TEST_P(GgufBadTensorTest, IsRefused) {
  Writer writer;
  writer.Header(1, 0)
      .Tensor("t", GetParam().dimensions, GetParam().type, GetParam().offset)
      .PadAndAdd(64);
  EXPECT_FALSE(Parse(writer.bytes).ok());
}

INSTANTIATE_TEST_SUITE_P(
    Cases, GgufBadTensorTest,
    ::testing::Values(
        BadTensor{"ProductOverflows", {1ull << 33, 1ull << 33}, 0, 0},
        BadTensor{"ProductWrapsToSmall", {1ull << 32, 1ull << 32, 16}, 0, 0},
        BadTensor{"BytesOverflow", {1ull << 62}, 0, 0},
        BadTensor{"BytesWrap", {(1ull << 62) + 1}, 0, 0}, BadTensor{"PastTheEnd", {17}, 0, 0},
        BadTensor{"OffsetPastTheEnd", {1}, 0, 96}, BadTensor{"OffsetOverflows", {8}, 0, ~0ull - 31},
        BadTensor{"Unaligned", {1}, 0, 4}, BadTensor{"NoDimension", {}, 0, 0},
        BadTensor{"FiveDimensions", {1, 1, 1, 1, 1}, 0, 0},
        BadTensor{"EmptyDimension", {4, 0}, 0, 0}, BadTensor{"PartOfABlock", {33}, 3, 0},
        BadTensor{"UnknownType", {32}, 999, 0}),
    [](const auto& info) { return info.param.name; });

TEST(GgufTest, RefusesHugeCountsWithoutAllocating) {
  EXPECT_THAT(Parse(Writer().Header(~0ull, 0).bytes), HasReason("CORRUPT_DATA"));
  EXPECT_THAT(Parse(Writer().Header(0, ~0ull).bytes), HasReason("CORRUPT_DATA"));
  Writer array;
  array.Header(0, 1)
      .String("a")
      .Number<std::uint32_t>(9)
      .Number<std::uint32_t>(10)
      .Number<std::uint64_t>(1ull << 61);
  EXPECT_THAT(Parse(array.bytes), HasReason("CORRUPT_DATA"));
  Writer text;
  text.Header(0, 1).Number<std::uint64_t>(~0ull);
  EXPECT_THAT(Parse(text.bytes), HasReason("CORRUPT_DATA"));
}

TEST(GgufTest, RefusesKeysAndTensorsThatAppearTwice) {
  Writer values;
  values.Header(0, 2);
  for (int i = 0; i < 2; ++i) values.String("a").Number<std::uint32_t>(7).Number<std::uint8_t>(1);
  EXPECT_THAT(Parse(values.bytes), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("twice")));
  Writer tensors;
  tensors.Header(2, 0).Tensor("t", {1}, 0, 0).Tensor("t", {1}, 0, 0).PadAndAdd(4);
  EXPECT_THAT(Parse(tensors.bytes), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("twice")));
}

TEST(GgufTest, RefusesOtherVersionsAndAlignments) {
  EXPECT_THAT(Parse(Writer().Header(0, 0, 1).bytes),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("version 1")));
  Writer writer;
  writer.Header(1, 1)
      .String("general.alignment")
      .Number<std::uint32_t>(4)
      .Number<std::uint32_t>(24);
  writer.Tensor("t", {1}, 0, 0).PadAndAdd(64);
  EXPECT_THAT(Parse(writer.bytes), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("alignment")));
}

}  // namespace
}  // namespace ragmesh::gguf
