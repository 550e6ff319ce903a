#include "libs/lexical/query.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::lexical {
namespace {

absl::Status WrongAt(std::size_t byte, absl::string_view problem) {
  return InvalidField("query_text", absl::StrCat("byte ", byte, ": ", problem));
}

class QueryParser {
 public:
  QueryParser(const Analyzer& analyzer, absl::string_view text)
      : analyzer_(analyzer), text_(text) {}

  absl::StatusOr<Query> Parse() {
    Query query;
    bool wants = false;
    while (SkipSpace()) {
      if (query.clauses.size() == kMaxClauses)
        return WrongAt(at_, absl::StrCat("more than ", kMaxClauses, " clauses"));
      RAGMESH_ASSIGN_OR_RETURN(Clause clause, ParseClause());
      wants = wants || clause.role != Clause::Role::kExcluded;
      if (!clause.terms.empty() || !clause.prefix.empty())
        query.clauses.push_back(std::move(clause));
    }
    if (!wants && !query.clauses.empty())
      return WrongAt(0, "everything is excluded, and nothing is looked for");
    return query;
  }

 private:
  bool SkipSpace() {
    while (at_ < text_.size() && absl::ascii_isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
    return at_ < text_.size();
  }
  bool AtWordEnd() const {
    return at_ == text_.size() || text_[at_] == '"' ||
           absl::ascii_isspace(static_cast<unsigned char>(text_[at_]));
  }

  absl::StatusOr<Clause> ParseClause() {
    Clause clause;
    const std::size_t begin = at_;
    if (text_[at_] == '+' || text_[at_] == '-') {
      clause.role = text_[at_] == '+' ? Clause::Role::kRequired : Clause::Role::kExcluded;
      ++at_;
    }
    if (at_ < text_.size() && text_[at_] == '"') {
      if (clause.role == Clause::Role::kOptional) clause.role = Clause::Role::kRequired;
      RAGMESH_ASSIGN_OR_RETURN(const absl::string_view phrase, TakePhrase());
      clause.terms = analyzer_.PlacedTerms(phrase);
      return clause;
    }
    if (AtWordEnd()) return WrongAt(begin, "a sign must be followed at once by a word or phrase");
    const std::size_t word_begin = at_;
    while (!AtWordEnd()) ++at_;
    absl::string_view word = text_.substr(word_begin, at_ - word_begin);
    if (word.back() != '*') {
      clause.terms = analyzer_.PlacedTerms(word);
      return clause;
    }
    word.remove_suffix(1);
    const std::vector<std::string> words = analyzer_.Words(word);
    if (words.size() != 1)
      return WrongAt(word_begin, words.empty() ? "'*' must follow a word"
                                               : "'*' must follow one word, this is several");
    clause.prefix = words[0];
    return clause;
  }

  absl::StatusOr<absl::string_view> TakePhrase() {
    const std::size_t begin = at_++;
    const std::size_t end = text_.find('"', at_);
    if (end == absl::string_view::npos) return WrongAt(begin, "the phrase has no closing quote");
    const absl::string_view phrase = text_.substr(at_, end - at_);
    at_ = end + 1;
    return phrase;
  }

  const Analyzer& analyzer_;
  const absl::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Query PlainQuery(const Analyzer& analyzer, absl::string_view text) {
  Query query;
  query.clauses.emplace_back();
  query.clauses.back().terms = analyzer.PlacedTerms(text);
  return query;
}

absl::StatusOr<Query> ParseQuery(const Analyzer& analyzer, absl::string_view text) {
  return QueryParser(analyzer, text).Parse();
}

}  // namespace ragmesh::lexical
