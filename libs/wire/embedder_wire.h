// ragmesh.embedder.v1 <-> libs/stages/embedder.h.
#ifndef RAGMESH_LIBS_WIRE_EMBEDDER_WIRE_H_
#define RAGMESH_LIBS_WIRE_EMBEDDER_WIRE_H_

#include <ragmesh/embedder/v1/embedder.pb.h>

#include <vector>

#include "absl/status/statusor.h"
#include "libs/stages/embedder.h"
#include "libs/wire/field.h"

namespace ragmesh::wire {

struct EmbedLimits {
  std::size_t max_texts = 256;
  std::size_t max_bytes = 8 << 20;  // of all texts of a batch
};

void ToProto(const stages::EmbedRequest& request, embedder::v1::EmbedRequest* out);
absl::StatusOr<stages::EmbedRequest> FromProto(const embedder::v1::EmbedRequest& request,
                                               const EmbedLimits& limits, const Field& field);

void ToProto(const std::vector<stages::Embedding>& embeddings, embedder::v1::EmbedResponse* out);
std::vector<stages::Embedding> FromProto(const embedder::v1::EmbedResponse& response);

}  // namespace ragmesh::wire

#endif  // RAGMESH_LIBS_WIRE_EMBEDDER_WIRE_H_
