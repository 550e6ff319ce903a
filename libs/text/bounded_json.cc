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

// Builds values from the innermost out, and never looks for a key among those that are there.
class OrderedBuilder final : public nlohmann::json_sax<nlohmann::ordered_json> {
 public:
  using Json = nlohmann::ordered_json;

  explicit OrderedBuilder(int max_depth) : max_depth_(max_depth) {}

  bool null() override { return Add(nullptr); }
  bool boolean(bool value) override { return Add(value); }
  bool number_integer(number_integer_t value) override { return Add(value); }
  bool number_unsigned(number_unsigned_t value) override { return Add(value); }
  bool number_float(number_float_t value, const string_t&) override { return Add(value); }
  bool string(string_t& value) override { return Add(std::move(value)); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(Json::object()); }
  bool start_array(std::size_t) override { return Open(Json::array()); }
  bool end_object() override { return Shut(); }
  bool end_array() override { return Shut(); }
  bool key(string_t& name) override {
    Level& level = open_.back();
    if (!level.keys.insert(name).second) {
      problem_ = absl::StrCat("has the key \"", name.substr(0, 100), "\" twice in one object");
      return false;
    }
    level.key = std::move(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    problem_ = "is not valid JSON in UTF-8";
    return false;
  }

  const std::string& problem() const { return problem_; }
  Json Take() { return std::move(whole_); }

 private:
  struct Level {
    Json value;
    std::string key;  // of the member that comes next
    absl::flat_hash_set<std::string> keys;
  };

  bool Open(Json empty) {
    if (open_.size() >= static_cast<std::size_t>(max_depth_)) {
      problem_ = absl::StrCat("is nested deeper than ", max_depth_, " levels");
      return false;
    }
    open_.push_back({std::move(empty), "", {}});
    return true;
  }
  bool Shut() {
    Json value = std::move(open_.back().value);
    open_.pop_back();
    return Add(std::move(value));
  }
  bool Add(Json value) {
    if (open_.empty()) {
      whole_ = std::move(value);
    } else if (Level& level = open_.back(); level.value.is_object()) {
      level.value.get_ref<Json::object_t&>().emplace_back(std::move(level.key), std::move(value));
    } else {
      level.value.push_back(std::move(value));
    }
    return true;
  }

  const int max_depth_;
  std::vector<Level> open_;
  Json whole_;
  std::string problem_;
};

}  // namespace

absl::StatusOr<nlohmann::ordered_json> ParseOrderedJson(absl::string_view bytes,
                                                        absl::string_view what,
                                                        const JsonLimits& limits) {
  if (bytes.size() > limits.max_bytes) {
    return LimitExceeded(what, static_cast<long long>(bytes.size()),
                         static_cast<long long>(limits.max_bytes), "bytes");
  }
  OrderedBuilder builder(limits.max_depth);
  nlohmann::ordered_json::sax_parse(bytes.begin(), bytes.end(), &builder);
  if (!builder.problem().empty()) return InvalidField(what, builder.problem());
  return builder.Take();
}

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
