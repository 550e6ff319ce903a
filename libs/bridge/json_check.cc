#include "libs/bridge/json_check.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/http/message.h"
#include "libs/text/utf8.h"
#include "nlohmann/json.hpp"

namespace ragmesh::bridge {
namespace {

absl::Status Refuse(absl::string_view reason, absl::string_view problem,
                    absl::string_view next_step) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, absl::StrCat("body ", problem),
      {.reason = std::string(reason), .field = "body", .next_step = std::string(next_step)});
}

class Checker : public nlohmann::json_sax<nlohmann::json> {
 public:
  absl::Status status;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return Open(); }
  bool start_array(std::size_t) override { return Open(); }
  bool end_object() override { return Shut(); }
  bool end_array() override { return Shut(); }
  bool key(string_t& name) override {
    if (keys_.back().insert(name).second) return true;
    status =
        Refuse("DUPLICATE_KEY", "has an object with the same key twice", "Send each key once.");
    return false;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    status = Refuse("INVALID_JSON", absl::StrCat("is not valid JSON at byte ", position),
                    "Send one JSON value.");
    return false;
  }

 private:
  bool Open() {
    keys_.emplace_back();
    if (keys_.size() <= kMaxJsonDepth) return true;
    status = Refuse("JSON_TOO_DEEP", absl::StrCat("is nested over ", kMaxJsonDepth, " deep"),
                    "Send a flatter body.");
    return false;
  }
  bool Shut() {
    keys_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> keys_;  // of each array or object open; empty for arrays
};

}  // namespace

absl::Status CheckJson(absl::string_view text) {
  if (!text::IsValidUtf8(text))
    return Refuse("INVALID_UTF8", "is not UTF-8", "Send the body in UTF-8.");
  Checker checker;
  nlohmann::json::sax_parse(text.begin(), text.end(), &checker);
  return checker.status;
}

}  // namespace ragmesh::bridge
