// ragmesh.reranker.v1 <-> libs/stages/reranker.h.
#ifndef RAGMESH_LIBS_WIRE_RERANKER_WIRE_H_
#define RAGMESH_LIBS_WIRE_RERANKER_WIRE_H_

#include <ragmesh/reranker/v1/reranker.pb.h>

#include <vector>

#include "absl/status/statusor.h"
#include "libs/stages/reranker.h"
#include "libs/wire/field.h"

namespace ragmesh::wire {

void ToProto(const stages::RerankRequest& request, reranker::v1::RerankRequest* out);
absl::StatusOr<stages::RerankRequest> FromProto(const reranker::v1::RerankRequest& request,
                                                const Field& field);

void ToProto(const std::vector<stages::Reranked>& results, reranker::v1::RerankResponse* out);
// `candidates`: how many were sent; a result that names another is an INTERNAL error.
absl::StatusOr<std::vector<stages::Reranked>> FromProto(
    const reranker::v1::RerankResponse& response, std::size_t candidates);

}  // namespace ragmesh::wire

#endif  // RAGMESH_LIBS_WIRE_RERANKER_WIRE_H_
