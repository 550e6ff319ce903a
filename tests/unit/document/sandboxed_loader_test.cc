#include "libs/document/sandboxed_loader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <thread>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "libs/base/sha256.h"
#include "libs/document/block_sequence.h"
#include "libs/document/parser_child.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::document {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::StatusIs;
using ::testing::HasSubstr;

constexpr char kPdfiumDigest[] = "c76dc0f7839644bfa7c3e3107a6068df714e339c861bb7d4519907b821d427f9";

// What a document could make a parser do. Only this program has these; the loader's own child has
// no hook.
void HostileParser(absl::string_view bytes) {
  if (bytes == "act: crash") std::abort();
  if (bytes == "act: loop") {
    for (std::atomic<unsigned long> i{0};;) i.fetch_add(1);
  }
  if (bytes == "act: sleep") {
    for (;;) {
      char byte;
      if (read(4, &byte, 1) <= 0) _exit(1);  // the loader never sends anything more
    }
  }
  if (bytes == "act: allocate") {
    for (;;) {
      // Volatile, or the compiler leaves the allocation out.
      char* volatile memory = new char[16 << 20];
      for (std::size_t i = 0; i < 16 << 20; i += 4096) memory[i] = 1;
    }
  }
  if (bytes == "act: socket") socket(AF_INET, SOCK_STREAM, 0);
  if (bytes == "act: open" && open("/etc/passwd", O_RDONLY) < 0) _exit(42);
  if (bytes == "act: lie") {
    const std::string lies(100, '\xFF');
    if (write(4, lies.data(), lies.size()) < 0) _exit(1);
  }
}

class SandboxedLoaderTest : public ::testing::Test {
 protected:
  static std::unique_ptr<SandboxedLoader> Make(SandboxedLoader::Options options) {
    auto loader = SandboxedLoader::Create(std::move(options));
    if (!loader.ok()) {
      ADD_FAILURE() << loader.status();
      std::abort();
    }
    return *std::move(loader);
  }

  absl::StatusOr<stages::DocumentInfo> Load(
      SandboxedLoader& loader, stages::LoadRequest request,
      const CallContext& call = CallContext(absl::InfiniteFuture())) {
    blocks_.clear();
    return loader.Load(
        request,
        [this](stages::Block block) {
          blocks_.push_back(std::move(block));
          return absl::OkStatus();
        },
        call);
  }

  std::vector<stages::Block> blocks_;
};

TEST_F(SandboxedLoaderTest, ParsesInTheSandboxAndReportsTheDocument) {
  const auto loader = Make({});
  const std::string text = "# Pumps\n\nStart the pump with care.\n";
  const auto info = Load(*loader, {.source = text, .name = "pumps.md"});
  RAGMESH_ASSERT_OK(info);
  EXPECT_EQ(info->media_type, "text/markdown");
  EXPECT_EQ(info->title, "Pumps");
  EXPECT_EQ(info->sha256, Sha256Hex(text));
  EXPECT_EQ(info->normalisation, "ragmesh-text-1");
  EXPECT_EQ(info->coverage.bytes_in, text.size());
  ASSERT_EQ(blocks_.size(), 2u);
  EXPECT_EQ(NormalisedText(blocks_), "Pumps\n\nStart the pump with care.");
}

TEST_F(SandboxedLoaderTest, SaysWhatSandboxItHas) {
  const auto info = Make({})->Info(CallContext(absl::InfiniteFuture()));
  RAGMESH_ASSERT_OK(info);
  EXPECT_THAT(info->features.at("sandbox"), HasSubstr("rlimits"));
  EXPECT_THAT(info->features.at("pdf"), HasSubstr("PDF needs PDFium"));
}

TEST_F(SandboxedLoaderTest, SurvivesACrashOfTheParser) {
  const auto loader = Make({});
  EXPECT_THAT(Load(*loader, {.source = "act: crash"}), HasReason("PARSER_CRASHED"));
  RAGMESH_EXPECT_OK(Load(*loader, {.source = "The next document."}));
}

TEST_F(SandboxedLoaderTest, EndsAParserThatComputesForever) {
  const auto loader = Make({.max_cpu_time = absl::Seconds(1)});
  EXPECT_THAT(Load(*loader, {.source = "act: loop"}), HasReason("PARSER_TIMEOUT"));
}

TEST_F(SandboxedLoaderTest, EndsAParserThatWaitsForever) {
  const auto loader = Make({.max_parse_time = absl::Milliseconds(300)});
  EXPECT_THAT(Load(*loader, {.source = "act: sleep"}), HasReason("PARSER_TIMEOUT"));
}

TEST_F(SandboxedLoaderTest, EndsAParserAtTheDeadlineOfTheCall) {
  const auto loader = Make({});
  const CallContext call(absl::Now() + absl::Milliseconds(300));
  EXPECT_THAT(Load(*loader, {.source = "act: sleep"}, call),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(SandboxedLoaderTest, EndsAParserWhenTheCallIsCancelled) {
  const auto loader = Make({});
  const CallContext call(absl::InfiniteFuture());
  std::thread canceller([&call] { call.Cancel(); });
  EXPECT_THAT(Load(*loader, {.source = "act: sleep"}, call),
              StatusIs(absl::StatusCode::kCancelled));
  canceller.join();
}

TEST_F(SandboxedLoaderTest, BoundsTheMemoryOfAParser) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "skipped: sanitizers reserve more address space than the limit";
#endif
  const auto loader = Make({.max_memory_bytes = 512 << 20});
  EXPECT_THAT(Load(*loader, {.source = "act: allocate"}), HasReason("LIMIT_EXCEEDED"));
}

TEST_F(SandboxedLoaderTest, DeniesAParserFilesAndSockets) {
  const auto loader = Make({});
  const auto opened = Load(*loader, {.source = "act: open"});
  EXPECT_THAT(opened, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("exit code 42")));
  const auto info = loader->Info(CallContext(absl::InfiniteFuture()));
  if (!absl::StrContains(info->features.at("sandbox"), "seccomp"))
    GTEST_SKIP() << "skipped: no seccomp filters here";
  EXPECT_THAT(Load(*loader, {.source = "act: socket"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a system call that a parser may not make")));
}

TEST_F(SandboxedLoaderTest, BelievesNoMessageThatBreaksTheRules) {
  const auto loader = Make({});
  EXPECT_THAT(Load(*loader, {.source = "act: lie"}), HasReason("PARSER_CRASHED"));
}

TEST_F(SandboxedLoaderTest, RefusesEmptyLargeAndUnknownDocuments) {
  const auto loader = Make({.max_document_bytes = 1000});
  EXPECT_THAT(Load(*loader, {.source = ""}), HasReason("EMPTY_DOCUMENT"));
  EXPECT_THAT(Load(*loader, {.source = " \n\t "}), HasReason("EMPTY_DOCUMENT"));
  EXPECT_THAT(Load(*loader, {.source = std::string(1001, 'x')}), HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(Load(*loader, {.source = std::string("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1", 20)}),
              HasReason("UNSUPPORTED_MEDIA_TYPE"));
}

TEST_F(SandboxedLoaderTest, ReadsASingleLineOfTenMegabytes) {
  const auto loader = Make({});
  std::string line;
  while (line.size() < 10 << 20) line += "word after word ";
  const auto info = Load(*loader, {.source = line});
  RAGMESH_ASSERT_OK(info);
  EXPECT_GT(info->coverage.characters_out, 10u << 20);
  EXPECT_GT(blocks_.size(), 30u);
}

TEST_F(SandboxedLoaderTest, SaysHowToGetPdfium) {
  const auto status = Load(*Make({}), {.source = "%PDF-1.4\n1 0 obj\n"}).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(status, HasReason("PARSER_NOT_INSTALLED"));
  EXPECT_THAT(GetErrorDetail(status)->next_step, HasSubstr("models pull pdfium"));
}

TEST_F(SandboxedLoaderTest, ReadsPdfInTheSandbox) {
  const auto pdfium = testing::CachedModel(kPdfiumDigest);
  RAGMESH_SKIP_WITHOUT(pdfium, "libpdfium.so");
  const auto path = testing::TestData("docs/docling/pdf/sources/normal_4pages.pdf");
  RAGMESH_SKIP_WITHOUT(path, "docs/docling");
  const auto loader = Make({.pdfium_path = pdfium->string(), .pdfium_version = "7869"});
  const auto info = Load(*loader, {.source = testing::ReadFileOrDie(*path)});
  RAGMESH_ASSERT_OK(info);
  EXPECT_EQ(info->media_type, "application/pdf");
  EXPECT_EQ(info->parser, "pdfium 7869");
  EXPECT_EQ(info->coverage.pages, 4u);
  EXPECT_EQ(blocks_.front().page, 1u);
  EXPECT_EQ(blocks_.back().page, 4u);
  EXPECT_THAT(Load(*loader, {.source = "%PDF-1.7\nbroken beyond repair"}),
              HasReason("MALFORMED_DOCUMENT"));
}

TEST_F(SandboxedLoaderTest, PassesOnAnErrorOfTheConsumer) {
  const auto loader = Make({});
  EXPECT_THAT(loader->Load(
                  {.source = "Text."}, [](stages::Block) { return absl::AbortedError("gone"); },
                  CallContext(absl::InfiniteFuture())),
              StatusIs(absl::StatusCode::kAborted));
}

TEST_F(SandboxedLoaderTest, ReadsPathsUnderItsRootsOnly) {
  testing::TempDir temp;
  namespace fs = std::filesystem;
  fs::create_directories(temp.path() / "docs/sub");
  std::ofstream(temp.path() / "docs/sub/inside.txt") << "inside";
  std::ofstream(temp.path() / "secret.txt") << "secret";
  fs::create_symlink("../secret.txt", temp.path() / "docs/link.txt");
  fs::create_symlink("sub/inside.txt", temp.path() / "docs/good_link.txt");
  const std::string root = (temp.path() / "docs").string();
  const auto loader = Make({.allowed_roots = {root}});
  const auto load = [&](const std::string& path) {
    return Load(*loader, {.source = stages::LoadRequest::Path{path}});
  };

  const auto info = load(root + "/sub/inside.txt");
  RAGMESH_ASSERT_OK(info);
  EXPECT_EQ(info->title, "inside.txt");
  EXPECT_EQ(info->sha256, Sha256Hex("inside"));
  RAGMESH_EXPECT_OK(load("sub/inside.txt"));
  RAGMESH_EXPECT_OK(load("good_link.txt"));
  EXPECT_THAT(load(root + "/link.txt"), HasReason("PATH_NOT_ALLOWED"));
  EXPECT_THAT(load(root + "/../secret.txt"), HasReason("PATH_NOT_ALLOWED"));
  EXPECT_THAT(load(root + "x/secret.txt"), HasReason("PATH_NOT_ALLOWED"));
  EXPECT_THAT(load("/etc/passwd"), HasReason("PATH_NOT_ALLOWED"));
  EXPECT_THAT(load(root + "/sub"), HasReason("PATH_NOT_ALLOWED"));
  EXPECT_THAT(load("sub/missing.txt"), HasReason("FILE_NOT_FOUND"));
  EXPECT_THAT(Load(*Make({}), {.source = stages::LoadRequest::Path{"/etc/passwd"}}),
              HasReason("PATH_NOT_ALLOWED"));
}

TEST_F(SandboxedLoaderTest, SaysWhenTheParserProgramIsNotOne) {
  EXPECT_THAT(SandboxedLoader::Create({.parser_program = "/bin/true"}),
              HasReason("PARSER_NOT_STARTED"));
  EXPECT_THAT(SandboxedLoader::Create({.parser_program = "/no/such/program"}),
              HasReason("PARSER_NOT_STARTED"));
}

}  // namespace
}  // namespace ragmesh::document

int main(int argc, char** argv) {
  ragmesh::document::MaybeRunParserChild(argc, argv, &ragmesh::document::HostileParser);
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
