// Structured log: one JSON object per line on a file descriptor, stderr by default.
//
//   logger.Info("call", trace_id, {{"method", "Embed"}, {"duration_ms", 12.5}});
//   {"ts":"2026-11-23T08:00:00.123456Z","level":"info","event":"call","stage":"embedder","trace_id":"4bf9...",
//    "method":"Embed","duration_ms":12.5}
//
// Fields carry ids, codes, counts and sizes; never the text of a user, a document or a model.
#ifndef RAGMESH_LIBS_LOG_LOGGER_H_
#define RAGMESH_LIBS_LOG_LOGGER_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"

namespace ragmesh::log {

enum class Level { kDebug, kInfo, kWarning, kError };

// "debug", "info", "warning" or "error".
absl::StatusOr<Level> ParseLevel(absl::string_view name);

// One key of a line with its value already in JSON.
class Field {
 public:
  Field(absl::string_view key, absl::string_view value);
  Field(absl::string_view key, const std::string& value) : Field(key, absl::string_view(value)) {}
  Field(absl::string_view key, const char* value) : Field(key, absl::string_view(value)) {}
  Field(absl::string_view key, bool value);
  Field(absl::string_view key, double value);
  // "<code name>: <message>".
  Field(absl::string_view key, const absl::Status& value);
  // Seconds, as a number.
  Field(absl::string_view key, absl::Duration value);
  template <typename Integer, std::enable_if_t<std::is_integral_v<Integer>, int> = 0>
  Field(absl::string_view key, Integer value) : Field(key, Number{std::to_string(value)}) {}

  const std::string& json() const { return json_; }

 private:
  struct Number {
    std::string digits;
  };
  Field(absl::string_view key, const Number& value);

  std::string json_;  // "\"key\":value"
};

// Thread-safe. A line reaches the descriptor in one write, at most 8 KiB of it: longer lines lose
// their last fields and say so with "truncated":true. A line that cannot be written is dropped,
// since a log must not stop the work.
class Logger {
 public:
  struct Options {
    std::string stage;  // in every line
    Level level = Level::kInfo;
    int fd = 2;  // borrowed
  };

  explicit Logger(Options options, const Clock& clock = Clock::Real());

  void Write(Level level, absl::string_view event, absl::string_view trace_id,
             std::initializer_list<Field> fields);

  void Debug(absl::string_view event, std::initializer_list<Field> fields) {
    Write(Level::kDebug, event, "", fields);
  }
  void Info(absl::string_view event, std::initializer_list<Field> fields) {
    Write(Level::kInfo, event, "", fields);
  }
  void Warning(absl::string_view event, std::initializer_list<Field> fields) {
    Write(Level::kWarning, event, "", fields);
  }
  void Error(absl::string_view event, std::initializer_list<Field> fields) {
    Write(Level::kError, event, "", fields);
  }

  const std::string& stage() const { return options_.stage; }

 private:
  const Options options_;
  const Clock& clock_;
  absl::Mutex mutex_;  // keeps lines whole when the descriptor takes part of a write
};

// `text` as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD.
std::string JsonString(absl::string_view text);

}  // namespace ragmesh::log

#endif  // RAGMESH_LIBS_LOG_LOGGER_H_
