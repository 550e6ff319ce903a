#include "libs/model_files/safetensors.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/unit/model_files/safetensors_bytes.h"

namespace ragmesh::model_files {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::StatusIs;
using ::testing::HasSubstr;

TEST(SafetensorsTest, ReadsTensorsAndMetadata) {
  const std::string bytes = SafetensorsBytes(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"I64","shape":[1],"data_offsets":[8,16]},)"
      R"("a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"z":{"dtype":"U8","shape":[0],"data_offsets":[16,16]}}  )",
      "0123456789abcdef");
  const auto file = Safetensors::Parse(bytes, "m");
  ASSERT_THAT(file, IsOk());
  ASSERT_EQ((*file)->tensors().size(), 3u);
  const Tensor* a = (*file)->Find("a");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a->shape, (std::vector<std::uint64_t>{2, 1}));
  EXPECT_EQ(a->bytes, "01234567");
  EXPECT_EQ((*file)->Find("b")->bytes, "89abcdef");
  EXPECT_EQ((*file)->Find("z")->elements, 0u);
  EXPECT_EQ((*file)->Find("c"), nullptr);
  EXPECT_EQ((*file)->metadata().at("format"), "pt");
}

struct Hostile {
  const char* header;
  std::size_t data_bytes;
  const char* message;
};

class HostileSafetensorsTest : public ::testing::TestWithParam<Hostile> {};

TEST_P(HostileSafetensorsTest, IsRefusedNamingWhatIsWrong) {
  const std::string bytes =
      SafetensorsBytes(GetParam().header, std::string(GetParam().data_bytes, 'x'));
  const auto file = Safetensors::Parse(bytes, "m.safetensors");
  EXPECT_THAT(file, StatusIs(absl::StatusCode::kDataLoss, HasSubstr(GetParam().message)));
  EXPECT_THAT(file, StatusIs(absl::StatusCode::kDataLoss, HasSubstr("m.safetensors")));
  EXPECT_THAT(file, HasReason("CORRUPT_DATA"));
}

INSTANTIATE_TEST_SUITE_P(
    Headers, HostileSafetensorsTest,
    ::testing::Values(
        Hostile{"", 0, "not valid JSON"}, Hostile{"[]", 0, "must be a JSON object"},
        Hostile{R"({"a":1})", 0, "tensor a"}, Hostile{R"({"__metadata__":[]})", 0, "__metadata__"},
        Hostile{R"({"__metadata__":{"k":1}})", 0, "__metadata__"},
        Hostile{R"({"a":{"dtype":"F32","shape":[1]}})", 4, "exactly dtype"},
        Hostile{R"({"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})", 4, "F33"},
        Hostile{R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "shape"},
        Hostile{R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4, "shape"},
        Hostile{R"({"a":{"dtype":"F32","shape":"1","data_offsets":[0,4]}})", 4, "shape"},
        Hostile{
            R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})",
            4, "shape"},
        Hostile{R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
                "more elements"},
        Hostile{R"({"a":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,4]}})",
                4, "span 4 bytes"},
        Hostile{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "span 4 bytes"},
        Hostile{R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, "do not lie"},
        Hostile{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "do not lie"},
        Hostile{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4, "data_offsets"},
        Hostile{R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "data_offsets"},
        Hostile{
            R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551615]}})",
            4, "do not lie"},
        Hostile{
            R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
            6, "tensor b"},
        Hostile{
            R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})",
            6, "tensor b"},
        Hostile{R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 3, "cover 2"},
        Hostile{
            R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
            1, "twice"},
        Hostile{R"({"a":{"dtype":{"x":[[1]]},"shape":[1],"data_offsets":[0,1]}})", 1, "deeper"}));

TEST(SafetensorsTest, RefusesAHeaderLongerThanTheFile) {
  std::string bytes = SafetensorsBytes("{}", "");
  bytes[1] = 1;
  EXPECT_THAT(Safetensors::Parse(bytes, "m"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("claims 258 bytes")));
  bytes.replace(0, 8, 8, '\xFF');
  EXPECT_THAT(Safetensors::Parse(bytes, "m"),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("claims")));
}

TEST(SafetensorsTest, RefusesEveryTruncation) {
  const std::string bytes =
      SafetensorsBytes(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "1234");
  ASSERT_THAT(Safetensors::Parse(bytes, "m"), IsOk());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_THAT(Safetensors::Parse(absl::string_view(bytes).substr(0, size), "m"),
                StatusIs(absl::StatusCode::kDataLoss))
        << size;
  }
}

TEST(SafetensorsTest, OpensAFileAndReportsAMissingOne) {
  testing::TempDir dir;
  const std::string path = (dir.path() / "m.safetensors").string();
  std::ofstream(path, std::ios::binary) << SafetensorsBytes("{}", "");
  EXPECT_THAT(Safetensors::Open(path), IsOk());
  EXPECT_THAT(Safetensors::Open(path + ".none"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace ragmesh::model_files
