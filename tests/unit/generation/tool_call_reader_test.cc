#include "libs/generation/tool_call_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/generation/tool_calls_testing.h"

namespace ragmesh::generation {
namespace {

constexpr char kParis[] = R"({"city": "Paris, \"}{\" \\"})";

// The same however the answer falls into two or three pieces, and byte by byte.
void ExpectRead(const ToolFormat& format, const std::string& answer, const ReadAnswer& wanted) {
  SCOPED_TRACE(answer);
  EXPECT_EQ(ReadPieces(format, {answer}).text, wanted.text);
  for (std::size_t first = 0; first <= answer.size(); ++first) {
    for (std::size_t second = first; second <= answer.size(); second += 23) {
      const ReadAnswer read = ReadPieces(
          format,
          {answer.substr(0, first), answer.substr(first, second - first), answer.substr(second)});
      ASSERT_TRUE(read == wanted) << "split at " << first << " and " << second << ": " << read.text;
    }
  }
  std::vector<std::string> bytes;
  for (const char c : answer) bytes.emplace_back(1, c);
  EXPECT_TRUE(ReadPieces(format, bytes) == wanted);
}

TEST(ToolCallReaderTest, ReadsHermesCallsBehindText) {
  const std::string call = absl::StrCat(
      "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": ", kParis, "}\n</tool_call>");
  ExpectRead(Hermes(), call, {"", {{"id0", "get_weather", kParis}}});
  ExpectRead(Hermes(), absl::StrCat("Let me see. < <tool\n\n", call),
             {"Let me see. < <tool", {{"id0", "get_weather", kParis}}});
  ExpectRead(Hermes(), absl::StrCat(call, "\n", call, "\nDone."),
             {"Done.", {{"id0", "get_weather", kParis}, {"id1", "get_weather", kParis}}});
}

TEST(ToolCallReaderTest, ReadsObjectsHoweverTheyAreSpelled) {
  const ReadAnswer time = {"", {{"id0", "get_time", R"({"zone":1})"}}};
  for (const char* object : {
           R"({"name":"get_time","arguments":{"zone":1}})",
           R"( { "name" : "get_time" , "parameters" : {"zone":1} } )",
           R"({"arguments":{"zone":1},"name":"get_time"})",
           R"({"type":"function","name":"get_time","index":0,"arguments":{"zone":1},"id":null})",
           R"({"name":"get_\u0074ime","arguments":"{\"zone\":1}"})",
       }) {
    ExpectRead(Hermes(), absl::StrCat("<tool_call>", object, "</tool_call>"), time);
  }
  ExpectRead(Hermes(), R"(<tool_call>{"name":"get_time"}</tool_call>)",
             {"", {{"id0", "get_time", "{}"}}});
}

TEST(ToolCallReaderTest, ReadsLlamasCallsInPlaceOfTextOnly) {
  const std::string call =
      absl::StrCat("{\"name\": \"get_weather\", \"parameters\": ", kParis, "}");
  const ReadAnswer one = {"", {{"id0", "get_weather", kParis}}};
  ExpectRead(Llama(), call, one);
  ExpectRead(Llama(), absl::StrCat(Control("<|python_tag|>"), call), one);
  ExpectRead(Llama(), absl::StrCat("\n", call, "; ", call),
             {"", {one.calls[0], {"id1", "get_weather", kParis}}});
  ExpectRead(Llama(), absl::StrCat("So: ", call), {absl::StrCat("So: ", call), {}});
  // Letters alone are no control token.
  ExpectRead(Llama(), absl::StrCat("<|python_tag|>", call),
             {absl::StrCat("<|python_tag|>", call), {}});
}

TEST(ToolCallReaderTest, ReadsMistralsListsAndTags) {
  const std::string open = Control("[TOOL_CALLS]");
  ExpectRead(MistralList(),
             absl::StrCat(open, R"([{"name": "get_weather", "arguments": )", kParis,
                          R"(, "id": "abcdefghi"}, {"name": "get_time", "arguments": {}}])"),
             {"", {{"id0", "get_weather", kParis}, {"id1", "get_time", "{}"}}});
  ExpectRead(MistralTagged(),
             absl::StrCat("Yes. ", open, "get_weather", Control("[ARGS]"), kParis, open, "get_time",
                          Control("[ARGS]"), "{}"),
             {"Yes.", {{"id0", "get_weather", kParis}, {"id1", "get_time", "{}"}}});
  ExpectRead(
      MistralTaggedWithIds(),
      absl::StrCat(open, "get_time", Control("[CALL_ID]"), "abcDEF123", Control("[ARGS]"), "{}"),
      {"", {{"id0", "get_time", "{}"}}});
  ExpectRead(MistralList(), R"(It writes [TOOL_CALLS][{"name": "get_time", "arguments": {}}].)",
             {R"(It writes [TOOL_CALLS][{"name": "get_time", "arguments": {}}].)", {}});
}

TEST(ToolCallReaderTest, ReadsFunctionarysTags) {
  ExpectRead(Functionary(),
             absl::StrCat("<function=get_weather>", kParis, "</function><function=get_time>{}",
                          "</function>"),
             {"", {{"id0", "get_weather", kParis}, {"id1", "get_time", "{}"}}});
}

TEST(ToolCallReaderTest, WhatIsNoCallIsText) {
  for (const char* text : {
           "a <tool_call b",
           "<tool_call>",
           "<tool_call>no",
           "<tool_call>{\"name\": \"other\"}",
           "<tool_call>{\"name\": 3}",
           "<tool_call>{]",
           "<tool_call>{\"name\" \"get_time\"}",
           "<tool_call>[[",
           "1 < 2 <tool_",
           " \n ",
       }) {
    ExpectRead(Hermes(), text, {text, {}});
  }
  ExpectRead(Llama(), R"({"name": "Alice", "age": 3})", {R"({"name": "Alice", "age": 3})", {}});
  ExpectRead(Functionary(), "<function=get_time {}", {"<function=get_time {}", {}});
  ExpectRead(Functionary(), "<function=get_time>[]", {"<function=get_time>[]", {}});
}

TEST(ToolCallReaderTest, AnAnswerThatBreaksOffKeepsWhatCame) {
  ExpectRead(Hermes(), R"(<tool_call>{"name": "get_time", "arguments": {"zone": "Eu)",
             {"", {{"id0", "get_time", R"({"zone": "Eu)"}}});
  ExpectRead(Hermes(), R"(<tool_call>{"name": "get_time", "argum)",
             {R"(<tool_call>{"name": "get_time", "argum)", {}});
  ExpectRead(Hermes(), R"(<tool_call>{"name": "get_time", "arguments": {}}</tool)",
             {"", {{"id0", "get_time", "{}"}}});
}

TEST(ToolCallReaderTest, ArgumentsAreHandedOnAsTheyCome) {
  ToolCallReader reader(Hermes(), {"get_time"}, [] { return "one"; });
  EXPECT_TRUE(reader.Add("<tool_call>\n{\"name\": \"get_time\", \"argu").calls.empty());
  EXPECT_EQ(reader.calls(), 0u);
  const auto begun = reader.Add("ments\": {\"a");
  EXPECT_THAT(begun.calls,
              ::testing::ElementsAre(stages::ToolCallDelta{0, "one", "get_time", "{\"a"}));
  EXPECT_THAT(reader.Add("\": 1").calls,
              ::testing::ElementsAre(stages::ToolCallDelta{0, "", "", "\": 1"}));
  EXPECT_EQ(reader.calls(), 1u);
}

TEST(ToolCallReaderTest, WhatIsHeldBackIsBounded) {
  const std::string much(ToolCallReader::kMaxHeldBytes + 1, 'x');
  for (const std::string& front :
       {std::string("<tool_call>{\""), std::string("<tool_call>{\"other\": \""),
        std::string("<tool_call>{\"name\": \""), std::string("<tool_call>{\"arguments\": {\"")}) {
    const std::string text = front + much;
    const ReadAnswer read = ReadPieces(Hermes(), {text});
    EXPECT_EQ(read.text, text);
    EXPECT_TRUE(read.calls.empty());
  }
  const std::string blanks(ToolCallReader::kMaxHeldBlanks + 1, ' ');
  ToolCallReader reader(Hermes(), {}, [] { return ""; });
  EXPECT_EQ(reader.Add(blanks).text, blanks);
}

}  // namespace
}  // namespace ragmesh::generation
