// Every document of the public corpora either loads, with blocks that keep their rules and the
// words that the ground truth has, or is refused for the right reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/document/block_sequence.h"
#include "libs/document/normalise.h"
#include "libs/document/parse_document.h"
#include "libs/document/pdfium_library.h"
#include "libs/testing/test_data.h"

namespace ragmesh::document {
namespace {

namespace fs = std::filesystem;

constexpr char kPdfiumDigest[] = "c76dc0f7839644bfa7c3e3107a6068df714e339c861bb7d4519907b821d427f9";

struct Loaded {
  absl::StatusOr<stages::DocumentInfo> info = absl::UnknownError("not loaded");
  std::vector<stages::Block> blocks;
  std::string text;
};

class CorpusTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    sniffer_ = new Sniffer();
    if (const auto path = testing::CachedModel(kPdfiumDigest)) {
      auto loaded = PdfiumLibrary::Load(path->string());
      if (loaded.ok()) pdfium_ = loaded->release();
    }
  }

  static Loaded Load(const fs::path& path, const std::string& password = "") {
    Loaded loaded;
    BlockSequence sequence;
    ParseOptions options{.name = path.filename().string(), .password = password, .pdfium = pdfium_};
    loaded.info =
        ParseDocument(testing::ReadFileOrDie(path), options, *sniffer_, [&](stages::Block block) {
          EXPECT_TRUE(sequence.Check(block).ok()) << path << ": " << sequence.Check(block);
          loaded.blocks.push_back(std::move(block));
          return absl::OkStatus();
        });
    loaded.text = NormalisedText(loaded.blocks);
    for (const stages::Block& block : loaded.blocks) {
      EXPECT_EQ(loaded.text.substr(block.range.begin, block.range.size()), block.text) << path;
    }
    return loaded;
  }

  static std::string ReasonOf(const absl::Status& status) {
    const auto detail = GetErrorDetail(status);
    return detail.has_value() ? detail->reason : status.ToString();
  }

  // Distinct words, made of letters and digits; the targets of Markdown links and what mark-up adds
  // are left out.
  static std::set<std::string> Words(std::string text) {
    text = absl::StrReplaceAll(text, {{"&lt;", "<"},
                                      {"&gt;", ">"},
                                      {"&amp;", "&"},
                                      {"&quot;", "\""},
                                      {"\\_", "_"},
                                      {"<!-- image -->", " "}});
    for (std::size_t at = text.find("]("); at != std::string::npos; at = text.find("](", at + 1)) {
      text.erase(at, std::min(text.find(')', at), text.size() - 1) - at);
    }
    text = Normalise(text, TextForm::kLine);
    std::set<std::string> words;
    std::string word;
    for (const char c : text + " ") {
      if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || (c & 0x80) != 0) {
        word += absl::ascii_tolower(static_cast<unsigned char>(c));
      } else if (!word.empty()) {
        words.insert(word);
        word.clear();
      }
    }
    return words;
  }

  static Sniffer* sniffer_;
  static const PdfiumLibrary* pdfium_;
};

Sniffer* CorpusTest::sniffer_ = nullptr;
const PdfiumLibrary* CorpusTest::pdfium_ = nullptr;

// The ground truth is Markdown of another program: links, pictures and repeated cells differ, so
// full recall is not to be had. The floors are what this parser reached, less a little.
TEST_F(CorpusTest, RecoversTheWordsOfTheGroundTruth) {
  const auto root = testing::TestData("docs/docling");
  RAGMESH_SKIP_WITHOUT(root, "docs/docling");
  const std::map<std::string, double> floors = {{"csv", 0.99}, {"docx", 0.90}, {"html", 0.90},
                                                {"pdf", 0.90}, {"pptx", 0.85}, {"xlsx", 0.90}};
  for (const auto& [format, floor] : floors) {
    if (format == "pdf" && pdfium_ == nullptr) continue;
    std::size_t all = 0;
    std::size_t found = 0;
    int files = 0;
    for (const auto& entry : fs::directory_iterator(*root / format / "sources")) {
      // The truth of a PDF is named without the suffix of its source.
      const fs::path source = format == "pdf" ? entry.path().stem() : entry.path().filename();
      const fs::path truth = *root / format / "groundtruth" / (source.string() + ".md");
      if (!fs::exists(truth)) continue;
      const Loaded loaded = Load(entry.path());
      const auto expected = Words(testing::ReadFileOrDie(truth));
      const auto got = Words(loaded.text);
      std::size_t hits = 0;
      for (const std::string& word : expected) {
        hits += got.contains(word) ? 1 : 0;
      }
      if (std::getenv("RAGMESH_SHOW_RECALL") != nullptr && !expected.empty()) {
        std::printf("  %-60s %5zu of %5zu, %zu in all%s\n", entry.path().filename().c_str(), hits,
                    expected.size(), got.size(),
                    loaded.info.ok() ? "" : (" " + ReasonOf(loaded.info.status())).c_str());
      }
      all += expected.size();
      found += hits;
      ++files;
    }
    const double recall = static_cast<double>(found) / static_cast<double>(all);
    std::printf("%-5s %3d files, %6zu words in the ground truth, recall %.4f\n", format.c_str(),
                files, all, recall);
    EXPECT_GE(recall, floor) << format;
  }
}

TEST_F(CorpusTest, LoadsOrRefusesEveryPublicDocument) {
  const auto root = testing::TestData("docs");
  RAGMESH_SKIP_WITHOUT(root, "docs");
  const std::set<std::string> extensions = {".pdf", ".docx", ".pptx", ".xlsx", ".html",
                                            ".csv", ".md",   ".json", ".txt"};
  const std::set<std::string> reasons = {"PASSWORD_REQUIRED", "MALFORMED_DOCUMENT",
                                         "EMPTY_DOCUMENT", "UNSUPPORTED_MEDIA_TYPE"};
  std::map<std::string, int> refused;
  int loaded_files = 0;
  int pages = 0;
  absl::Duration pdf_time;
  for (const auto& entry : fs::recursive_directory_iterator(*root)) {
    if (!entry.is_regular_file() || !extensions.contains(entry.path().extension().string()))
      continue;
    const bool pdf = entry.path().extension() == ".pdf";
    if (pdf && pdfium_ == nullptr) continue;
    const absl::Time begin = absl::Now();
    const Loaded loaded = Load(entry.path());
    if (pdf) pdf_time += absl::Now() - begin;
    if (loaded.info.ok()) {
      ++loaded_files;
      if (pdf) pages += static_cast<int>(loaded.info->coverage.pages);
      EXPECT_FALSE(loaded.text.empty()) << entry.path();
      EXPECT_FALSE(loaded.info->media_type.empty());
      EXPECT_EQ(loaded.info->coverage.blocks, loaded.blocks.size());
    } else {
      const std::string reason = ReasonOf(loaded.info.status());
      EXPECT_TRUE(reasons.contains(reason)) << entry.path() << ": " << loaded.info.status();
      ++refused[reason];
      if (std::getenv("RAGMESH_SHOW_RECALL") != nullptr) {
        std::printf("  refused %s: %s\n", entry.path().filename().c_str(),
                    std::string(loaded.info.status().message()).c_str());
      }
    }
  }
  std::printf("loaded %d files", loaded_files);
  for (const auto& [reason, count] : refused) std::printf(", %s %d", reason.c_str(), count);
  if (pages > 0)
    std::printf("; %d PDF pages, %.0f pages/s", pages, pages / absl::ToDoubleSeconds(pdf_time));
  std::printf("\n");
  EXPECT_GT(loaded_files, 100);
}

TEST_F(CorpusTest, OpensEncryptedPdfWithItsPasswordOnly) {
  const auto path = testing::TestData("docs/pypdf/libreoffice-writer-password.pdf");
  RAGMESH_SKIP_WITHOUT(path, "docs/pypdf");
  if (pdfium_ == nullptr) GTEST_SKIP() << "skipped: libpdfium.so is absent";
  EXPECT_EQ(ReasonOf(Load(*path).info.status()), "PASSWORD_REQUIRED");
  EXPECT_EQ(ReasonOf(Load(*path, "wrong").info.status()), "WRONG_PASSWORD");
  EXPECT_TRUE(Load(*path, "openpassword").info.ok());
}

}  // namespace
}  // namespace ragmesh::document
