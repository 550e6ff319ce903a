#include "libs/log/logger.h"

#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/error.h"

namespace ragmesh::log {
namespace {

constexpr std::size_t kMaxLineBytes =
    8192;  // within one page or two of a pipe, and of what log collectors keep whole

absl::string_view Name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "info";
}

// Length of the well-formed UTF-8 sequence `text` starts with, 0 when there is none (Unicode 15,
// table 3-7).
std::size_t Utf8Length(absl::string_view text) {
  const auto byte = [&text](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto tail = [&byte](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const unsigned lead = byte(0), second = byte(1);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!tail(1) || !tail(2) || (lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F))
      return 0;
    return 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3) || (lead == 0xF0 && second < 0x90) ||
        (lead == 0xF4 && second > 0x8F))
      return 0;
    return 4;
  }
  return 0;
}

}  // namespace

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t length = Utf8Length(text);
    const char c = text.front();
    if (length == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      absl::StrAppendFormat(&out, "\\u%04x", c);
    } else {
      absl::StrAppend(&out, text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out + "\"";
}

absl::StatusOr<Level> ParseLevel(absl::string_view name) {
  for (Level level : {Level::kDebug, Level::kInfo, Level::kWarning, Level::kError}) {
    if (Name(level) == name) return level;
  }
  return InvalidField("log_level", "is unknown", "Use debug, info, warning or error.");
}

Field::Field(absl::string_view key, absl::string_view value)
    : json_(JsonString(key) + ":" + JsonString(value)) {}
Field::Field(absl::string_view key, bool value) : Field(key, Number{value ? "true" : "false"}) {}
Field::Field(absl::string_view key, double value)
    : Field(key, Number{std::isfinite(value) ? absl::StrFormat("%.6g", value) : "null"}) {}
Field::Field(absl::string_view key, const absl::Status& value)
    : Field(key, absl::StrCat(absl::StatusCodeToString(value.code()), value.ok() ? "" : ": ",
                              value.message())) {}
Field::Field(absl::string_view key, absl::Duration value)
    : Field(key, absl::ToDoubleSeconds(value)) {}
Field::Field(absl::string_view key, const Number& value)
    : json_(JsonString(key) + ":" + value.digits) {}

Logger::Logger(Options options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}

void Logger::Write(Level level, absl::string_view event, absl::string_view trace_id,
                   std::initializer_list<Field> fields) {
  if (level < options_.level) return;
  std::string line = absl::StrCat(
      "{\"ts\":\"", absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", clock_.Now(), absl::UTCTimeZone()),
      "\",\"level\":\"", Name(level), "\",\"event\":", JsonString(event),
      ",\"stage\":", JsonString(options_.stage));
  if (!trace_id.empty()) absl::StrAppend(&line, ",\"trace_id\":", JsonString(trace_id));
  constexpr absl::string_view kTruncated = ",\"truncated\":true";
  for (const Field& field : fields) {
    if (line.size() + field.json().size() + kTruncated.size() + 3 > kMaxLineBytes) {
      absl::StrAppend(&line, kTruncated);
      break;
    }
    absl::StrAppend(&line, ",", field.json());
  }
  absl::StrAppend(&line, "}\n");

  absl::MutexLock lock(&mutex_);
  absl::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t written = ::write(options_.fd, rest.data(), rest.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace ragmesh::log
