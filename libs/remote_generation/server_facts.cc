#include "libs/remote_generation/server_facts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/remote_generation/server_error.h"
#include "libs/text/bounded_json.h"

namespace ragmesh::remote_generation {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxNameBytes = 512;
constexpr std::size_t kNamesShown = 8;

const json* Member(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

std::uint32_t Count(const json* value) {
  if (value == nullptr || !value->is_number_unsigned()) return 0;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value->get<std::uint64_t>(), 1u << 30));
}

ServerKind KindOf(const json& entry) {
  const json* const owner = Member(entry, "owned_by");
  if (owner != nullptr && *owner == "llamacpp") return kLlamaServer;
  if (owner != nullptr && *owner == "vllm") return kVllm;
  return kOther;
}

std::uint32_t ContextOf(const json& entry) {
  if (const std::uint32_t stated = Count(Member(entry, "max_model_len")); stated > 0) return stated;
  const json* const meta = Member(entry, "meta");
  return meta == nullptr ? 0 : Count(Member(*meta, "n_ctx"));
}

}  // namespace

const char* ServerKindName(ServerKind kind) {
  switch (kind) {
    case kLlamaServer:
      return "llama-server";
    case kVllm:
      return "vllm";
    case kOther:
      break;
  }
  return "openai-compatible";
}

ServerUrls SplitServerUrl(absl::string_view url) {
  const std::size_t slash = url.rfind('/');
  const absl::string_view last = url.substr(slash == absl::string_view::npos ? 0 : slash + 1);
  const bool version =
      last.size() >= 2 && last[0] == 'v' && std::all_of(last.begin() + 1, last.end(), [](char c) {
        return absl::ascii_isdigit(static_cast<unsigned char>(c));
      });
  if (version) return {std::string(url), std::string(url.substr(0, slash))};
  return {absl::StrCat(url, "/v1"), std::string(url)};
}

absl::StatusOr<ServerFacts> ReadModelList(absl::string_view body, const std::string& wanted) {
  const auto list = text::ParseBoundedJson(body, "models", {.max_bytes = 1 << 20, .max_depth = 16});
  const json* const data = list.ok() ? Member(*list, "data") : nullptr;
  if (data == nullptr || !data->is_array()) return BadAnswer("to /models is no list of models");
  std::vector<std::string> names;
  const json* chosen = nullptr;
  for (const json& entry : *data) {
    const json* const id = Member(entry, "id");
    if (id == nullptr || !id->is_string()) continue;
    const auto& name = id->get_ref<const std::string&>();
    if (name.empty() || name.size() > kMaxNameBytes) continue;
    names.push_back(name);
    if (wanted.empty() ? chosen == nullptr : name == wanted) chosen = &entry;
  }
  if (chosen == nullptr || (wanted.empty() && names.size() > 1)) {
    const std::size_t shown = std::min(names.size(), kNamesShown);
    return WrongState(
        "REMOTE_MODEL_NOT_FOUND",
        absl::StrCat(wanted.empty() && !names.empty() ? "the model server has several models"
                                                      : "the model server does not have the model",
                     "; it has: ", absl::StrJoin(names.begin(), names.begin() + shown, ", "),
                     shown < names.size() ? ", ..." : ""),
        "Name one of them with --generator_remote_model.");
  }
  return ServerFacts{KindOf(*chosen), (*chosen)["id"].get<std::string>(), ContextOf(*chosen)};
}

}  // namespace ragmesh::remote_generation
