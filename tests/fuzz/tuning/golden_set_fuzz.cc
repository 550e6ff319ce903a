// Any bytes as a golden set: refused with a reason, or questions within the bounds of the format.
#include <cstddef>
#include <cstdint>
#include <set>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/tuning/golden_set.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto questions =
      ragmesh::tuning::ParseGoldenSet({reinterpret_cast<const char*>(data), size});
  if (!questions.ok()) {
    RAGMESH_CHECK(ragmesh::GetErrorDetail(questions.status()).has_value(), "a refusal says why");
    return 0;
  }
  std::set<std::string> seen;
  int line = 0;
  for (const auto& question : *questions) {
    RAGMESH_CHECK(question.line > line, "questions come in the order of their lines");
    line = question.line;
    RAGMESH_CHECK(!question.question.empty() && question.question.size() <= 4096,
                  "a question has its length");
    RAGMESH_CHECK(seen.insert(question.question).second, "a question comes once");
    RAGMESH_CHECK(!question.grades.empty() && question.grades.size() <= 1000,
                  "something is relevant");
    for (const auto& [id, grade] : question.grades)
      RAGMESH_CHECK(!id.empty() && grade >= 1 && grade <= 100, "grades are in their range");
  }
  return 0;
}
