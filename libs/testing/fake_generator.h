// A generator that says what the test tells it to, word by word and the same in every choice. A
// token is a word.
#ifndef RAGMESH_LIBS_TESTING_FAKE_GENERATOR_H_
#define RAGMESH_LIBS_TESTING_FAKE_GENERATOR_H_

#include <atomic>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/stages/generator.h"
#include "libs/testing/stage_fault.h"

namespace ragmesh::testing {

class FakeGenerator final : public stages::Generator {
 public:
  StageFault fault;
  std::string says = "I do not know.";
  std::uint32_t context = 2048;
  bool is_server = false;  // a model server that tells neither tokens nor digest
  std::atomic<int> tokens_made = 0;
  std::string last_prompt;
  stages::Sampling last_sampling;
  stages::GenerateRequest last_request;
  std::vector<stages::ToolCallDelta> calls;  // written behind what it says

  static std::string Text(const stages::Prompt& prompt) {
    if (const auto* raw = std::get_if<stages::RawPrompt>(&prompt)) return raw->text;
    std::string all;
    for (const auto& message : std::get<stages::ChatPrompt>(prompt).messages)
      absl::StrAppend(&all, message.content, "\n");
    return all;
  }

  static std::vector<std::uint32_t> Ids(const stages::Prompt& prompt) {
    std::vector<std::uint32_t> ids(1, 0);
    for (const char c : Text(prompt)) {
      if (c == ' ' || c == '\n') ids.push_back(0);
    }
    return ids;
  }

  absl::StatusOr<stages::GenerateResult> Generate(
      const stages::GenerateRequest& request,
      absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token,
      const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(fault.Check(call));
    last_prompt = Text(request.prompt);
    last_sampling = request.sampling;
    last_request = request;
    stages::GenerateResult result;
    result.other_choices.resize(request.choices - 1);
    result.usage.prompt_tokens = static_cast<std::uint32_t>(Ids(request.prompt).size());
    std::size_t at = 0;
    while (at < says.size()) {
      RAGMESH_RETURN_IF_ERROR(call.Check());
      if (request.max_tokens != 0 && result.usage.completion_tokens == request.max_tokens) {
        result.finish_reason = stages::FinishReason::kLength;
        return result;
      }
      const std::size_t space = says.find(' ', at + 1);
      const std::size_t end = space == std::string::npos ? says.size() : space;
      ++result.usage.completion_tokens;
      tokens_made.fetch_add(1);
      stages::TokenEvent event{.text = says.substr(at, end - at), .token_ids = {1}};
      if (request.top_logprobs.has_value()) {
        event.logprobs = {{.chosen = {1, event.text, -0.5f}}};
        event.logprobs[0].top.assign(*request.top_logprobs, {2, "other", -1.2f});
      }
      for (; event.choice < request.choices; ++event.choice)
        RAGMESH_RETURN_IF_ERROR(on_token(event));
      at = end;
    }
    for (const stages::ToolCallDelta& delta : calls) {
      stages::TokenEvent event{.text = "", .token_ids = {1}};
      event.tool_calls = {delta};
      RAGMESH_RETURN_IF_ERROR(on_token(event));
      result.finish_reason = stages::FinishReason::kToolCalls;
    }
    return result;
  }

  absl::StatusOr<std::vector<std::uint32_t>> Tokenize(const stages::Prompt& prompt,
                                                      const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(fault.Check(call));
    if (is_server) return absl::UnimplementedError("no tokenizer");
    return Ids(prompt);
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    stages::StageInfo info;
    info.stage = "generator";
    info.ready = true;
    info.model.name = "fake";
    info.model.digest = is_server ? "" : std::string(64, 'b');
    info.model.max_tokens = context;
    return info;
  }
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_LIBS_TESTING_FAKE_GENERATOR_H_
