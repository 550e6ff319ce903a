// ragmesh.loader.v1 <-> libs/stages/loader.h. Blocks and the summary are in common_wire.h.
#ifndef RAGMESH_LIBS_WIRE_LOADER_WIRE_H_
#define RAGMESH_LIBS_WIRE_LOADER_WIRE_H_

#include <ragmesh/loader/v1/loader.pb.h>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "libs/stages/loader.h"
#include "libs/wire/field.h"

namespace ragmesh::wire {

inline constexpr std::size_t kMaxLoadPieceBytes = 4 << 20;

// The messages of one request, in order: the header, then the document in pieces unless it is a
// path.
absl::Status ToProto(const stages::LoadRequest& request,
                     absl::FunctionRef<absl::Status(const loader::v1::LoadRequest&)> send);

// Puts a request together from its messages. RESOURCE_EXHAUSTED / LIMIT_EXCEEDED past
// `max_document_bytes`.
class LoadRequestReader {
 public:
  explicit LoadRequestReader(std::size_t max_document_bytes)
      : max_document_bytes_(max_document_bytes) {}

  absl::Status Add(const loader::v1::LoadRequest& message);
  absl::StatusOr<stages::LoadRequest> Finish() &&;

 private:
  const std::size_t max_document_bytes_;
  bool has_header_ = false;
  stages::LoadRequest request_{.source = std::string()};
};

}  // namespace ragmesh::wire

#endif  // RAGMESH_LIBS_WIRE_LOADER_WIRE_H_
