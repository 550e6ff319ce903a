// What a search asks of the ranking and how it explains itself, ragmesh.common.v1 <-> libs/stages.
// Every From... of a request checks each field and answers INVALID_ARGUMENT with its path; answers
// are taken as they come.
#ifndef RAGMESH_LIBS_WIRE_SEARCH_WIRE_H_
#define RAGMESH_LIBS_WIRE_SEARCH_WIRE_H_

#include <ragmesh/common/v1/retrieval.pb.h>

#include "absl/status/statusor.h"
#include "libs/stages/search_options.h"
#include "libs/stages/vector_store.h"
#include "libs/wire/field.h"

namespace ragmesh::wire {

namespace common = ::ragmesh::common::v1;

void ToProto(const stages::Bm25& bm25, common::Bm25* out);
absl::StatusOr<stages::Bm25> FromProto(const common::Bm25& bm25, const Field& field);

void ToProto(const stages::FieldWeights& weights, common::FieldWeights* out);
absl::StatusOr<stages::FieldWeights> FromProto(const common::FieldWeights& weights,
                                               const Field& field);
absl::StatusOr<stages::QuerySyntax> FromProto(common::QuerySyntax syntax, const Field& field);

void ToProto(const stages::Diversity& diversity, common::Diversity* out);
absl::StatusOr<stages::Diversity> FromProto(const common::Diversity& diversity, const Field& field);

void ToProto(const stages::NeighbourWindow& window, common::NeighbourWindow* out);
absl::StatusOr<stages::NeighbourWindow> FromProto(const common::NeighbourWindow& window,
                                                  const Field& field);

void ToProto(const stages::HitExplanation& explanation, common::HitExplanation* out);
stages::HitExplanation FromProto(const common::HitExplanation& explanation);

void ToProto(const stages::SearchExplanation& explanation, common::SearchExplanation* out);
absl::StatusOr<stages::SearchExplanation> FromProto(const common::SearchExplanation& explanation,
                                                    const Field& field);

}  // namespace ragmesh::wire

#endif  // RAGMESH_LIBS_WIRE_SEARCH_WIRE_H_
