// Small models, asked what they do not know, repeat themselves until they are stopped.
#ifndef RAGMESH_LIBS_ANSWER_REPETITION_H_
#define RAGMESH_LIBS_ANSWER_REPETITION_H_

#include "absl/strings/string_view.h"

namespace ragmesh::answer {

// Whether `text` ends with one piece, of up to 200 bytes, written three times or more: 48 bytes in
// all at least, so that neither "no, no, no" nor a row of dashes in a table counts.
bool EndsInLoop(absl::string_view text);

}  // namespace ragmesh::answer

#endif  // RAGMESH_LIBS_ANSWER_REPETITION_H_
