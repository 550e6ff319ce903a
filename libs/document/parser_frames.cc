#include "libs/document/parser_frames.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/text/utf8.h"

namespace ragmesh::document {
namespace {

using stages::Block;
using stages::DocumentInfo;

absl::Status BadFrame(absl::string_view problem) {
  return Corrupt("a message of the parser process", problem);
}

class PayloadWriter {
 public:
  void Number(std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) out_.push_back(static_cast<char>(value >> shift));
  }
  void String(absl::string_view value) {
    Number(value.size());
    absl::StrAppend(&out_, value);
  }
  void Strings(const std::vector<std::string>& values) {
    Number(values.size());
    for (const std::string& value : values) String(value);
  }
  void Map(const std::map<std::string, std::string>& values) {
    Number(values.size());
    for (const auto& [key, value] : values) {
      String(key);
      String(value);
    }
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

// After the first thing that does not fit, everything reads as empty and Finish says so.
class PayloadReader {
 public:
  explicit PayloadReader(absl::string_view in) : in_(in) {}

  std::uint64_t Number() {
    if (in_.size() < 8) return Fail();
    std::uint64_t value = 0;
    for (int i = 7; i >= 0; --i)
      value = value << 8 | static_cast<unsigned char>(in_[static_cast<std::size_t>(i)]);
    in_.remove_prefix(8);
    return value;
  }
  std::uint32_t Small() {
    const std::uint64_t value = Number();
    if (value > UINT32_MAX) return static_cast<std::uint32_t>(Fail());
    return static_cast<std::uint32_t>(value);
  }
  std::string String() {
    const std::uint64_t size = Number();
    if (size > in_.size()) {
      Fail();
      return "";
    }
    std::string value(in_.substr(0, size));
    in_.remove_prefix(size);
    if (!text::IsValidUtf8(value)) {
      Fail();
      return "";
    }
    return value;
  }
  std::vector<std::string> Strings() {
    std::vector<std::string> values;
    for (std::uint64_t left = Count(8); left > 0; --left) values.push_back(String());
    return values;
  }
  std::map<std::string, std::string> Map() {
    std::map<std::string, std::string> values;
    for (std::uint64_t left = Count(16); left > 0; --left) {
      std::string key = String();
      values[std::move(key)] = String();
    }
    return values;
  }
  // A number of things that take at least `bytes_each`.
  std::uint64_t Count(std::size_t bytes_each) {
    const std::uint64_t count = Number();
    return count > in_.size() / bytes_each ? Fail() : count;
  }
  absl::Status Finish() const {
    if (failed_) return BadFrame("it is cut short or not UTF-8");
    return in_.empty() ? absl::OkStatus() : BadFrame("it is too long");
  }

 private:
  std::uint64_t Fail() {
    failed_ = true;
    in_ = {};
    return 0;
  }

  absl::string_view in_;
  bool failed_ = false;
};

bool IsParserReason(const std::string& reason) {
  for (const char* known :
       {"EMPTY_DOCUMENT", "UNSUPPORTED_MEDIA_TYPE", "PASSWORD_REQUIRED", "WRONG_PASSWORD",
        "MALFORMED_DOCUMENT", "LIMIT_EXCEEDED", "PARSER_CRASHED", "PARSER_NOT_INSTALLED"}) {
    if (reason == known) return true;
  }
  return false;
}

absl::StatusCode CodeOf(const std::string& reason) {
  if (reason == "LIMIT_EXCEEDED") return absl::StatusCode::kResourceExhausted;
  if (reason == "PARSER_CRASHED") return absl::StatusCode::kInvalidArgument;
  if (reason == "PARSER_NOT_INSTALLED") return absl::StatusCode::kUnavailable;
  return absl::StatusCode::kInvalidArgument;
}

}  // namespace

void AppendFrame(FrameType type, absl::string_view payload, std::string* out) {
  out->push_back(static_cast<char>(type));
  for (int shift = 0; shift < 32; shift += 8)
    out->push_back(static_cast<char>(payload.size() >> shift));
  absl::StrAppend(out, payload);
}

absl::StatusOr<bool> TakeFrame(absl::string_view* buffer, FrameType* type,
                               absl::string_view* payload) {
  if (buffer->size() < kFrameHeaderBytes) return false;
  const auto kind = static_cast<unsigned char>((*buffer)[0]);
  if (kind < static_cast<unsigned char>(FrameType::kHello) ||
      kind > static_cast<unsigned char>(FrameType::kError)) {
    return BadFrame("it has an unknown type");
  }
  std::size_t size = 0;
  for (std::size_t i = 4; i >= 1; --i) size = size << 8 | static_cast<unsigned char>((*buffer)[i]);
  if (size > kMaxFrameBytes) return BadFrame("it is too long");
  if (buffer->size() - kFrameHeaderBytes < size) return false;
  *type = static_cast<FrameType>(kind);
  *payload = buffer->substr(kFrameHeaderBytes, size);
  buffer->remove_prefix(kFrameHeaderBytes + size);
  return true;
}

std::string EncodeHello(const Hello& hello) {
  PayloadWriter out;
  out.String(hello.sandbox);
  out.String(hello.pdfium_error);
  return out.Take();
}

absl::StatusOr<Hello> DecodeHello(absl::string_view payload) {
  PayloadReader in(payload);
  Hello hello;
  hello.sandbox = in.String();
  hello.pdfium_error = in.String();
  RAGMESH_RETURN_IF_ERROR(in.Finish());
  return hello;
}

std::string EncodeRequest(const ParserRequest& request) {
  PayloadWriter out;
  out.Number(request.limits.max_text_bytes);
  out.Number(request.limits.max_pages);
  out.Number(request.limits.max_blocks);
  out.Number(request.limits.max_json_depth);
  out.Number(request.limits.max_markup_depth);
  out.Number(request.limits.max_zip_entries);
  out.Number(request.limits.max_zip_bytes);
  out.Number(request.limits.max_zip_ratio);
  out.String(request.name);
  out.String(request.password);
  out.String(request.pdfium_path);
  out.Number(request.max_cpu_seconds);
  out.Number(request.max_address_space_bytes);
  out.Number(request.probe ? 1 : 0);
  return out.Take();
}

absl::StatusOr<ParserRequest> DecodeRequest(absl::string_view payload) {
  PayloadReader in(payload);
  ParserRequest request;
  request.limits.max_text_bytes = in.Number();
  request.limits.max_pages = in.Small();
  request.limits.max_blocks = in.Small();
  request.limits.max_json_depth = in.Small();
  request.limits.max_markup_depth = in.Small();
  request.limits.max_zip_entries = in.Small();
  request.limits.max_zip_bytes = in.Number();
  request.limits.max_zip_ratio = in.Small();
  request.name = in.String();
  request.password = in.String();
  request.pdfium_path = in.String();
  request.max_cpu_seconds = in.Small();
  request.max_address_space_bytes = in.Number();
  request.probe = in.Number() != 0;
  RAGMESH_RETURN_IF_ERROR(in.Finish());
  return request;
}

std::string EncodeBlock(const Block& block) {
  PayloadWriter out;
  out.Number(static_cast<std::uint64_t>(block.kind));
  out.String(block.text);
  out.Number(block.range.begin);
  out.Number(block.range.end);
  out.Number(block.page);
  out.Number(block.level);
  out.Strings(block.heading_path);
  out.Number(block.table);
  out.Strings(block.cells);
  out.Strings(block.header_cells);
  return out.Take();
}

absl::StatusOr<Block> DecodeBlock(absl::string_view payload) {
  PayloadReader in(payload);
  Block block;
  const std::uint64_t kind = in.Number();
  if (kind > static_cast<std::uint64_t>(stages::BlockKind::kCode))
    return BadFrame("it has an unknown block kind");
  block.kind = static_cast<stages::BlockKind>(kind);
  block.text = in.String();
  block.range.begin = in.Number();
  block.range.end = in.Number();
  block.page = in.Small();
  block.level = in.Small();
  block.heading_path = in.Strings();
  block.table = in.Small();
  block.cells = in.Strings();
  block.header_cells = in.Strings();
  RAGMESH_RETURN_IF_ERROR(in.Finish());
  return block;
}

std::string EncodeInfo(const DocumentInfo& info) {
  PayloadWriter out;
  out.String(info.media_type);
  out.String(info.title);
  out.String(info.language);
  out.String(info.parser);
  out.String(info.normalisation);
  out.Map(info.properties);
  const stages::Coverage& coverage = info.coverage;
  out.Number(coverage.bytes_in);
  out.Number(coverage.characters_out);
  out.Number(coverage.pages);
  out.Number(coverage.empty_pages.size());
  for (const std::uint32_t page : coverage.empty_pages) out.Number(page);
  out.Number(coverage.blocks);
  out.Strings(coverage.warnings);
  return out.Take();
}

absl::StatusOr<DocumentInfo> DecodeInfo(absl::string_view payload) {
  PayloadReader in(payload);
  DocumentInfo info;
  info.media_type = in.String();
  info.title = in.String();
  info.language = in.String();
  info.parser = in.String();
  info.normalisation = in.String();
  info.properties = in.Map();
  info.coverage.bytes_in = in.Number();
  info.coverage.characters_out = in.Number();
  info.coverage.pages = in.Small();
  for (std::uint64_t left = in.Count(8); left > 0; --left)
    info.coverage.empty_pages.push_back(in.Small());
  info.coverage.blocks = in.Small();
  info.coverage.warnings = in.Strings();
  RAGMESH_RETURN_IF_ERROR(in.Finish());
  return info;
}

std::string EncodeError(const absl::Status& status) {
  const ErrorDetail detail =
      GetErrorDetail(status).value_or(ErrorDetail{.reason = "PARSER_CRASHED"});
  PayloadWriter out;
  out.String(status.message());
  out.String(detail.reason);
  out.String(detail.field);
  out.String(detail.next_step);
  out.Map(detail.metadata);
  return out.Take();
}

absl::Status DecodeError(absl::string_view payload) {
  PayloadReader in(payload);
  const std::string message = in.String();
  ErrorDetail detail;
  detail.reason = in.String();
  detail.field = in.String();
  detail.next_step = in.String();
  detail.metadata = in.Map();
  RAGMESH_RETURN_IF_ERROR(in.Finish());
  if (!IsParserReason(detail.reason)) detail.reason = "PARSER_CRASHED";
  if (detail.reason == "PARSER_NOT_INSTALLED") detail.retry_after = absl::Seconds(60);
  constexpr std::size_t kMaxMessageBytes = 1000;
  std::size_t end = std::min(message.size(), kMaxMessageBytes);
  while (end > 0 && end < message.size() &&
         (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80)
    --end;
  return MakeError(CodeOf(detail.reason), message.substr(0, end), detail);
}

}  // namespace ragmesh::document
