// Any bytes as a chat template, rendered over a small conversation within tight limits.
#include <cstdint>
#include <nlohmann/json.hpp>

#include "libs/chat_template/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using ragmesh::chat_template::ChatTemplate;
  const auto parsed =
      ChatTemplate::Parse(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!parsed.ok()) return 0;
  static const nlohmann::ordered_json kContext = {
      {"messages",
       {{{"role", "user"}, {"content", "Hi"}}, {{"role", "assistant"}, {"content", nullptr}}}},
      {"add_generation_prompt", true},
      {"bos_token", "<s>"}};
  ragmesh::chat_template::RenderLimits limits;
  limits.steps = 5'000;
  limits.memory_bytes = 1 << 20;
  limits.output_bytes = 1 << 16;
  const auto rendered = (*parsed)->Render(kContext, absl::UnixEpoch(), limits);
  if (rendered.ok() && rendered->text.size() != rendered->foreign.size()) __builtin_trap();
  return 0;
}
