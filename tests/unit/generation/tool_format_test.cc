#include "libs/generation/tool_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/unit/generation/tool_calls_testing.h"

namespace ragmesh::generation {
namespace {

using testing::HasReason;

class ToolFormatTest : public ::testing::Test {
 protected:
  static absl::StatusOr<ToolFormat> Find(const std::string& source,
                                         std::vector<std::string> controls = {}) {
    const auto parsed = chat_template::ChatTemplate::Parse(source);
    if (!parsed.ok()) return parsed.status();
    return FindToolFormat({.chat_template = **parsed,
                           .bos = "<s>",
                           .eos = "</s>",
                           .controls = std::move(controls),
                           .ends = {"</s>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>",
                                    "<sep>", "<|END_OF_TURN_TOKEN|>", "<|message_sep|>"}});
  }
  static absl::StatusOr<ToolFormat> FindIn(const std::string& name,
                                           std::vector<std::string> controls = {}) {
    const auto folder = testing::TestData("tokenizers/gguf-vocab/templates");
    return Find(testing::ReadFileOrDie(*folder / (name + ".jinja")), std::move(controls));
  }
};

void ExpectSame(const ToolFormat& found, const ToolFormat& wanted) {
  EXPECT_EQ(found.before, wanted.before);
  EXPECT_EQ(found.between, wanted.between);
  EXPECT_EQ(found.next, wanted.next);
  EXPECT_EQ(found.after, wanted.after);
  EXPECT_EQ(found.is_object, wanted.is_object);
  EXPECT_EQ(found.open, wanted.open);
  EXPECT_EQ(found.also_open, wanted.also_open);
  EXPECT_EQ(found.close, wanted.close);
  EXPECT_EQ(found.typed_arguments, wanted.typed_arguments);
}

TEST_F(ToolFormatTest, IsFoundInPublicTemplates) {
  const auto folder = testing::TestData("tokenizers/gguf-vocab/templates");
  RAGMESH_SKIP_WITHOUT(folder, "tokenizers/gguf-vocab/templates of the test data");
  for (const auto& [name, wanted] : std::vector<std::pair<std::string, ToolFormat>>{
           {"Qwen-Qwen2.5-7B-Instruct", Hermes()},
           {"Qwen-Qwen3-0.6B", Hermes()},
           {"Qwen-QwQ-32B", Hermes()},
           {"NousResearch-Hermes-3-Llama-3.1-8B-tool_use", Hermes()},
           {"meta-llama-Llama-3.1-8B-Instruct", Llama()},
           {"meta-llama-Llama-3.2-3B-Instruct", Llama()},
           {"meta-llama-Llama-3.3-70B-Instruct", Llama()},
           {"mistralai-Mistral-Nemo-Instruct-2407", MistralList()},
           {"unsloth-mistral-Devstral-Small-2507", MistralTagged()},
           {"mistralai-Ministral-3-14B-Reasoning-2512", MistralTagged()},
           {"Mistral-Small-3.2-24B-Instruct-2506", MistralTaggedWithIds()},
           {"meetkai-functionary-medium-v3.1", Functionary()}}) {
    SCOPED_TRACE(name);
    const bool llama = name.find("meta-llama") == 0;
    RAGMESH_ASSERT_OK_AND_ASSIGN(
        const ToolFormat found,
        FindIn(name, llama ? std::vector<std::string>{"<|python_tag|>"}
                           : std::vector<std::string>{"[TOOL_CALLS]", "[ARGS]", "[CALL_ID]"}));
    ExpectSame(found, wanted);
  }
}

TEST_F(ToolFormatTest, TemplatesWithoutItSayWhy) {
  const auto folder = testing::TestData("tokenizers/gguf-vocab/templates");
  RAGMESH_SKIP_WITHOUT(folder, "tokenizers/gguf-vocab/templates of the test data");
  for (const char* name : {"microsoft-Phi-3.5-mini-instruct", "google-gemma-2-2b-it", "Qwen3-Coder",
                           "GLM-4.6", "openai-gpt-oss-120b", "google-gemma-4-31B-it"}) {
    SCOPED_TRACE(name);
    const auto found = FindIn(name);
    EXPECT_THAT(found, HasReason("NO_TOOL_FORMAT"));
    if (found.ok()) continue;
    EXPECT_EQ(GetErrorDetail(found.status())->field, "tools");
    EXPECT_NE(GetErrorDetail(found.status())->next_step, "");
  }
}

TEST_F(ToolFormatTest, EveryPublicTemplateIsDecidedOn) {
  const auto folder = testing::TestData("tokenizers/gguf-vocab/templates");
  RAGMESH_SKIP_WITHOUT(folder, "tokenizers/gguf-vocab/templates of the test data");
  int found = 0, refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    if (entry.path().extension() != ".jinja") continue;
    SCOPED_TRACE(entry.path().stem());
    const auto format = FindIn(entry.path().stem());
    if (!format.ok()) {
      EXPECT_THAT(format, HasReason("NO_TOOL_FORMAT"));
      ++refused;
      continue;
    }
    ++found;
    // What the format spells is what the format reads.
    const auto spell = [&](absl::string_view text) {
      std::string spelled(text.data(), text.size());
      std::replace(spelled.begin(), spelled.end(), kIdMark, '1');
      return spelled;
    };
    std::string calls = spell(format->before) + "get_time" + spell(format->between) + R"({"a": 1})";
    if (!format->next.empty())
      calls += spell(format->next) + "get_weather" + spell(format->between) + "{}";
    const ReadAnswer read = ReadPieces(*format, {"Well. ", calls + spell(format->after)});
    if (format->open.empty()) continue;
    ASSERT_EQ(read.calls.size(), format->next.empty() ? 1u : 2u);
    EXPECT_TRUE(read.calls[0] == (ReadCall{"id0", "get_time", R"({"a": 1})"}));
    EXPECT_EQ(read.text, "Well.");
  }
  EXPECT_GE(found, 20);
  EXPECT_GE(found + refused, 55);
}

}  // namespace
}  // namespace ragmesh::generation
