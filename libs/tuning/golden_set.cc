#include "libs/tuning/golden_set.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::tuning {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxProblems = 10;  // shown of one file
constexpr std::size_t kMaxQuestionBytes = 4096;
constexpr std::size_t kMaxIds = 1000;
constexpr std::size_t kMaxIdBytes = 4096;  // of a name; ids are shorter
constexpr int kMaxGrade = 100;
constexpr std::size_t kMaxShownBytes = 64;  // of what a complaint repeats

constexpr char kExample[] =
    R"({"question": "How often is the seal replaced?", "names": ["pump.md"]})";

struct RelevantField {
  const char* name;
  RelevantBy by;
};
constexpr RelevantField kRelevantFields[] = {{"names", RelevantBy::kName},
                                             {"documents", RelevantBy::kDocument},
                                             {"chunks", RelevantBy::kChunk}};
constexpr char kOneField[] = "must have exactly one of names, documents and chunks";

const RelevantField* FieldOf(absl::string_view name) {
  for (const RelevantField& field : kRelevantFields) {
    if (name == field.name) return &field;
  }
  return nullptr;
}

// What is wrong with a field of a line; empty when nothing is.
using Problem = std::string;

Problem CheckId(const std::string& field, const std::string& id) {
  if (!id.empty() && id.size() <= kMaxIdBytes) return "";
  return absl::StrCat(field, " holds an entry of ", id.size(), " bytes; it must have 1 to ",
                      kMaxIdBytes);
}

Problem ReadRelevant(const std::string& field, const Json& value,
                     std::map<std::string, int>* grades) {
  if (!value.is_array() && !value.is_object())
    return absl::StrCat(field, " must be a list of strings or an object of grades");
  if (value.empty() || value.size() > kMaxIds)
    return absl::StrCat(field, " has ", value.size(), " entries; there must be 1 to ", kMaxIds);
  if (value.is_array()) {
    for (const Json& id : value) {
      if (!id.is_string()) return absl::StrCat(field, " holds an entry that is not a string");
      const auto& text = id.get_ref<const std::string&>();
      if (Problem problem = CheckId(field, text); !problem.empty()) return problem;
      if (!grades->emplace(text, 1).second)
        return absl::StrCat(field, " names \"", text.substr(0, kMaxShownBytes), "\" twice");
    }
    return "";
  }
  for (const auto& [id, grade] : value.items()) {
    if (Problem problem = CheckId(field, id); !problem.empty()) return problem;
    if (!grade.is_number_integer() || grade.get<double>() < 1 || grade.get<double>() > kMaxGrade)
      return absl::StrCat(field, "[\"", id.substr(0, kMaxShownBytes),
                          "\"] must be a whole number from 1 to ", kMaxGrade);
    grades->emplace(id, grade.get<int>());
  }
  return "";
}

Problem ReadLine(absl::string_view line, GoldenQuestion* question) {
  if (line.size() > kMaxGoldenLineBytes)
    return absl::StrCat("is longer than ", kMaxGoldenLineBytes, " bytes");
  const Json object = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (object.is_discarded()) return "is not JSON";
  if (!object.is_object()) return "is not a JSON object";
  for (const auto& [name, value] : object.items()) {
    const bool known = name == "question" || FieldOf(name) != nullptr;
    if (!known)
      return absl::StrCat("has an unknown field \"", name.substr(0, kMaxShownBytes), "\"");
  }
  const auto text = object.find("question");
  if (text == object.end() || !text->is_string()) return "question must be a string";
  question->question = text->get<std::string>();
  if (question->question.empty() || question->question.size() > kMaxQuestionBytes)
    return absl::StrCat("question must have 1 to ", kMaxQuestionBytes, " bytes");
  const RelevantField* chosen = nullptr;
  for (const RelevantField& field : kRelevantFields) {
    if (!object.contains(field.name)) continue;
    if (chosen != nullptr) return kOneField;
    chosen = &field;
  }
  if (chosen == nullptr) return kOneField;
  question->by = chosen->by;
  return ReadRelevant(chosen->name, object[chosen->name], &question->grades);
}

}  // namespace

absl::StatusOr<std::vector<GoldenQuestion>> ParseGoldenSet(absl::string_view text) {
  if (text.size() > kMaxGoldenBytes) {
    return LimitExceeded("golden", static_cast<long long>(text.size()), kMaxGoldenBytes, "bytes",
                         "Split the questions, or take a sample of them.");
  }
  std::vector<GoldenQuestion> questions;
  std::map<std::string, int> line_of;
  std::vector<std::string> problems;
  int number = 0;
  while (!text.empty() && problems.size() < kMaxProblems) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const absl::string_view line = absl::StripAsciiWhitespace(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
    ++number;
    if (line.empty()) continue;
    GoldenQuestion question;
    question.line = number;
    Problem problem = ReadLine(line, &question);
    if (problem.empty()) {
      const auto [it, inserted] = line_of.try_emplace(question.question, number);
      if (!inserted) problem = absl::StrCat("question is the one of line ", it->second);
    }
    if (!problem.empty()) {
      problems.push_back(absl::StrCat("line ", number, ": ", problem));
      continue;
    }
    if (questions.size() == kMaxGoldenQuestions) {
      return LimitExceeded("golden", number, kMaxGoldenQuestions, "questions",
                           "Take a sample of the questions.");
    }
    questions.push_back(std::move(question));
  }
  if (questions.empty() && problems.empty()) problems.push_back("line 1: there are no questions");
  if (problems.empty()) return questions;
  return MakeError(absl::StatusCode::kInvalidArgument, absl::StrJoin(problems, "\n"),
                   {.reason = "INVALID_GOLDEN_SET",
                    .field = "golden",
                    .next_step = absl::StrCat("Write one JSON object a line: ", kExample)});
}

}  // namespace ragmesh::tuning
