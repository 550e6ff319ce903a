// Whether the passages say what a generated sentence says.
#ifndef RAGMESH_LIBS_ANSWER_SUPPORT_H_
#define RAGMESH_LIBS_ANSWER_SUPPORT_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/answer/evidence.h"

namespace ragmesh::answer {

struct Support {
  bool supported = false;
  double score = 0;  // 0 to 1
  std::size_t sentence =
      0;  // of the evidence, the best match; meaningless when there is no evidence
};

// `vector` is the sentence's own, empty without an embedder. Supported means: most of its content
// words stand in one sentence of the evidence (what the passage around it says counts half), words
// that stand together stand near each other there, no number or name is its own invention, and it
// does not deny what the evidence affirms, or the reverse.
Support CheckSupport(absl::string_view generated, const std::vector<float>& vector,
                     const Evidence& evidence);

}  // namespace ragmesh::answer

#endif  // RAGMESH_LIBS_ANSWER_SUPPORT_H_
