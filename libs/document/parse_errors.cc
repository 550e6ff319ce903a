#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/document/document_parser.h"

namespace ragmesh::document {

absl::Status Malformed(absl::string_view problem) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, absl::StrCat("the document cannot be read: ", problem),
      {.reason = "MALFORMED_DOCUMENT",
       .field = "document",
       .next_step = "Open and save it again with the program that made it, then send it again."});
}

absl::Status TooDeep(absl::string_view what, std::uint32_t limit) {
  return MakeError(absl::StatusCode::kResourceExhausted,
                   absl::StrCat(what, " is nested over ", limit, " deep"),
                   {.reason = "LIMIT_EXCEEDED",
                    .field = "document.nesting",
                    .next_step = "Flatten the document.",
                    .metadata = {{"limit", absl::StrCat(limit)}}});
}

}  // namespace ragmesh::document
