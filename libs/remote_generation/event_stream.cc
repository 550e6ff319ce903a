#include "libs/remote_generation/event_stream.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "libs/remote_generation/server_error.h"

namespace ragmesh::remote_generation {

absl::Status EventStream::Add(absl::string_view piece,
                              absl::FunctionRef<absl::Status(absl::string_view)> on_data) {
  while (!piece.empty()) {
    if (after_carriage_return_) {
      after_carriage_return_ = false;
      if (absl::ConsumePrefix(&piece, "\n")) continue;
    }
    const std::size_t end = piece.find_first_of("\r\n");
    const absl::string_view part = piece.substr(0, end);
    if (line_.size() + data_.size() + part.size() > max_event_bytes_)
      return BadAnswer(absl::StrCat("has an event of over ", max_event_bytes_, " bytes"));
    absl::StrAppend(&line_, part);
    if (end == absl::string_view::npos) return absl::OkStatus();
    after_carriage_return_ = piece[end] == '\r';
    piece.remove_prefix(end + 1);
    RAGMESH_RETURN_IF_ERROR(EndLine(on_data));
  }
  return absl::OkStatus();
}

absl::Status EventStream::EndLine(absl::FunctionRef<absl::Status(absl::string_view)> on_data) {
  if (line_.empty()) {
    if (!has_data_) return absl::OkStatus();
    has_data_ = false;
    const std::string data = std::exchange(data_, std::string());
    return on_data(data);
  }
  absl::string_view value = line_;
  if (absl::ConsumePrefix(&value, "data:")) {
    absl::ConsumePrefix(&value, " ");
    absl::StrAppend(&data_, has_data_ ? "\n" : "", value);
    has_data_ = true;
  }
  line_.clear();
  return absl::OkStatus();
}

}  // namespace ragmesh::remote_generation
