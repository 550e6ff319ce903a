#include "bench/store/lexical_corpus.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "bench/datasets/ir_dataset.h"
#include "bench/datasets/qa_dataset.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/testing/test_data.h"

namespace ragmesh::bench {
namespace {

constexpr std::size_t kWords = 150;
constexpr std::size_t kFewestWords = 40;  // of a document's last windows

using Words = std::vector<std::string>;

Words SplitWords(absl::string_view text) {
  return absl::StrSplit(text, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty());
}

struct Sources {
  std::vector<Words> documents;
  std::vector<std::vector<std::string>> questions;  // by set
};

absl::Status AddIr(absl::StatusOr<IrDataset> dataset, Sources* sources) {
  RAGMESH_RETURN_IF_ERROR(dataset.status());
  for (const IrDocument& document : dataset->documents)
    sources->documents.push_back(SplitWords(document.title + "\n" + document.text));
  auto& questions = sources->questions.emplace_back();
  for (const IrQuery& query : dataset->queries) questions.push_back(query.text);
  return absl::OkStatus();
}

absl::Status AddQa(absl::StatusOr<QaDataset> dataset, Sources* sources) {
  RAGMESH_RETURN_IF_ERROR(dataset.status());
  for (const std::string& passage : dataset->passages)
    sources->documents.push_back(SplitWords(passage));
  auto& questions = sources->questions.emplace_back();
  for (const QaQuestion& question : dataset->questions) questions.push_back(question.text);
  return absl::OkStatus();
}

absl::StatusOr<Sources> ReadSources() {
  const auto root = testing::TestData("");
  if (!root.has_value()) return absl::NotFoundError("RAGMESH_TESTDATA is not set or not there");
  Sources sources;
  RAGMESH_RETURN_IF_ERROR(AddIr(LoadBeir(*root / "ir/scifact", "test"), &sources));
  RAGMESH_RETURN_IF_ERROR(AddIr(LoadCranfield(*root / "ir/cranfield"), &sources));
  RAGMESH_RETURN_IF_ERROR(AddQa(LoadMiniWikipedia(*root / "qa/rag-mini-wikipedia"), &sources));
  RAGMESH_RETURN_IF_ERROR(AddQa(LoadXquad(*root / "qa/xquad/xquad.en.json"), &sources));
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator(*root / "qa/chunking_evaluation/corpora", error))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    sources.documents.push_back(SplitWords(std::string(std::istreambuf_iterator<char>(file), {})));
  }
  return sources;
}

// How many windows there are, when one begins every `stride` words.
std::size_t Windows(const Words& document, double stride) {
  if (document.empty()) return 0;
  const std::size_t fewest = std::min(kFewestWords, document.size());
  return static_cast<std::size_t>(static_cast<double>(document.size() - fewest) / stride) + 1;
}

// The least stride that gives no more than `count` windows.
double StrideFor(const std::vector<Words>& documents, std::size_t count) {
  double low = 1, high = 1e6;
  for (int step = 0; step < 60; ++step) {
    const double middle = (low + high) / 2;
    std::size_t windows = 0;
    for (const Words& document : documents) windows += Windows(document, middle);
    (windows > count ? low : high) = middle;
  }
  return high;
}

}  // namespace

absl::StatusOr<LexicalCorpus> MakeLexicalCorpus(std::size_t count, std::size_t questions,
                                                bool shuffled) {
  RAGMESH_ASSIGN_OR_RETURN(const Sources sources, ReadSources());
  LexicalCorpus corpus;
  const double stride = StrideFor(sources.documents, count);
  for (const Words& document : sources.documents) {
    for (std::size_t i = 0; i < Windows(document, stride); ++i) {
      const auto begin =
          document.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(i) * stride);
      const auto words = std::min<std::ptrdiff_t>(kWords, document.end() - begin);
      corpus.chunks.push_back(absl::StrJoin(begin, begin + words, " "));
    }
  }
  if (shuffled) {
    std::mt19937 random(1);
    std::shuffle(corpus.chunks.begin(), corpus.chunks.end(), random);
  }
  const std::size_t each = questions / sources.questions.size();
  for (const auto& set : sources.questions) {
    const std::size_t taken = std::min(each, set.size());
    for (std::size_t i = 0; i < taken; ++i) corpus.questions.push_back(set[i * set.size() / taken]);
  }
  return corpus;
}

}  // namespace ragmesh::bench
