// On random grammars, texts and vocabularies: the matcher agrees with the plainest recogniser,
// masks with trying every token, and nothing that is allowed leads to a dead end.
#include <gtest/gtest.h>

#include <random>

#include "libs/testing/status_matchers.h"
#include "tests/property/grammar/reference.h"
#include "tests/unit/grammar/texts.h"

namespace ragmesh::grammar {
namespace {

constexpr std::uint32_t kGrammars = 1500;

std::string RandomText(const ReferenceGrammar& grammar, std::mt19937* random) {
  std::string text;
  if ((*random)() % 4 != 0) {
    text = grammar.Sample(random).substr(0, 60);
    if ((*random)() % 2 == 0 && !text.empty())
      text.replace((*random)() % text.size(), (*random)() % 3, RandomPiece(random));
    return text;
  }
  for (unsigned i = (*random)() % 12; i > 0; --i) text += RandomPiece(random);
  return text;
}

std::vector<std::string> RandomTokens(std::mt19937* random) {
  std::vector<std::string> tokens = {"a", "b", "c", "", std::string(40, 'a'), "aaaaaaaa"};
  for (int i = 0; i < 40; ++i) {
    std::string token;
    for (unsigned j = (*random)() % 5 + 1; j > 0; --j) token += RandomPiece(random);
    tokens.push_back(std::move(token));
  }
  tokens.push_back(tokens[20]);
  return tokens;
}

TEST(GbnfPropertyTest, AgreesWithThePlainestRecogniser) {
  int matching = 0;
  for (std::uint32_t seed = 0; seed < kGrammars; ++seed) {
    std::mt19937 random(seed);
    const ReferenceGrammar reference = RandomGrammar(&random);
    const auto grammar = Grammar::ParseGbnf(reference.Gbnf());
    ASSERT_THAT(grammar, testing::IsOk()) << seed << "\n" << reference.Gbnf();
    const auto constraint = MakeConstraint(*grammar);
    for (int i = 0; i < 10; ++i) {
      const std::string text = RandomText(reference, &random);
      Matcher matcher(constraint);
      bool alive = true;
      for (std::size_t end = 0; end <= text.size(); ++end) {
        if (end > 0)
          alive = alive && matcher.AcceptBytes(absl::string_view(text).substr(end - 1, 1));
        const bool matches = reference.Matches(text.substr(0, end));
        ASSERT_EQ(alive && matcher.CanEnd(), matches)
            << "seed " << seed << "\n"
            << reference.Gbnf() << "text: " << text.substr(0, end);
        matching += matches;
      }
    }
  }
  EXPECT_GT(matching, 10'000) << "the texts say something";
}

TEST(GbnfPropertyTest, MasksAreWhatTryingEveryTokenGives) {
  for (std::uint32_t seed = 0; seed < kGrammars; ++seed) {
    std::mt19937 random(seed);
    const ReferenceGrammar reference = RandomGrammar(&random);
    const auto grammar = Grammar::ParseGbnf(reference.Gbnf());
    ASSERT_THAT(grammar, testing::IsOk()) << seed;
    const std::vector<std::string> tokens = RandomTokens(&random);
    Constraint::Options options;
    if (seed % 2 == 0) options.max_configuration_bytes = options.max_mask_bytes = 1;
    const auto constraint = MakeConstraint(*grammar, tokens, options);
    for (int text = 0; text < 3; ++text) {
      Matcher matcher(constraint);
      for (int i = 0; i < 12; ++i) {
        const std::vector<std::uint32_t> allowed = Allowed(matcher, tokens.size());
        std::vector<std::uint32_t> tried;
        for (std::uint32_t token = 0; token < tokens.size(); ++token) {
          Matcher copy = matcher;
          if (copy.Accept(token)) tried.push_back(token);
        }
        ASSERT_EQ(allowed, tried) << "seed " << seed << "\n" << reference.Gbnf();
        if (allowed.empty()) break;
        matcher.Accept(allowed[random() % allowed.size()]);
      }
    }
  }
}

TEST(GbnfPropertyTest, NothingAllowedLeadsToADeadEnd) {
  std::vector<std::string> bytes;
  for (int byte = 0; byte < 256; ++byte) bytes.push_back(std::string(1, static_cast<char>(byte)));
  for (std::uint32_t seed = 0; seed < kGrammars; ++seed) {
    std::mt19937 random(seed);
    const ReferenceGrammar reference = RandomGrammar(&random);
    const auto grammar = Grammar::ParseGbnf(reference.Gbnf());
    ASSERT_THAT(grammar, testing::IsOk()) << seed;
    Matcher matcher(MakeConstraint(*grammar, bytes));
    for (int i = 0; i < 40; ++i) {
      const std::vector<std::uint32_t> allowed = Allowed(matcher, bytes.size());
      ASSERT_TRUE(!allowed.empty() || matcher.CanEnd()) << seed << "\n" << reference.Gbnf();
      if (allowed.empty()) break;
      const std::string forced = matcher.ForcedBytes();
      const bool is_forced = allowed.size() == 1 && !matcher.CanEnd();
      ASSERT_EQ(!forced.empty(), is_forced) << seed;
      if (is_forced) {
        ASSERT_EQ(static_cast<unsigned char>(forced[0]), allowed[0]);
      }
      ASSERT_TRUE(matcher.Accept(allowed[random() % allowed.size()]));
    }
  }
}

}  // namespace
}  // namespace ragmesh::grammar
