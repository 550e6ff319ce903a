#include "libs/text/bounded_json.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::text {
namespace {

// Watches the parser: the keys of every open object, the depth, and the first thing wrong. What is
// wrong is dropped rather than built, so a hostile input costs one pass over its bytes.
class Watch {
 public:
  explicit Watch(int max_depth) : max_depth_(max_depth) {}

  bool operator()(int depth, nlohmann::json::parse_event_t event, const nlohmann::json& value) {
    using Event = nlohmann::json::parse_event_t;
    if (!problem_.empty()) return false;
    if (event == Event::object_start || event == Event::array_start) {
      if (depth >= max_depth_)
        problem_ = absl::StrCat("is nested deeper than ", max_depth_, " levels");
      if (event == Event::object_start) keys_.emplace_back();
    } else if (event == Event::object_end) {
      keys_.pop_back();
    } else if (event == Event::key) {
      const auto& key = value.get_ref<const std::string&>();
      if (!keys_.back().insert(key).second) {
        problem_ = absl::StrCat("has the key \"", key.substr(0, 100), "\" twice in one object");
      }
    }
    return problem_.empty();
  }

  const std::string& problem() const { return problem_; }

 private:
  const int max_depth_;
  std::vector<absl::flat_hash_set<std::string>> keys_;
  std::string problem_;
};

}  // namespace

absl::StatusOr<nlohmann::json> ParseBoundedJson(absl::string_view bytes, absl::string_view what,
                                                const JsonLimits& limits) {
  if (bytes.size() > limits.max_bytes) {
    return LimitExceeded(what, static_cast<long long>(bytes.size()),
                         static_cast<long long>(limits.max_bytes), "bytes");
  }
  Watch watch(limits.max_depth);
  const auto callback = [&watch](int depth, nlohmann::json::parse_event_t event,
                                 nlohmann::json& value) { return watch(depth, event, value); };
  nlohmann::json json =
      nlohmann::json::parse(bytes.begin(), bytes.end(), callback, /*allow_exceptions=*/false);
  if (!watch.problem().empty()) return InvalidField(what, watch.problem());
  if (json.is_discarded()) return InvalidField(what, "is not valid JSON in UTF-8");
  return json;
}

}  // namespace ragmesh::text
