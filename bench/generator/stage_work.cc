#include "bench/generator/stage_work.h"

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/generation/llama_generator.h"

namespace ragmesh::bench {
namespace {

using nlohmann::json;

constexpr std::size_t kStreams = 8;  // that a stage writes at a time

}  // namespace

absl::StatusOr<json> StageWork::Start(const json& request) {
  absl::StatusOr<stages::Generator*> stage;
  const double seconds = Seconds([&] { stage = Open(request); });
  RAGMESH_RETURN_IF_ERROR(stage.status());
  RAGMESH_RETURN_IF_ERROR(Write(**stage, "Hello", 1).status());
  return json{{"seconds", seconds}};
}

absl::StatusOr<json> StageWork::Streams(const json& request) {
  RAGMESH_ASSIGN_OR_RETURN(stages::Generator* const stage, Open(request));
  RAGMESH_ASSIGN_OR_RETURN(const std::size_t tokens, CountOf(request, "tokens", 64));
  const std::vector<std::string> prompts = request.at("prompts");
  std::vector<absl::Status> statuses(prompts.size());
  json answer = Time(request, [&] {
    std::vector<std::thread> clients;
    for (std::size_t i = 0; i < prompts.size(); ++i)
      clients.emplace_back([&, i] { statuses[i] = Write(*stage, prompts[i], tokens).status(); });
    for (std::thread& client : clients) client.join();
  });
  for (const absl::Status& status : statuses) RAGMESH_RETURN_IF_ERROR(status);
  return answer;
}

absl::StatusOr<json> StageWork::FirstToken(const json& request) {
  RAGMESH_ASSIGN_OR_RETURN(stages::Generator* const stage, Open(request));
  stages::GenerateRequest wanted;
  wanted.ignore_eos = true;
  wanted.max_tokens = 1;
  if (request.contains("prompt")) {
    wanted.prompt = stages::RawPrompt{.text = request.at("prompt")};
  } else {
    stages::ChatMessage message;
    for (const std::string passage : request.at("passages")) {
      message.passages.push_back({message.content.size(), message.content.size() + passage.size()});
      absl::StrAppend(&message.content, passage, "\n\n");
    }
    message.content += request.at("question").get<std::string>();
    wanted.prompt = stages::ChatMessages{message};
  }
  absl::StatusOr<stages::GenerateResult> result;
  const double seconds = Seconds([&] { result = Generate(*stage, wanted, nullptr); });
  RAGMESH_RETURN_IF_ERROR(result.status());
  return json{{"seconds", {seconds}},
              {"prompt_tokens", result->usage.prompt_tokens},
              {"cached_tokens", result->usage.cached_prompt_tokens}};
}

absl::StatusOr<json> StageWork::Answers(const json& request) {
  RAGMESH_ASSIGN_OR_RETURN(stages::Generator* const stage, Open(request));
  RAGMESH_ASSIGN_OR_RETURN(const std::size_t tokens, CountOf(request, "tokens", 64));
  json answer = {{"decode_seconds", 0.0}, {"tokens", 0}, {"texts", json::array()}};
  for (const std::string message : request.at("messages")) {
    stages::GenerateRequest wanted;
    wanted.prompt = stages::ChatMessages{{stages::ChatRole::kUser, message}};
    wanted.max_tokens = static_cast<std::uint32_t>(tokens);
    wanted.sampling.temperature = request.value("temperature", 0.0);
    wanted.sampling.seed = 1;
    if (request.contains("schema"))
      wanted.format = {stages::OutputFormat::Kind::kJsonSchema, request["schema"].dump()};
    std::string text;
    RAGMESH_ASSIGN_OR_RETURN(const auto result, Generate(*stage, wanted, &text));
    answer["decode_seconds"] = answer["decode_seconds"].get<double>() + result.decode_seconds;
    answer["tokens"] =
        answer["tokens"].get<int>() + static_cast<int>(result.usage.completion_tokens);
    answer["texts"].push_back(text);
  }
  return answer;
}

absl::StatusOr<json> StageWork::Greedy(const json& request) {
  RAGMESH_ASSIGN_OR_RETURN(stages::Generator* const stage, Open(request));
  RAGMESH_ASSIGN_OR_RETURN(const std::size_t tokens, CountOf(request, "tokens", 64));
  const std::vector<std::string> prompts = request.at("prompts");
  std::vector<std::vector<std::uint32_t>> written(prompts.size());
  std::vector<std::uint32_t> lengths(prompts.size());
  std::vector<absl::Status> statuses(prompts.size());
  std::atomic<std::size_t> next = 0;
  const auto write_some = [&] {
    for (std::size_t i = next++; i < prompts.size(); i = next++) {
      stages::GenerateRequest wanted;
      wanted.prompt = stages::RawPrompt{.text = prompts[i], .parse_special = true};
      wanted.max_tokens = static_cast<std::uint32_t>(tokens);
      const auto result = stage->Generate(
          wanted,
          [&ids = written[i]](const stages::TokenEvent& event) {
            ids.insert(ids.end(), event.token_ids.begin(), event.token_ids.end());
            return absl::OkStatus();
          },
          call_);
      statuses[i] = result.status();
      if (result.ok()) lengths[i] = result->usage.prompt_tokens;
    }
  };
  std::vector<std::thread> clients;
  for (std::size_t i = 0; i < kStreams; ++i) clients.emplace_back(write_some);
  for (std::thread& client : clients) client.join();
  for (const absl::Status& status : statuses) RAGMESH_RETURN_IF_ERROR(status);
  return json{{"prompt_tokens", lengths}, {"written", written}};
}

absl::StatusOr<stages::GenerateResult> StageWork::Write(stages::Generator& stage,
                                                        const std::string& prompt,
                                                        std::size_t tokens) {
  stages::GenerateRequest request;
  request.prompt = stages::RawPrompt{.text = prompt};
  request.max_tokens = static_cast<std::uint32_t>(tokens);
  request.ignore_eos = true;
  return Generate(stage, request, nullptr);
}

absl::StatusOr<stages::GenerateResult> StageWork::Generate(stages::Generator& stage,
                                                           const stages::GenerateRequest& request,
                                                           std::string* text) {
  return stage.Generate(
      request,
      [text](const stages::TokenEvent& event) {
        if (text != nullptr) *text += event.text;
        return absl::OkStatus();
      },
      call_);
}

absl::StatusOr<stages::Generator*> StageWork::Open(const json& request) {
  RAGMESH_ASSIGN_OR_RETURN(const ModelKey key, ModelKeyOf(request));
  const bool guess = request.value("guess", true), blend = request.value("blend", false);
  const std::string folder = request.value("folder", "");
  auto& slot = stages_[{key, guess, blend, folder}];
  if (slot == nullptr) {
    generation::GeneratorOptions options;
    std::tie(options.path, options.mode, options.threads) = key;
    options.digest = request.value("digest", options.path);  // tells models apart as well
    options.packed_folder = request.value("packed", "");
    options.max_streams = kStreams;
    options.guess = guess;
    options.blend_passages = blend;
    options.passage_folder = folder;
    RAGMESH_ASSIGN_OR_RETURN(slot, generation::LoadGenerator(options));
  }
  return slot.get();
}

}  // namespace ragmesh::bench
