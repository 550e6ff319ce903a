#include "libs/pipeline/query_words.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace ragmesh::pipeline {

// The grammar is that of lexical::ParseQuery, which refuses what breaks it; here all of it is read
// somehow.
std::string WordsOf(absl::string_view query) {
  std::string words;
  absl::string_view rest = query;
  while (true) {
    rest = absl::StripLeadingAsciiWhitespace(rest);
    if (rest.empty()) break;
    const bool excluded = absl::ConsumePrefix(&rest, "-");
    if (!excluded) absl::ConsumePrefix(&rest, "+");
    absl::string_view clause;
    if (absl::ConsumePrefix(&rest, "\"")) {
      clause = rest.substr(0, rest.find('"'));
      rest.remove_prefix(std::min(clause.size() + 1, rest.size()));
    } else {
      clause = rest.substr(0, std::min(rest.find('"'), rest.find_first_of(" \t\n\v\f\r")));
      rest.remove_prefix(clause.size());
      absl::ConsumeSuffix(&clause, "*");
    }
    if (excluded) continue;
    for (const absl::string_view word :
         absl::StrSplit(clause, absl::ByAnyChar(" \t\n\v\f\r"), absl::SkipEmpty()))
      absl::StrAppend(&words, words.empty() ? "" : " ", word);
  }
  return words.empty() ? std::string(query) : words;
}

}  // namespace ragmesh::pipeline
