// The terms a search scores by, with what each of them weighs.
#ifndef RAGMESH_LIBS_LEXICAL_QUERY_TERMS_H_
#define RAGMESH_LIBS_LEXICAL_QUERY_TERMS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/lexical/bm25.h"

namespace ragmesh::lexical {

struct QueryTerm {
  std::string term;
  double times = 0;   // how often the query names it
  double weight = 0;  // times * idf; 0: no live chunk holds it, and it is left out of all sums
};

// Distinct terms in order of their first occurrence. A score is the sum of contributions in this
// order, so that it rounds the same way wherever it is computed.
inline std::vector<QueryTerm> DistinctTerms(absl::Span<const std::string> terms) {
  std::vector<QueryTerm> distinct;
  absl::flat_hash_map<absl::string_view, std::size_t> seen;
  for (const std::string& term : terms) {
    const auto [it, inserted] = seen.try_emplace(term, distinct.size());
    if (inserted) distinct.push_back({term, 0, 0});
    distinct[it->second].times += 1;
  }
  return distinct;
}

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_QUERY_TERMS_H_
