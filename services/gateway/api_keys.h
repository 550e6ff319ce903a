// Who a caller is, by the key in `authorization: Bearer`.
#ifndef RAGMESH_SERVICES_GATEWAY_API_KEYS_H_
#define RAGMESH_SERVICES_GATEWAY_API_KEYS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/pipeline/stages.h"

namespace ragmesh::services {

// Immutable, thread-safe. The file is a JSON list; keys themselves are never written down:
//   [{"name": "ci", "sha256": "<64 hex digits>", "tenant": "default", "labels": ["public"]}]
class ApiKeys {
 public:
  // Everyone is tenant "default" with the label "public".
  static ApiKeys Open() { return ApiKeys(); }
  // INVALID_ARGUMENT naming the entry at fault. At most 1 MiB.
  static absl::StatusOr<ApiKeys> FromFile(const std::string& path);
  static absl::StatusOr<ApiKeys> FromJson(absl::string_view json);

  // `authorization` is the metadata value, empty when the caller sent none. UNAUTHENTICATED /
  // API_KEY_REQUIRED or API_KEY_UNKNOWN. Takes as long for a wrong key as for a right one.
  absl::StatusOr<pipeline::Caller> CallerOf(absl::string_view authorization) const;

 private:
  struct Key {
    std::string sha256;
    pipeline::Caller caller;
  };

  bool required_ = false;
  std::vector<Key> keys_;
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GATEWAY_API_KEYS_H_
