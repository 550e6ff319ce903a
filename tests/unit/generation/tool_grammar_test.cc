#include "libs/generation/tool_grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "libs/base/error.h"
#include "libs/grammar/constraint.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/generation/tool_calls_testing.h"

namespace ragmesh::generation {
namespace {

using stages::Tool;
using stages::ToolChoice;
using testing::HasReason;
using testing::IsOk;

constexpr char kCity[] = R"({"type": "object", "properties": {"city": {"type": "string"}},
                             "required": ["city"], "additionalProperties": false})";

std::vector<Tool> Tools() { return {{"get_weather", "", kCity}, {"get_time", "", ""}}; }

// Whether a whole answer is one of the grammar's.
class Answers {
 public:
  Answers(const ToolFormat& format, const ToolChoice& choice) {
    std::vector<std::string> bytes;
    for (int byte = 0; byte < 256; ++byte) bytes.emplace_back(1, static_cast<char>(byte));
    const std::vector<absl::string_view> tokens(bytes.begin(), bytes.end());
    const auto grammar = ToolGrammar(format, Tools(), choice);
    EXPECT_THAT(grammar, IsOk());
    constraint_ = *grammar::Constraint::Create(
        *grammar, *grammar::TokenTable::Create(tokens, std::vector<bool>(tokens.size(), false)));
  }
  bool Hold(absl::string_view answer) const {
    grammar::Matcher matcher(constraint_);
    return matcher.AcceptBytes(answer) && matcher.CanEnd();
  }
  const std::shared_ptr<grammar::Constraint>& constraint() const { return constraint_; }

 private:
  std::shared_ptr<grammar::Constraint> constraint_;
};

constexpr char kHermesCall[] =
    "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}}\n</tool_call>";

TEST(ToolGrammarTest, ARequiredCallLeavesOnlyCalls) {
  const Answers answers(Hermes(), {.mode = ToolChoice::Mode::kRequired});
  EXPECT_TRUE(answers.Hold(kHermesCall));
  EXPECT_TRUE(answers.Hold(absl::StrCat(
      kHermesCall, "\n<tool_call>\n{\"name\": \"get_time\", \"arguments\": {}}\n</tool_call>")));
  EXPECT_FALSE(answers.Hold(""));
  EXPECT_FALSE(answers.Hold("Oslo is cold."));
  EXPECT_FALSE(answers.Hold("<tool_call>\n{\"name\": \"other\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_FALSE(
      answers.Hold("<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_FALSE(answers.Hold(absl::StrCat(kHermesCall, "\nDone.")));
}

TEST(ToolGrammarTest, ANamedToolIsTheOnlyOneAndASingleCallStaysAlone) {
  const Answers named(Hermes(), {.mode = ToolChoice::Mode::kRequired, .name = "get_time"});
  EXPECT_FALSE(named.Hold(kHermesCall));
  const Answers single(Hermes(), {.mode = ToolChoice::Mode::kRequired, .single = true});
  EXPECT_TRUE(single.Hold(kHermesCall));
  EXPECT_FALSE(single.Hold(absl::StrCat(kHermesCall, "\n", kHermesCall)));
}

TEST(ToolGrammarTest, AFreeChoiceHoldsTextAndWhatBeginsACallToItsForm) {
  const Answers answers(Hermes(), {});
  for (const char* text : {"", "Oslo is cold.", "a < b, <tool>, <tool_call, <<tool_calk>", "<",
                           "<tool_cal", "<tool_c<tool_c\xC3\xA9"}) {
    EXPECT_TRUE(answers.Hold(text)) << text;
    EXPECT_TRUE(answers.Hold(absl::StrCat(text, "\n", kHermesCall))) << text;
  }
  EXPECT_FALSE(answers.Hold("I write <tool_call> and more."));
  EXPECT_FALSE(answers.Hold("<<tool_call>"));
  EXPECT_FALSE(answers.Hold(absl::StrCat(kHermesCall, "\nDone.")));
}

TEST(ToolGrammarTest, NoCallCanBeginWhenNoneMayBeMade) {
  const Answers answers(Hermes(), {.mode = ToolChoice::Mode::kNone});
  EXPECT_TRUE(answers.Hold("Oslo <tool_call is cold."));
  EXPECT_FALSE(answers.Hold(kHermesCall));
}

TEST(ToolGrammarTest, CallsThatNothingOpensStandInPlaceOfText) {
  const Answers answers(Llama(), {});
  const std::string call = R"({"name": "get_weather", "parameters": {"city": "Oslo"}})";
  EXPECT_TRUE(answers.Hold(call));
  EXPECT_TRUE(answers.Hold(Control("<|python_tag|>") + call));
  EXPECT_TRUE(answers.Hold(R"({"name": "Alice", "age": 3})"));
  EXPECT_TRUE(answers.Hold(R"({"name": "get_weathers"})"));
  EXPECT_TRUE(answers.Hold(R"({"name": "get_)"));
  EXPECT_TRUE(answers.Hold("It says: " + call));
  EXPECT_FALSE(answers.Hold(R"({"name": "get_weather", "parameters": {}})"));
  EXPECT_FALSE(answers.Hold(R"({"name": "get_weather"})"));
}

TEST(ToolGrammarTest, OnlyAControlTokenOpensWhereTheFormatHasOne) {
  const Answers answers(MistralList(), {});
  const std::string list =
      R"([{"name": "get_time", "arguments": {}, "id": "abcDEF123"}, {"name": "get_weather",)"
      R"( "arguments": {"city": "[TOOL_CALLS]"}, "id": "abcDEF123"}])";
  EXPECT_TRUE(answers.Hold("Yes. " + Control("[TOOL_CALLS]") + list));
  EXPECT_TRUE(answers.Hold("[TOOL_CALLS] is text."));
  EXPECT_FALSE(answers.Hold(Control("[TOOL_CALLS]") + "text"));
  const Answers tagged(MistralTagged(), {.mode = ToolChoice::Mode::kRequired});
  EXPECT_TRUE(tagged.Hold(Control("[TOOL_CALLS]") + "get_time" + Control("[ARGS]") + "{}"));
}

// A text of the grammar, each byte drawn from those that may come.
std::string Draw(const std::shared_ptr<grammar::Constraint>& constraint, std::mt19937* random) {
  grammar::Matcher matcher(constraint);
  std::string text;
  while (!matcher.CanEnd() || (*random)() % 2 == 0) {
    std::vector<std::uint32_t> mask(constraint->tokens().mask_words());
    EXPECT_THAT(matcher.Mask(absl::MakeSpan(mask)), IsOk());
    std::vector<std::uint32_t> next;
    for (std::uint32_t byte = 0; byte < 256; ++byte)
      if ((mask[byte / 32] >> byte % 32 & 1) != 0) next.push_back(byte);
    if (next.empty()) break;
    const std::uint32_t byte = next[(*random)() % next.size()];
    EXPECT_TRUE(matcher.Accept(byte));
    text.push_back(static_cast<char>(byte));
  }
  return text;
}

TEST(ToolGrammarTest, EveryAnswerOfTheGrammarIsReadAsItWasMeant) {
  const unsigned seed = 20261126;
  std::mt19937 random(seed);
  for (const ToolFormat& format :
       {Hermes(), Llama(), MistralList(), MistralTagged(), MistralTaggedWithIds(), Functionary()}) {
    SCOPED_TRACE(format.before);
    const Answers answers(format, {.mode = ToolChoice::Mode::kRequired});
    for (int i = 0; i < 30; ++i) {
      const std::string text = Draw(answers.constraint(), &random);
      const ReadAnswer read = ReadPieces(format, {text});
      EXPECT_EQ(read.text, "") << "seed " << seed << ": " << text;
      ASSERT_FALSE(read.calls.empty()) << "seed " << seed << ": " << text;
      for (const ReadCall& call : read.calls) {
        const auto arguments = nlohmann::json::parse(call.arguments, nullptr, false);
        ASSERT_TRUE(arguments.is_object()) << "seed " << seed << ": " << text;
        EXPECT_EQ(arguments.size(), call.name == "get_weather" ? 1u : 0u) << text;
      }
    }
  }
}

TEST(ToolGrammarTest, ParametersThatAreNoSchemaNameTheTool) {
  const auto compile = [](std::string parameters, bool strict) {
    return ToolGrammar(Hermes(), {{"a", "", ""}, {"b", "", std::move(parameters), strict}}, {})
        .status();
  };
  for (const char* bad : {"[", "[]", R"({"type": 5})", R"({"type": "string"})"}) {
    const absl::Status status = compile(bad, false);
    ASSERT_FALSE(status.ok()) << bad;
    EXPECT_EQ(GetErrorDetail(status)->field, "tools[1].parameters") << status;
  }
  // Outside the subset: refused when it must hold, else any object.
  const char* unsupported = R"({"type": "object", "patternProperties": {"^a": {}}})";
  EXPECT_THAT(compile(unsupported, true), HasReason("UNSUPPORTED_SCHEMA"));
  EXPECT_THAT(compile(unsupported, false), IsOk());
}

}  // namespace
}  // namespace ragmesh::generation
