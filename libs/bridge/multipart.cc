#include "libs/bridge/multipart.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/http/message.h"
#include "libs/text/utf8.h"

namespace ragmesh::bridge {
namespace {

constexpr std::size_t kMaxPartHeaderBytes = 8 * 1024;
constexpr int kMaxParts = 64;
constexpr std::size_t kMaxPreambleBytes = 64 * 1024;

absl::Status Malformed(absl::string_view problem) {
  return MakeError(absl::StatusCode::kInvalidArgument, absl::StrCat("the multipart body ", problem),
                   {.reason = "MALFORMED_MULTIPART",
                    .field = "body",
                    .next_step = "Send multipart/form-data as browsers and curl -F do."});
}

// name=value pairs after the first ';', with quoted values and backslash escapes undone.
std::vector<http::Header> Parameters(absl::string_view value) {
  std::vector<http::Header> parameters;
  std::size_t at = value.find(';');
  while (at != absl::string_view::npos && at < value.size()) {
    ++at;
    const std::size_t equals = value.find('=', at);
    if (equals == absl::string_view::npos) break;
    http::Header parameter{
        absl::AsciiStrToLower(absl::StripAsciiWhitespace(value.substr(at, equals - at))), ""};
    at = equals + 1;
    if (at < value.size() && value[at] == '"') {
      for (++at; at < value.size() && value[at] != '"'; ++at) {
        // Browsers escape only the quote; a lone backslash is part of a Windows path.
        if (value[at] == '\\' && at + 1 < value.size() &&
            (value[at + 1] == '"' || value[at + 1] == '\\'))
          ++at;
        parameter.value.push_back(value[at]);
      }
      at = value.find(';', at);
    } else {
      const std::size_t end = std::min(value.find(';', at), value.size());
      parameter.value = std::string(absl::StripAsciiWhitespace(value.substr(at, end - at)));
      at = end;
    }
    parameters.push_back(std::move(parameter));
  }
  return parameters;
}

}  // namespace

MultipartParser::MultipartParser(absl::string_view boundary)
    : delimiter_(absl::StrCat("\r\n--", boundary)) {}

absl::Status MultipartParser::Feed(absl::string_view bytes,
                                   absl::FunctionRef<absl::Status(const PartEvent&)> on_event) {
  if (state_ == State::kDone) return absl::OkStatus();  // an epilogue is ignored
  held_.append(bytes.data(), bytes.size());
  while (true) {
    RAGMESH_ASSIGN_OR_RETURN(const bool again, Step(on_event));
    if (!again) return absl::OkStatus();
  }
}

absl::StatusOr<bool> MultipartParser::Step(
    absl::FunctionRef<absl::Status(const PartEvent&)> on_event) {
  switch (state_) {
    case State::kPreamble:
    case State::kBody: {
      const std::size_t at = held_.find(delimiter_);
      const bool found = at != std::string::npos;
      // What might be the start of a delimiter is kept.
      const std::size_t safe =
          found ? at : held_.size() - std::min(held_.size(), delimiter_.size() - 1);
      if (state_ == State::kBody && safe > 0) {
        RAGMESH_RETURN_IF_ERROR(
            on_event({PartEvent::Kind::kData, {}, absl::string_view(held_.data(), safe)}));
      }
      if (state_ == State::kBody && found)
        RAGMESH_RETURN_IF_ERROR(on_event({PartEvent::Kind::kEnd, {}, {}}));
      if (state_ == State::kPreamble && safe > kMaxPreambleBytes)
        return Malformed("does not begin with its boundary");
      if (found) {
        held_.erase(0, at + delimiter_.size());
        state_ = State::kAfterBoundary;
      } else if (state_ == State::kBody) {
        held_.erase(0, safe);
      }
      return found;
    }
    case State::kAfterBoundary: {
      if (held_.size() < 2) return false;
      if (absl::StartsWith(held_, "--")) {
        state_ = State::kDone;
        held_.clear();
        return false;
      }
      const std::size_t line_end = held_.find("\r\n");
      if (line_end == std::string::npos) {
        if (held_.size() > kMaxPartHeaderBytes) return Malformed("has a boundary line without end");
        return false;
      }
      if (!absl::StripAsciiWhitespace(absl::string_view(held_).substr(0, line_end)).empty()) {
        return Malformed("has text after a boundary");
      }
      if (++parts_ > kMaxParts) return Malformed(absl::StrCat("has over ", kMaxParts, " parts"));
      held_.erase(
          0, line_end);  // the line break stays: an empty header block is then found like any other
      state_ = State::kHeaders;
      return true;
    }
    case State::kHeaders: {
      const std::size_t end = held_.find("\r\n\r\n");
      if (end == std::string::npos || end > kMaxPartHeaderBytes) {
        if (held_.size() > kMaxPartHeaderBytes)
          return Malformed("has a part with headers over 8 KiB");
        return false;
      }
      PartHeader header;
      for (absl::string_view line :
           absl::StrSplit(absl::string_view(held_).substr(0, end), "\r\n")) {
        const std::pair<absl::string_view, absl::string_view> sides =
            absl::StrSplit(line, absl::MaxSplits(':', 1));
        if (absl::EqualsIgnoreCase(absl::StripAsciiWhitespace(sides.first),
                                   "content-disposition")) {
          header = ParseDisposition(sides.second);
        }
      }
      if (header.name.empty()) return Malformed("has a part without a name");
      if (!text::IsValidUtf8(header.name) || !text::IsValidUtf8(header.filename)) {
        return Malformed("has a part whose name is not UTF-8");
      }
      held_.erase(0, end + 4);
      state_ = State::kBody;
      RAGMESH_RETURN_IF_ERROR(on_event({PartEvent::Kind::kBegin, std::move(header), {}}));
      return true;
    }
    case State::kDone:
      return false;
  }
  return false;
}

absl::Status MultipartParser::Finish() const {
  return state_ == State::kDone ? absl::OkStatus() : Malformed("ends before its last boundary");
}

absl::StatusOr<std::string> BoundaryOf(absl::string_view content_type) {
  if (!absl::StartsWithIgnoreCase(content_type, "multipart/form-data")) {
    return Malformed("is not multipart/form-data");
  }
  for (const http::Header& parameter : Parameters(content_type)) {
    if (parameter.name != "boundary") continue;
    const std::string& boundary = parameter.value;
    const bool legal =
        !boundary.empty() && boundary.size() <= 70 && boundary.back() != ' ' &&
        std::all_of(boundary.begin(), boundary.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
    if (legal) return boundary;
    return Malformed("has an illegal boundary");
  }
  return Malformed("has no boundary");
}

PartHeader ParseDisposition(absl::string_view value) {
  PartHeader header;
  bool extended = false;
  for (const http::Header& parameter : Parameters(value)) {
    if (parameter.name == "name") header.name = parameter.value;
    if (parameter.name == "filename" && !extended) {
      header.filename = parameter.value;
      header.is_file = true;
    }
    if (parameter.name == "filename*") {  // charset'language'percent-encoded
      const std::size_t quote = parameter.value.rfind('\'');
      const auto decoded = http::PercentDecode(
          absl::string_view(parameter.value).substr(quote == std::string::npos ? 0 : quote + 1));
      if (decoded.has_value() && absl::StartsWithIgnoreCase(parameter.value, "utf-8'")) {
        header.filename = *decoded;
        header.is_file = extended = true;
      }
    }
  }
  return header;
}

}  // namespace ragmesh::bridge
