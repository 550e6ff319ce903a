// ragmesh.splitter.v1 <-> libs/stages/splitter.h. Blocks and chunks are in common_wire.h.
#ifndef RAGMESH_LIBS_WIRE_SPLITTER_WIRE_H_
#define RAGMESH_LIBS_WIRE_SPLITTER_WIRE_H_

#include <ragmesh/splitter/v1/splitter.pb.h>

#include "absl/status/statusor.h"
#include "libs/stages/splitter.h"
#include "libs/wire/field.h"

namespace ragmesh::wire {

void ToProto(const stages::SplitOptions& options, splitter::v1::SplitOptions* out);
absl::StatusOr<stages::SplitOptions> FromProto(const splitter::v1::SplitOptions& options,
                                               const Field& field);

}  // namespace ragmesh::wire

#endif  // RAGMESH_LIBS_WIRE_SPLITTER_WIRE_H_
