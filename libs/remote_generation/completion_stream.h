// The streamed answer of an OpenAI-compatible server as token events and a result.
#ifndef RAGMESH_LIBS_REMOTE_GENERATION_COMPLETION_STREAM_H_
#define RAGMESH_LIBS_REMOTE_GENERATION_COMPLETION_STREAM_H_

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/remote_generation/event_stream.h"
#include "libs/stages/generator.h"

namespace ragmesh::remote_generation {

// Takes the pieces of one body. Of each event the first choice counts: its text is handed on as one
// token event without ids, which the server does not tell; and so are its calls of tools. Text that
// a reasoning model thinks (reasoning_content) is not part of the answer.
class CompletionStream {
 public:
  // `key_file` for errors, see ServerError.
  explicit CompletionStream(std::string key_file = "") : key_file_(std::move(key_file)) {}

  // Calls `on_token` for each text; its first error is returned. UNAVAILABLE / REMOTE_BAD_ANSWER
  // for what is no such stream or is longer than 16 MiB of text; errors that the server states in
  // the stream as ServerError.
  absl::Status Add(absl::string_view piece,
                   absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token);

  // True once the server said that the stream is complete; what follows is not read.
  bool done() const { return done_; }

  // After the last piece: finish reason, stop string where the server tells it, and usage, zero
  // where it does not. UNAVAILABLE / REMOTE_CUT when the body ended before its finish reason.
  absl::StatusOr<stages::GenerateResult> Finish() const;

  // When the first text came; InfinitePast without one.
  absl::Time first_text() const { return first_text_; }

 private:
  using OnToken = absl::FunctionRef<absl::Status(const stages::TokenEvent&)>;

  absl::Status TakeEvent(absl::string_view data, OnToken on_token);
  // Text and calls of a choice.
  absl::Status TakeContent(const nlohmann::json& choice, OnToken on_token);
  absl::Status ReadCalls(const nlohmann::json& list, stages::TokenEvent* event);

  const std::string key_file_;
  EventStream events_;
  stages::GenerateResult result_;
  bool finished_ = false;  // a finish reason came
  bool called_ = false;    // a call came
  bool done_ = false;
  std::size_t text_bytes_ = 0;
  absl::Time first_text_ = absl::InfinitePast();
};

}  // namespace ragmesh::remote_generation

#endif  // RAGMESH_LIBS_REMOTE_GENERATION_COMPLETION_STREAM_H_
