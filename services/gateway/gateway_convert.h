// ragmesh.gateway.v1 <-> the pipeline's types, with every check of a field that the pipeline does
// not make itself.
#ifndef RAGMESH_SERVICES_GATEWAY_GATEWAY_CONVERT_H_
#define RAGMESH_SERVICES_GATEWAY_GATEWAY_CONVERT_H_

#include <ragmesh/gateway/v1/gateway.pb.h>

#include "absl/status/statusor.h"
#include "libs/pipeline/gateway.h"

namespace ragmesh::services {

namespace gateway_v1 = ::ragmesh::gateway::v1;

void ToProto(const stages::Collection& collection, gateway_v1::Collection* out);
absl::StatusOr<pipeline::NewCollection> FromProto(
    const gateway_v1::CreateCollectionRequest& request);
absl::StatusOr<pipeline::CollectionChange> FromProto(
    const gateway_v1::UpdateCollectionRequest& request);

void ToProto(const stages::StoredDocument& document, gateway_v1::Document* out);

absl::StatusOr<pipeline::NewJob> FromProto(const gateway_v1::CreateIngestJobRequest& request);
absl::StatusOr<pipeline::InlineSource> FromProto(const gateway_v1::UploadHeader& header);
absl::StatusOr<journal::IngestOptions> FromProto(const gateway_v1::IngestOptions& options);
absl::StatusOr<std::optional<journal::State>> FromProto(gateway_v1::JobState state);
void ToProto(const journal::JobRecord& job, gateway_v1::Job* out);
void ToProto(const journal::DocumentRecord& document, gateway_v1::JobDocument* out);

absl::StatusOr<pipeline::SearchRequest> FromProto(const gateway_v1::SearchRequest& request);
void ToProto(const pipeline::SearchResponse& found, gateway_v1::SearchResponse* out);

absl::StatusOr<pipeline::AskRequest> FromProto(const gateway_v1::AskRequest& request);
void ToProto(const pipeline::AskEvent& event, gateway_v1::AskResponse* out);

absl::StatusOr<stages::GenerateRequest> FromProto(const gateway_v1::ChatRequest& request);
void ToProto(const stages::TokenEvent& event, gateway_v1::TextDelta* out);
void ToProto(const stages::Usage& usage, gateway_v1::Usage* out);
gateway_v1::FinishReason ToProto(stages::FinishReason reason);

void ToProto(const pipeline::StageStatus& status, gateway_v1::StageStatus* out);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GATEWAY_GATEWAY_CONVERT_H_
