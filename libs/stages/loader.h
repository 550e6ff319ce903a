// Stage 1: bytes -> document blocks.
#ifndef RAGMESH_LIBS_STAGES_LOADER_H_
#define RAGMESH_LIBS_STAGES_LOADER_H_

#include <string>
#include <variant>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/stages/document.h"
#include "libs/stages/stage_info.h"

namespace ragmesh::stages {

struct LoadRequest {
  // Whole document, or a path on the loader's machine that must lie under one of its allowed roots.
  struct Path {
    std::string path;
  };
  std::variant<std::string, Path> source;
  std::string name;  // file name; decides only between text formats that bytes cannot tell apart
                     // (.md, .txt, .csv)
  std::string password;  // for encrypted PDF; empty when there is none
};

class Loader {
 public:
  virtual ~Loader() = default;

  // Calls `on_block` for each block in document order and returns what is known of the whole
  // document. A non-OK status from `on_block` ends the load with that status. Errors
  // (ErrorDetail::reason): EMPTY_DOCUMENT, UNSUPPORTED_MEDIA_TYPE, PASSWORD_REQUIRED,
  // WRONG_PASSWORD, MALFORMED_DOCUMENT, LIMIT_EXCEEDED (bytes, pages, expansion ratio, nesting),
  // PARSER_CRASHED, PARSER_TIMEOUT, PATH_NOT_ALLOWED, FILE_NOT_FOUND.
  virtual absl::StatusOr<DocumentInfo> Load(const LoadRequest& request,
                                            absl::FunctionRef<absl::Status(Block)> on_block,
                                            const CallContext& call) = 0;

  virtual absl::StatusOr<StageInfo> Info(const CallContext& call) = 0;
};

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_LOADER_H_
