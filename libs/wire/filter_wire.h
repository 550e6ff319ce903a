// ragmesh.common.v1.Filter <-> stages::Filter.
#ifndef RAGMESH_LIBS_WIRE_FILTER_WIRE_H_
#define RAGMESH_LIBS_WIRE_FILTER_WIRE_H_

#include <ragmesh/common/v1/filter.pb.h>

#include "absl/status/statusor.h"
#include "libs/stages/vector_store.h"
#include "libs/wire/field.h"

namespace ragmesh::wire {

void ToProto(const stages::Filter& filter, ::ragmesh::common::v1::Filter* out);

// Checks the bounds the proto states: 32 levels, 1,000 nodes, one type in a range.
absl::StatusOr<stages::Filter> FromProto(const ::ragmesh::common::v1::Filter& filter,
                                         const Field& field);

}  // namespace ragmesh::wire

#endif  // RAGMESH_LIBS_WIRE_FILTER_WIRE_H_
