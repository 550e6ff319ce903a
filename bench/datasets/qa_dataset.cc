#include "bench/datasets/qa_dataset.h"

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::bench {
namespace {

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    return NotFound("data file", path, "Set RAGMESH_TESTDATA to the folder with the test data.");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// RFC 4180 records: quoted fields may hold commas, doubled quotes and line breaks.
std::vector<std::vector<std::string>> ParseCsv(const std::string& text) {
  std::vector<std::vector<std::string>> rows(1, std::vector<std::string>(1));
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    std::string& field = rows.back().back();
    if (quoted) {
      if (c != '"') {
        field += c;
      } else if (i + 1 < text.size() && text[i + 1] == '"') {
        field += '"';
        ++i;
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      rows.back().emplace_back();
    } else if (c == '\n') {
      rows.emplace_back(1);
    } else if (c != '\r') {
      field += c;
    }
  }
  return rows;
}

}  // namespace

absl::StatusOr<QaDataset> LoadMiniWikipedia(const std::string& folder) {
  QaDataset dataset{.name = "rag-mini-wikipedia"};
  RAGMESH_ASSIGN_OR_RETURN(const std::string csv, ReadFile(folder + "/passages.csv"));
  const auto rows = ParseCsv(csv);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].size() >= 2) dataset.passages.push_back(rows[i][1]);
  }
  RAGMESH_ASSIGN_OR_RETURN(const std::string pairs,
                           ReadFile(folder + "/S08_question_answer_pairs.txt"));
  bool heading = true;
  for (absl::string_view line : absl::StrSplit(pairs, '\n')) {
    const std::vector<std::string> fields =
        absl::StrSplit(absl::StripTrailingAsciiWhitespace(line), '\t');
    if (std::exchange(heading, false) || fields.size() < 3) continue;
    if (fields[1].empty() || fields[1] == "NULL") continue;  // the set has a few rows without one
    QaQuestion question{.text = fields[1]};
    if (!fields[2].empty() && fields[2] != "NULL") question.answers.push_back(fields[2]);
    dataset.questions.push_back(std::move(question));
  }
  return dataset;
}

absl::StatusOr<QaDataset> LoadXquad(const std::string& json_path) {
  QaDataset dataset{.name = "xquad en"};
  RAGMESH_ASSIGN_OR_RETURN(const std::string text, ReadFile(json_path));
  const auto root = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object() || !root.contains("data")) return Corrupt(json_path, "not a SQuAD file");
  for (const auto& article : root["data"]) {
    for (const auto& paragraph : article["paragraphs"]) {
      const auto passage = static_cast<std::int64_t>(dataset.passages.size());
      dataset.passages.push_back(paragraph.value("context", ""));
      for (const auto& qa : paragraph["qas"]) {
        QaQuestion question{qa.value("question", ""), {}, passage};
        for (const auto& answer : qa["answers"])
          question.answers.push_back(answer.value("text", ""));
        if (!question.answers.empty()) dataset.questions.push_back(std::move(question));
      }
    }
  }
  return dataset;
}

}  // namespace ragmesh::bench
