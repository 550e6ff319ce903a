// JSON and JSON lines, made readable: one line "path: value" per leaf. One block per record: an
// element of the top-level array, a line of JSON lines, or a member of the top-level object (scalar
// members together).
#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/document/document_parser.h"

namespace ragmesh::document {
namespace {

constexpr std::size_t kTargetBlockBytes = 4 << 10;  // a record over this is cut between two leaves
constexpr std::size_t kMaxKeyBytes = 256;           // of a key shown in a path

// Receives the events of a parse that does not recurse, and writes a block at the end of each
// record.
class LeafWriter final : public nlohmann::json_sax<nlohmann::json> {
 public:
  LeafWriter(BlockWriter& writer, bool lines) : writer_(writer), lines_(lines) {}

  bool null() override { return Leaf("null"); }
  bool boolean(bool value) override { return Leaf(value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override { return Leaf(absl::StrCat(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Leaf(absl::StrCat(value)); }
  bool number_float(number_float_t, const string_t& digits) override { return Leaf(digits); }
  bool string(string_t& value) override { return Leaf(value); }
  bool binary(binary_t&) override { return Leaf(""); }
  bool start_object(std::size_t) override { return Open(false); }
  bool end_object() override { return Close(); }
  bool start_array(std::size_t) override { return Open(true); }
  bool end_array() override { return Close(); }
  bool key(string_t& value) override {
    stack_.back().key = value.size() <= kMaxKeyBytes ? value : value.substr(0, kMaxKeyBytes);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    if (status_.ok()) status_ = Malformed(absl::StrCat("the JSON is wrong at byte ", position));
    return false;
  }

  absl::Status Finish() {
    if (status_.ok()) status_ = Flush();
    return status_;
  }
  const absl::Status& status() const { return status_; }

 private:
  struct Level {
    bool array = false;
    std::uint64_t index = 0;  // of the next element
    std::string key;          // of the current member
  };

  bool Open(bool array) {
    if (stack_.size() >= writer_.limits().max_json_depth) {
      status_ = TooDeep("the JSON", writer_.limits().max_json_depth);
      return false;
    }
    if (stack_.size() == 1 && !lines_ && !StartRecord()) return false;
    stack_.push_back({array});
    return true;
  }

  bool Close() {
    stack_.pop_back();
    if (!stack_.empty()) ++stack_.back().index;
    return lines_ || stack_.size() > 1 || StartRecord();
  }

  bool StartRecord() {
    status_ = Flush();
    return status_.ok();
  }

  bool Leaf(absl::string_view value) {
    if (!absl::StripAsciiWhitespace(value).empty()) {
      const std::string path = Path();
      absl::StrAppend(&record_, record_.empty() ? "" : "\n", path, path.empty() ? "" : ": ", value);
    }
    if (!stack_.empty()) ++stack_.back().index;
    if (record_.size() < kTargetBlockBytes) return true;
    return StartRecord();
  }

  // "address.lines[2]"; the position of a record in the top-level array says nothing and is left
  // out.
  std::string Path() const {
    std::string path;
    for (std::size_t i = 0; i < stack_.size(); ++i) {
      const Level& level = stack_[i];
      if (!level.array) {
        absl::StrAppend(&path, path.empty() ? "" : ".", level.key);
      } else if (i > 0) {
        absl::StrAppend(&path, "[", level.index, "]");
      }
    }
    return path;
  }

  absl::Status Flush() {
    const std::string record = std::move(record_);
    record_.clear();
    return writer_.Paragraph(record);
  }

  BlockWriter& writer_;
  const bool lines_;
  std::vector<Level> stack_;
  std::string record_;
  absl::Status status_;
};

absl::Status ParseOne(absl::string_view text, BlockWriter& writer, bool lines) {
  LeafWriter leaves(writer, lines);
  const bool parsed = nlohmann::json::sax_parse(text.begin(), text.end(), &leaves);
  if (!parsed) return leaves.status().ok() ? Malformed("the JSON is wrong") : leaves.status();
  return leaves.Finish();
}

// Counts depth and finds the end of the first value without reading what is in it.
std::size_t FirstValueEnd(absl::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth <= 0) {
      return i + 1;
    }
  }
  return text.size();
}

}  // namespace

absl::Status ParseJson(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts) {
  facts->parser = absl::StrCat("nlohmann-json ", NLOHMANN_JSON_VERSION_MAJOR, ".",
                               NLOHMANN_JSON_VERSION_MINOR, ".", NLOHMANN_JSON_VERSION_PATCH);
  const absl::string_view text = absl::StripAsciiWhitespace(input.bytes);
  if (text.empty()) return absl::OkStatus();
  const bool container = text.front() == '{' || text.front() == '[';
  const std::size_t newline = text.find('\n');
  const bool lines =
      container ? FirstValueEnd(text) < text.size() : newline != absl::string_view::npos;
  if (!lines) return ParseOne(text, writer, false);
  std::size_t begin = 0;
  for (std::size_t line = 1; begin < text.size(); ++line) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const absl::string_view record = absl::StripAsciiWhitespace(text.substr(begin, end - begin));
    begin = end + 1;
    if (record.empty()) continue;
    if (const absl::Status status = ParseOne(record, writer, true); !status.ok()) {
      if (status.code() != absl::StatusCode::kInvalidArgument) return status;
      return Malformed(absl::StrCat("line ", line, " is not JSON"));
    }
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::document
