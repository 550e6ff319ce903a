#include "libs/bridge/multipart.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/error.h"

namespace ragmesh::bridge {
namespace {

constexpr char kForm[] =
    "--xyz\r\nContent-Disposition: form-data; name=\"name\"\r\n\r\nR\xC3\xA9sum\xC3\xA9\r\n"
    "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;b\\\"c.txt\"\r\n"
    "Content-Type: text/plain\r\n\r\nline\r\n--xy not a boundary\r\n\r\n--xyz--\r\nepilogue";

// The form as text, fed in pieces of `step` bytes.
absl::StatusOr<std::string> Read(absl::string_view form, std::size_t step) {
  MultipartParser parser("xyz");
  std::string log;
  for (std::size_t at = 0; at < form.size(); at += step) {
    const absl::Status status = parser.Feed(form.substr(at, step), [&log](const PartEvent& event) {
      if (event.kind == PartEvent::Kind::kBegin) {
        absl::StrAppend(&log, "<", event.header.name, "|", event.header.filename, ">");
      }
      if (event.kind == PartEvent::Kind::kData) absl::StrAppend(&log, event.data);
      if (event.kind == PartEvent::Kind::kEnd) absl::StrAppend(&log, "</>");
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
  }
  const absl::Status status = parser.Finish();
  if (!status.ok()) return status;
  return log;
}

TEST(MultipartParserTest, ReadsTheSameHoweverTheBytesArrive) {
  for (std::size_t step = 1; step < sizeof(kForm); ++step) {
    const auto read = Read(kForm, step);
    ASSERT_TRUE(read.ok()) << step << " " << read.status();
    EXPECT_EQ(*read,
              "<name|>R\xC3\xA9sum\xC3\xA9</><file|a;b\"c.txt>line\r\n--xy not a boundary\r\n</>")
        << step;
  }
}

TEST(MultipartParserTest, ReadsEmptyParts) {
  const auto read =
      Read("--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--xyz--", 1);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, "<a|></>");
}

TEST(MultipartParserTest, RefusesBrokenForms) {
  for (const std::string& form : {
           std::string("--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\ncut"),
           std::string("--xyz\r\n\r\nno headers\r\n--xyz--"),
           std::string("--xyzq\r\n\r\n"),
           absl::StrCat("--xyz\r\nX: ", std::string(10000, 'a'), "\r\n\r\n"),
           std::string(100000, 'p'),
       }) {
    const auto read = Read(form, 1000);
    ASSERT_FALSE(read.ok());
    EXPECT_EQ(GetErrorDetail(read.status())->reason, "MALFORMED_MULTIPART");
  }
}

TEST(MultipartParserTest, BoundsTheNumberOfParts) {
  std::string form;
  for (int i = 0; i < 100; ++i)
    absl::StrAppend(&form, "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n");
  EXPECT_FALSE(Read(form + "--xyz--", form.size()).ok());
}

TEST(BoundaryOfTest, TakesQuotedAndPlainBoundaries) {
  EXPECT_EQ(*BoundaryOf("multipart/form-data; boundary=abc"), "abc");
  EXPECT_EQ(*BoundaryOf("Multipart/Form-Data; charset=x; boundary=\"a b;c\""), "a b;c");
  EXPECT_FALSE(BoundaryOf("multipart/form-data").ok());
  EXPECT_FALSE(BoundaryOf("multipart/form-data; boundary=").ok());
  EXPECT_FALSE(BoundaryOf("multipart/mixed; boundary=a").ok());
  EXPECT_FALSE(
      BoundaryOf(absl::StrCat("multipart/form-data; boundary=", std::string(71, 'a'))).ok());
}

TEST(ParseDispositionTest, PrefersTheExtendedFilename) {
  const PartHeader header =
      ParseDisposition(" form-data; name=f; filename=\"x\"; filename*=UTF-8''gr%C3%BCn.txt");
  EXPECT_EQ(header.name, "f");
  EXPECT_EQ(header.filename, "gr\xC3\xBCn.txt");
  EXPECT_TRUE(header.is_file);
}

}  // namespace
}  // namespace ragmesh::bridge
