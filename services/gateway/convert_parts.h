// What the files of gateway_convert.h share.
#ifndef RAGMESH_SERVICES_GATEWAY_CONVERT_PARTS_H_
#define RAGMESH_SERVICES_GATEWAY_CONVERT_PARTS_H_

#include <google/protobuf/duration.pb.h>

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/status_macros.h"
#include "libs/wire/field.h"

namespace ragmesh::services {

// Durations of a stage: short, so nanoseconds fit.
inline void PutDuration(absl::Duration duration, google::protobuf::Duration* out) {
  const std::int64_t ns = absl::ToInt64Nanoseconds(std::max(absl::ZeroDuration(), duration));
  out->set_seconds(ns / 1'000'000'000);
  out->set_nanos(static_cast<std::int32_t>(ns % 1'000'000'000));
}

// A message that a request may hold.
template <typename In, typename Out>
absl::Status Take(bool there, const In& in, const char* name, std::optional<Out>* out) {
  if (!there) return absl::OkStatus();
  const wire::Field root;
  RAGMESH_ASSIGN_OR_RETURN(*out, wire::FromProto(in, wire::Field(root, name)));
  return absl::OkStatus();
}

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GATEWAY_CONVERT_PARTS_H_
