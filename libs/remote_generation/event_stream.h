// Server-sent events out of pieces of a body, as the HTML standard cuts them.
#ifndef RAGMESH_LIBS_REMOTE_GENERATION_EVENT_STREAM_H_
#define RAGMESH_LIBS_REMOTE_GENERATION_EVENT_STREAM_H_

#include <cstddef>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ragmesh::remote_generation {

// Names, ids and retry times of events are left out; comments, which servers send to keep a
// connection open, are no events. What an unfinished event holds when the body ends is dropped.
class EventStream {
 public:
  explicit EventStream(std::size_t max_event_bytes = std::size_t{1} << 20)
      : max_event_bytes_(max_event_bytes) {}

  // Calls `on_data` with the data of each event that `piece` completes and returns its first error.
  // UNAVAILABLE / REMOTE_BAD_ANSWER when a line or an event is longer than max_event_bytes.
  absl::Status Add(absl::string_view piece,
                   absl::FunctionRef<absl::Status(absl::string_view)> on_data);

 private:
  absl::Status EndLine(absl::FunctionRef<absl::Status(absl::string_view)> on_data);

  const std::size_t max_event_bytes_;
  std::string line_;
  std::string data_;
  bool has_data_ = false;
  bool after_carriage_return_ = false;  // a line feed that follows belongs to it
};

}  // namespace ragmesh::remote_generation

#endif  // RAGMESH_LIBS_REMOTE_GENERATION_EVENT_STREAM_H_
