#include "bench/datasets/ir_dataset.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::bench {
namespace {

// Calls `use` with each line; NOT_FOUND when the file cannot be read.
template <typename Use>
absl::Status ForEachLine(const std::string& path, Use use) {
  std::ifstream file(path);
  if (!file)
    return NotFound("data file", path, "Set RAGMESH_TESTDATA to the folder with the test data.");
  std::string line;
  while (std::getline(file, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    use(line);
  }
  return absl::OkStatus();
}

// One JSON object a line; unreadable lines are an error, these files are ours to trust.
absl::StatusOr<std::vector<nlohmann::json>> ReadJsonLines(const std::string& path) {
  std::vector<nlohmann::json> objects;
  absl::Status bad;
  RAGMESH_RETURN_IF_ERROR(ForEachLine(path, [&](const std::string& line) {
    auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (object.is_object()) {
      objects.push_back(std::move(object));
    } else if (!line.empty()) {
      bad = Corrupt(path, "a line is not a JSON object");
    }
  }));
  RAGMESH_RETURN_IF_ERROR(bad);
  return objects;
}

// The SMART format of Cranfield: ".I n" begins a record, ".T" title, ".W" text; other fields are
// passed over.
struct SmartRecord {
  std::string title, text;
};

absl::StatusOr<std::vector<SmartRecord>> ReadSmart(const std::string& path) {
  std::vector<SmartRecord> records;
  std::string ignored;
  std::string* field = &ignored;
  RAGMESH_RETURN_IF_ERROR(ForEachLine(path, [&](const std::string& line) {
    if (absl::StartsWith(line, ".I ")) {
      records.emplace_back();
      field = &ignored;
    } else if (line.size() == 2 && line[0] == '.' && !records.empty()) {
      field = line[1] == 'T'   ? &records.back().title
              : line[1] == 'W' ? &records.back().text
                               : &ignored;
    } else {
      absl::StrAppend(field, field->empty() ? "" : " ", line);
    }
  }));
  return records;
}

void KeepJudgedQueries(IrDataset* dataset) {
  auto& queries = dataset->queries;
  queries.erase(std::remove_if(queries.begin(), queries.end(),
                               [](const IrQuery& q) { return q.grades.empty(); }),
                queries.end());
}

}  // namespace

absl::StatusOr<IrDataset> LoadBeir(const std::string& folder, const std::string& split) {
  IrDataset dataset{.name = absl::StrCat(folder.substr(folder.find_last_of('/') + 1), " ", split)};
  RAGMESH_ASSIGN_OR_RETURN(const auto corpus, ReadJsonLines(folder + "/corpus.jsonl"));
  for (const auto& object : corpus) {
    dataset.documents.push_back(
        {object.value("_id", ""), object.value("title", ""), object.value("text", "")});
  }
  RAGMESH_ASSIGN_OR_RETURN(const auto queries, ReadJsonLines(folder + "/queries.jsonl"));
  std::map<std::string, std::size_t> by_id;
  for (const auto& object : queries) {
    by_id[object.value("_id", "")] = dataset.queries.size();
    dataset.queries.push_back({object.value("_id", ""), object.value("text", ""), {}});
  }
  RAGMESH_RETURN_IF_ERROR(
      ForEachLine(absl::StrCat(folder, "/qrels/", split, ".tsv"), [&](const std::string& line) {
        const std::vector<std::string> fields = absl::StrSplit(line, '\t');
        const auto query = fields.empty() ? by_id.end() : by_id.find(fields[0]);
        if (fields.size() != 3 || query == by_id.end())
          return;  // the heading, or a query that is not in the file
        const int grade = std::atoi(fields[2].c_str());
        if (grade > 0) dataset.queries[query->second].grades[fields[1]] = grade;
      }));
  KeepJudgedQueries(&dataset);
  return dataset;
}

absl::StatusOr<IrDataset> LoadCranfield(const std::string& folder) {
  IrDataset dataset{.name = "cranfield"};
  RAGMESH_ASSIGN_OR_RETURN(const auto documents, ReadSmart(folder + "/cran.all.1400"));
  for (const SmartRecord& record : documents) {
    dataset.documents.push_back(
        {absl::StrCat(dataset.documents.size() + 1), record.title, record.text});
  }
  RAGMESH_ASSIGN_OR_RETURN(const auto queries, ReadSmart(folder + "/cran.qry"));
  for (const SmartRecord& record : queries) {
    dataset.queries.push_back({absl::StrCat(dataset.queries.size() + 1), record.text, {}});
  }
  RAGMESH_RETURN_IF_ERROR(
      ForEachLine(folder + "/QRelsCorrectedforTRECeval", [&](const std::string& line) {
        std::istringstream fields(line);
        std::size_t query = 0;
        std::string zero, document;
        int grade = 0;
        if (!(fields >> query >> zero >> document >> grade) || query < 1 ||
            query > dataset.queries.size())
          return;
        if (grade > 0) dataset.queries[query - 1].grades[document] = grade;
      }));
  KeepJudgedQueries(&dataset);
  return dataset;
}

}  // namespace ragmesh::bench
