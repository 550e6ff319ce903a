#include "libs/lexical/query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/testing/status_matchers.h"

namespace ragmesh::lexical {
namespace {

using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Role = Clause::Role;

const Analyzer& English() {
  static const auto& analyzer = *new Analyzer("en");
  return analyzer;
}

std::vector<std::string> TermsOf(const Clause& clause) {
  std::vector<std::string> terms;
  for (const PlacedTerm& term : clause.terms) terms.push_back(term.term);
  return terms;
}

std::string Problem(absl::string_view text) {
  const auto query = ParseQuery(English(), text);
  EXPECT_THAT(query, HasReason("INVALID_FIELD")) << text;
  return std::string(query.status().message());
}

TEST(QueryTest, PlainTextIsWordsWhateverStandsInIt) {
  const Query query = PlainQuery(English(), "+must -not \"a phrase\" pre* open\"");
  ASSERT_THAT(query.clauses, SizeIs(1));
  EXPECT_EQ(query.clauses[0].role, Role::kOptional);
  EXPECT_THAT(TermsOf(query.clauses[0]), ElementsAre("must", "phrase", "pre", "open"));
}

TEST(QueryTest, SignsPhrasesAndPrefixesAreTold) {
  const auto query = ParseQuery(English(), "pumps +valve -\"gear box\" \"cold start\" conn*");
  RAGMESH_ASSERT_OK(query);
  ASSERT_THAT(query->clauses, SizeIs(5));
  EXPECT_EQ(query->clauses[0].role, Role::kOptional);
  EXPECT_THAT(TermsOf(query->clauses[0]), ElementsAre("pump"));
  EXPECT_EQ(query->clauses[1].role, Role::kRequired);
  EXPECT_EQ(query->clauses[2].role, Role::kExcluded);
  EXPECT_THAT(TermsOf(query->clauses[2]), ElementsAre("gear", "box"));
  EXPECT_EQ(query->clauses[3].role, Role::kRequired);
  EXPECT_EQ(query->clauses[4].role, Role::kOptional);
  EXPECT_EQ(query->clauses[4].prefix, "conn");
}

TEST(QueryTest, DroppedWordsKeepTheirPlaceInAPhrase) {
  const auto query = ParseQuery(English(), "\"heart of the mesh\"");
  RAGMESH_ASSERT_OK(query);
  ASSERT_THAT(query->clauses[0].terms, SizeIs(2));
  EXPECT_EQ(query->clauses[0].terms[1].position - query->clauses[0].terms[0].position, 3u);
}

TEST(QueryTest, WordWithASignThatIsCutIsAPhrase) {
  const auto query = ParseQuery(English(), "+max_batch-size");
  RAGMESH_ASSERT_OK(query);
  EXPECT_THAT(TermsOf(query->clauses[0]), ElementsAre("max", "batch", "size"));
}

TEST(QueryTest, SignsAndStarsInsideWordsAreText) {
  const auto query = ParseQuery(English(), "covid-19 c++ a*b");
  RAGMESH_ASSERT_OK(query);
  EXPECT_THAT(query->clauses, SizeIs(3));
  for (const Clause& clause : query->clauses) EXPECT_EQ(clause.role, Role::kOptional);
}

TEST(QueryTest, WhatIsDroppedAsksForNothing) {
  const auto query = ParseQuery(English(), "+the \"of the\" mesh");
  RAGMESH_ASSERT_OK(query);
  ASSERT_THAT(query->clauses, SizeIs(1));
  EXPECT_THAT(ParseQuery(English(), "  \t ")->clauses, IsEmpty());
}

TEST(QueryTest, PrefixIsFoldedAndNotStemmed) {
  EXPECT_EQ(ParseQuery(English(), "CONNECTIONS*")->clauses[0].prefix, "connections");
  EXPECT_EQ(ParseQuery(English(), "the*")->clauses[0].prefix, "the");
}

TEST(QueryTest, ErrorsNameTheByte) {
  EXPECT_THAT(Problem("a \"open"), HasSubstr("byte 2: the phrase has no closing quote"));
  EXPECT_THAT(Problem("a - b"), HasSubstr("byte 2: a sign must be followed"));
  EXPECT_THAT(Problem("ab +"), HasSubstr("byte 3: a sign must be followed"));
  EXPECT_THAT(Problem("ab *"), HasSubstr("byte 3: '*' must follow a word"));
  EXPECT_THAT(Problem("max_ba*"), HasSubstr("byte 0: '*' must follow one word"));
  EXPECT_THAT(Problem("-a -\"b\""), HasSubstr("nothing is looked for"));
  std::string many;
  for (std::size_t i = 0; i <= kMaxClauses; ++i) many += "mesh ";
  EXPECT_THAT(Problem(many), HasSubstr("byte 1280: more than 256 clauses"));
}

}  // namespace
}  // namespace ragmesh::lexical
