// multipart/form-data, read as it arrives (RFC 7578).
#ifndef RAGMESH_LIBS_BRIDGE_MULTIPART_H_
#define RAGMESH_LIBS_BRIDGE_MULTIPART_H_

#include <cstddef>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ragmesh::bridge {

struct PartHeader {
  std::string name;      // of the form field
  std::string filename;  // empty for plain fields
  bool is_file = false;  // a filename was given, perhaps an empty one
};

// What happened, in order: kBegin, any number of kData, kEnd, for each part.
struct PartEvent {
  enum class Kind { kBegin, kData, kEnd };
  Kind kind = Kind::kBegin;
  PartHeader header;       // kBegin
  absl::string_view data;  // kData; valid during the callback
};

// Not thread-safe. Holds at most one part's headers (8 KiB) and one boundary's length of data.
class MultipartParser {
 public:
  // `boundary` comes from BoundaryOf.
  explicit MultipartParser(absl::string_view boundary);

  // Takes the next bytes. INVALID_ARGUMENT / MALFORMED_MULTIPART; a non-OK status from `on_event`
  // ends the parse with it.
  absl::Status Feed(absl::string_view bytes,
                    absl::FunctionRef<absl::Status(const PartEvent&)> on_event);

  // INVALID_ARGUMENT when the last boundary has not come.
  absl::Status Finish() const;

 private:
  enum class State { kPreamble, kAfterBoundary, kHeaders, kBody, kDone };

  // One step; false when more bytes are needed.
  absl::StatusOr<bool> Step(absl::FunctionRef<absl::Status(const PartEvent&)> on_event);

  const std::string delimiter_;  // CRLF, two dashes, boundary
  State state_ = State::kPreamble;
  std::string held_ = "\r\n";  // so that a boundary at the very start is found like all others
  int parts_ = 0;
};

// The boundary of a Content-Type value; INVALID_ARGUMENT when it is no multipart/form-data with a
// legal one.
absl::StatusOr<std::string> BoundaryOf(absl::string_view content_type);

// Name and filename of a Content-Disposition value. RFC 5987's filename* wins over filename.
PartHeader ParseDisposition(absl::string_view value);

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_MULTIPART_H_
