// What a search asks for: terms to score by, and what a chunk must and must not hold.
#ifndef RAGMESH_LIBS_LEXICAL_QUERY_H_
#define RAGMESH_LIBS_LEXICAL_QUERY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/lexical/analyzer.h"

namespace ragmesh::lexical {

struct Clause {
  enum class Role : std::uint8_t { kOptional, kRequired, kExcluded };
  Role role = Role::kOptional;
  // Required and excluded: these one after the other, at the distances they have here, are what a
  // chunk must or must not hold. Optional: words that each count for themselves.
  std::vector<PlacedTerm> terms;
  std::string prefix;  // instead of terms: any term that begins so
};

struct Query {
  std::vector<Clause> clauses;
};

inline constexpr std::size_t kMaxClauses = 256;

// All of `text` is words, whatever characters stand in it.
Query PlainQuery(const Analyzer& analyzer, absl::string_view text);

// The query language:
//
//   query  = { space | clause }
//   clause = [ "+" | "-" ] ( phrase | prefix | word )
//   phrase = '"' text '"'
//   prefix = word "*"
//   word   = characters that are neither space nor '"', the first neither "+" nor "-"
//
// Words count for the score, and a chunk that lacks some of them may still be found. A phrase, and
// what has a "+", must be in a chunk, and its words count for the score. What has a "-" must not be
// in it. A word that the analyser cuts into several terms is a phrase of them where it has a sign.
// What the analyser drops, such as "the", asks for nothing, but keeps its place in a phrase. A
// prefix stands for the terms that begin with it; terms are stems, so "connecti*" does not find
// "connection", which is kept as "connect". '"' ends a word; "*" anywhere else, and signs inside a
// word, are text.
//
// INVALID_ARGUMENT names the byte at which the text goes wrong: a sign or a "*" with nothing to it,
// a phrase without an end, a prefix that is more than one word, more than kMaxClauses clauses; and
// a text that only excludes.
absl::StatusOr<Query> ParseQuery(const Analyzer& analyzer, absl::string_view text);

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_QUERY_H_
