// Text -> sentences, by Unicode's rules (UAX 29, ICU), with care for abbreviations and initials.
#ifndef RAGMESH_LIBS_TEXT_SENTENCES_H_
#define RAGMESH_LIBS_TEXT_SENTENCES_H_

#include <cstddef>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::text {

// Half-open byte range of one sentence, without white space around it.
struct SentenceRange {
  std::size_t begin = 0;
  std::size_t end = 0;

  bool operator==(const SentenceRange&) const = default;
};

// In order, disjoint, never blank; together they hold every non-blank byte. A line break ends a
// sentence. Thread-safe.
std::vector<SentenceRange> SplitSentences(absl::string_view text);

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_SENTENCES_H_
