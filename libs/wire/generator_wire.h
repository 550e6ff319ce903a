// ragmesh.generator.v1 <-> libs/stages/generator.h.
#ifndef RAGMESH_LIBS_WIRE_GENERATOR_WIRE_H_
#define RAGMESH_LIBS_WIRE_GENERATOR_WIRE_H_

#include <ragmesh/generator/v1/generator.pb.h>

#include <variant>

#include "absl/status/statusor.h"
#include "libs/stages/generator.h"
#include "libs/wire/field.h"

namespace ragmesh::wire {

using Prompt = stages::Prompt;

void ToProto(const Prompt& prompt, generator::v1::Prompt* out);
absl::StatusOr<Prompt> FromProto(const generator::v1::Prompt& prompt, const Field& field);

void ToProto(const stages::GenerateRequest& request, generator::v1::GenerateRequest* out);
absl::StatusOr<stages::GenerateRequest> FromProto(const generator::v1::GenerateRequest& request,
                                                  const Field& field);

void ToProto(const stages::TokenEvent& event, generator::v1::TokenEvent* out);
stages::TokenEvent FromProto(const generator::v1::TokenEvent& event);

void ToProto(const stages::Usage& usage, generator::v1::Usage* out);
stages::Usage FromProto(const generator::v1::Usage& usage);

// A cancelled generation has no summary on the wire: its call ends with CANCELLED.
void ToProto(const stages::GenerateResult& result, generator::v1::Summary* out);
stages::GenerateResult FromProto(const generator::v1::Summary& summary);

}  // namespace ragmesh::wire

#endif  // RAGMESH_LIBS_WIRE_GENERATOR_WIRE_H_
