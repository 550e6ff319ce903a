#include "services/gateway/api_keys.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"

namespace ragmesh::services {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;
// As the stages bound them: a document without labels of its own gets those of who sent it.
constexpr std::size_t kMaxLabels = 64;
constexpr std::size_t kMaxLabelBytes = 128;

bool EqualInConstantTime(absl::string_view a, absl::string_view b) {
  unsigned char difference = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  }
  return difference == 0;
}

absl::Status Bad(std::size_t index, absl::string_view problem) {
  return InvalidField("api_keys", absl::StrCat("entry ", index, " ", problem),
                      "see services/gateway/README.md for the format");
}

bool IsDigest(absl::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

bool IsTenant(absl::string_view text) {
  return !text.empty() && text.size() <= 63 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isdigit(c) || absl::ascii_islower(c) || c == '-';
         });
}

}  // namespace

absl::StatusOr<ApiKeys> ApiKeys::FromFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return InvalidField("api_keys", absl::StrCat("names ", path, ", which cannot be read"));
  std::string text(kMaxFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  if (text.size() > kMaxFileBytes)
    return InvalidField("api_keys", "names a file of more than 1 MiB");
  return FromJson(text);
}

absl::StatusOr<ApiKeys> ApiKeys::FromJson(absl::string_view json) {
  const auto list =
      nlohmann::json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!list.is_array() || list.empty())
    return InvalidField("api_keys", "must be a JSON list with at least one key");
  ApiKeys keys;
  keys.required_ = true;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto text = [&](const char* name) {
      const auto it = list[i].is_object() ? list[i].find(name) : list[i].end();
      return it != list[i].end() && it->is_string() ? it->get<std::string>() : std::string();
    };
    Key key;
    key.sha256 = text("sha256");
    key.caller.name = text("name");
    key.caller.tenant = text("tenant");
    if (!IsDigest(key.sha256)) return Bad(i, "needs \"sha256\": 64 lower-case hexadecimal digits");
    if (!IsTenant(key.caller.tenant))
      return Bad(i, "needs \"tenant\": 1 to 63 of a-z, 0-9 and '-'");
    const auto labels = list[i].find("labels");
    key.caller.labels.clear();
    if (labels == list[i].end() || !labels->is_array())
      return Bad(i, "needs \"labels\": a list of strings");
    if (labels->size() > kMaxLabels) return Bad(i, "has more than 64 labels");
    for (const auto& label : *labels) {
      if (!label.is_string() || label.get<std::string>().empty() || label == stages::kAllLabels) {
        return Bad(i, "has a label that is empty, no string, or \"*\"");
      }
      if (label.get<std::string>().size() > kMaxLabelBytes)
        return Bad(i, "has a label of more than 128 bytes");
      key.caller.labels.push_back(label.get<std::string>());
    }
    keys.keys_.push_back(std::move(key));
  }
  return keys;
}

absl::StatusOr<pipeline::Caller> ApiKeys::CallerOf(absl::string_view authorization) const {
  if (!required_) return pipeline::Caller();
  if (authorization.size() < 7 || !absl::EqualsIgnoreCase(authorization.substr(0, 7), "bearer ")) {
    return MakeError(
        absl::StatusCode::kUnauthenticated, "this gateway wants an API key",
        {.reason = "API_KEY_REQUIRED", .next_step = "send the header authorization: Bearer <key>"});
  }
  const std::string digest = Sha256Hex(absl::StripAsciiWhitespace(authorization.substr(7)));
  const Key* found = nullptr;
  for (const Key& key : keys_) {
    if (EqualInConstantTime(key.sha256, digest)) found = &key;
  }
  if (found == nullptr) {
    return MakeError(
        absl::StatusCode::kUnauthenticated, "the API key is not known",
        {.reason = "API_KEY_UNKNOWN", .next_step = "ask who runs this gateway for a key"});
  }
  return found->caller;
}

}  // namespace ragmesh::services
