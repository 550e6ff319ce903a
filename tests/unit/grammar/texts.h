// What tests of grammars share: whether a text matches, and vocabularies.
#ifndef RAGMESH_TESTS_UNIT_GRAMMAR_TEXTS_H_
#define RAGMESH_TESTS_UNIT_GRAMMAR_TEXTS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/check.h"
#include "libs/grammar/constraint.h"

namespace ragmesh::grammar {

inline std::shared_ptr<const TokenTable> MakeTokens(const std::vector<std::string>& tokens) {
  const std::vector<absl::string_view> views(tokens.begin(), tokens.end());
  auto table = TokenTable::Create(views, std::vector<bool>(tokens.size(), false));
  RAGMESH_CHECK(table.ok(), "the tokens of a test are well-formed");
  return *std::move(table);
}

inline std::shared_ptr<Constraint> MakeConstraint(Grammar::Ptr grammar,
                                                  const std::vector<std::string>& tokens = {},
                                                  const Constraint::Options& options = {}) {
  auto constraint = Constraint::Create(std::move(grammar), MakeTokens(tokens), options);
  RAGMESH_CHECK(constraint.ok(), "the grammar of a test is small");
  return *std::move(constraint);
}

// The text, and nothing after it, is one of the grammar's. Also checks that bytes one by one give
// the same as all at once.
inline bool Matches(const Grammar::Ptr& grammar, absl::string_view text) {
  Matcher matcher(MakeConstraint(grammar)), whole = matcher;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (matcher.AcceptBytes(text.substr(i, 1))) continue;
    RAGMESH_CHECK(!whole.AcceptBytes(text), "all at once is refused too");
    return false;
  }
  RAGMESH_CHECK(whole.AcceptBytes(text) && whole.CanEnd() == matcher.CanEnd(),
                "all at once is accepted too");
  return matcher.CanEnd();
}

// The ids of a mask.
inline std::vector<std::uint32_t> Allowed(const Matcher& matcher, std::size_t tokens) {
  std::vector<std::uint32_t> words((tokens + 31) / 32, ~0u), ids;
  RAGMESH_CHECK(matcher.Mask(absl::MakeSpan(words)).ok(), "the mask of a test is cheap");
  for (std::uint32_t id = 0; id < 32 * words.size(); ++id) {
    if ((words[id / 32] >> id % 32 & 1) != 0) ids.push_back(id);
  }
  return ids;
}

}  // namespace ragmesh::grammar

#endif  // RAGMESH_TESTS_UNIT_GRAMMAR_TEXTS_H_
