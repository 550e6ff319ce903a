// Questions whose relevant documents or chunks are known.
//
// A golden set is a text file with one JSON object a line; empty lines are passed over:
//
//   {"question": "How often is the seal replaced?", "documents": ["pump.md"]}
//   {"question": "Which oil does gearbox G2 take?", "documents": {"gearbox.md": 3, "oils.md": 1}}
//   {"question": "What is the torque of bolt 7?", "chunks": ["frame.md#12"]}
//
// "question" has 1 to 4,096 bytes and comes once in a file. Exactly one of "documents" and "chunks"
// names what is relevant, by id: a list, in which all count alike, or an object with a grade for
// each id, a whole number from 1 to 100, of which larger is better. 1 to 1,000 ids of 1 to 512
// bytes.
#ifndef RAGMESH_LIBS_TUNING_GOLDEN_SET_H_
#define RAGMESH_LIBS_TUNING_GOLDEN_SET_H_

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ragmesh::tuning {

inline constexpr std::size_t kMaxGoldenBytes = 64u << 20;
inline constexpr std::size_t kMaxGoldenLineBytes = 1u << 20;
inline constexpr std::size_t kMaxGoldenQuestions = 20'000;

enum class RelevantBy { kName, kDocument, kChunk };

struct GoldenQuestion {
  std::string question;
  RelevantBy by = RelevantBy::kName;
  std::map<std::string, int> grades;  // name or id -> grade, at least one
  int line = 0;                       // in the file, from 1
};

// INVALID_ARGUMENT / INVALID_GOLDEN_SET: the message names line, field and problem of each of the
// first bad lines. RESOURCE_EXHAUSTED / LIMIT_EXCEEDED over the bounds above.
absl::StatusOr<std::vector<GoldenQuestion>> ParseGoldenSet(absl::string_view text);

}  // namespace ragmesh::tuning

#endif  // RAGMESH_LIBS_TUNING_GOLDEN_SET_H_
