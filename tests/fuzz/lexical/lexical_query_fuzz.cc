// Any text as a query in the language of operators: it is read or refused, its clauses are bounded,
// and each of them asks for something.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "libs/base/check.h"
#include "libs/lexical/query.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ragmesh::lexical;  // NOLINT
  static const auto& analyzer = *new Analyzer("en");
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto query = ParseQuery(analyzer, text);
  if (!query.ok()) return 0;
  RAGMESH_CHECK(query->clauses.size() <= kMaxClauses, "clauses are bounded");
  for (const Clause& clause : query->clauses)
    RAGMESH_CHECK(clause.terms.empty() != clause.prefix.empty(), "terms or a prefix");
  return 0;
}
