// ragmesh.common.v1 <-> libs/stages. Every From... checks each field and answers INVALID_ARGUMENT
// with its path.
#ifndef RAGMESH_LIBS_WIRE_COMMON_WIRE_H_
#define RAGMESH_LIBS_WIRE_COMMON_WIRE_H_

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/timestamp.pb.h>
#include <ragmesh/common/v1/document.pb.h>
#include <ragmesh/common/v1/info.pb.h>
#include <ragmesh/common/v1/retrieval.pb.h>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/stages/document.h"
#include "libs/stages/passage_tokens.h"
#include "libs/stages/reranker.h"
#include "libs/stages/stage_info.h"
#include "libs/stages/vector_store.h"
#include "libs/wire/field.h"

namespace ragmesh::wire {

namespace common = ::ragmesh::common::v1;

common::BlockKind ToProto(stages::BlockKind kind);
absl::StatusOr<stages::BlockKind> FromProto(common::BlockKind kind, const Field& field);

void ToProto(const stages::Block& block, common::Block* out);
absl::StatusOr<stages::Block> FromProto(const common::Block& block, const Field& field);

void ToProto(const stages::DocumentInfo& info, common::DocumentInfo* out);
stages::DocumentInfo FromProto(const common::DocumentInfo& info);

void ToProto(const stages::Chunk& chunk, common::Chunk* out);
absl::StatusOr<stages::Chunk> FromProto(const common::Chunk& chunk, const Field& field);

void ToProto(const stages::StageInfo& info, common::StageInfo* out);
stages::StageInfo FromProto(const common::StageInfo& info);

common::SearchMode ToProto(stages::SearchMode mode);
absl::StatusOr<stages::SearchMode> FromProto(common::SearchMode mode,
                                             const Field& field);  // unspecified: hybrid

void ToProto(const stages::Fusion& fusion, common::Fusion* out);
absl::StatusOr<stages::Fusion> FromProto(const common::Fusion& fusion, const Field& field);

void ToProto(const stages::RerankWeights& weights, common::RerankWeights* out);
absl::StatusOr<stages::RerankWeights> FromProto(const common::RerankWeights& weights,
                                                const Field& field);

void ToProto(const stages::PassageTokens& tokens, common::PassageTokens* out);
stages::PassageTokens FromProto(const common::PassageTokens& tokens);
absl::Status CheckTokens(const common::PassageTokens& tokens, const Field& field);

// Metadata values in JSON's terms: see Filter in ragmesh/common/v1/filter.proto for times and
// integers. At most 64 KiB.
void ToProto(const stages::MetadataValue& value, google::protobuf::Value* out);
absl::StatusOr<stages::MetadataValue> FromProto(const google::protobuf::Value& value,
                                                const Field& field);
void ToProto(const stages::Metadata& metadata, google::protobuf::Struct* out);
absl::StatusOr<stages::Metadata> FromProto(const google::protobuf::Struct& metadata,
                                           const Field& field);

void ToProto(absl::Time time, google::protobuf::Timestamp* out);
// A time that no Timestamp may hold becomes the nearest one that it may.
absl::Time FromProto(const google::protobuf::Timestamp& time);

}  // namespace ragmesh::wire

#endif  // RAGMESH_LIBS_WIRE_COMMON_WIRE_H_
