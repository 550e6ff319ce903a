// What is taken out of a model's text, or off its front, before it is checked.
#ifndef RAGMESH_LIBS_ANSWER_GENERATED_TEXT_H_
#define RAGMESH_LIBS_ANSWER_GENERATED_TEXT_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ragmesh::answer {

// Without "[1]" and "[2, 3]": marks are ours, and what looks like one must lead to a source.
std::string WithoutMarks(absl::string_view text);

struct Verdict {
  absl::string_view verdict;  // "Yes" or "No" that the text begins with; empty for neither
  absl::string_view claim;    // what follows; views into the text
};

// "Yes, it is." -> {"Yes", "it is."}.
Verdict SplitVerdict(absl::string_view text);

}  // namespace ragmesh::answer

#endif  // RAGMESH_LIBS_ANSWER_GENERATED_TEXT_H_
