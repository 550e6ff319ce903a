// Aliases <-> their messages.
#include "libs/base/status_macros.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/vector_store_wire.h"

namespace ragmesh::wire {

void ToProto(const stages::Alias& alias, store::Alias* out) {
  out->set_name(alias.name);
  out->set_collection(alias.collection);
  out->set_previous_collection(alias.previous);
  out->set_switched_sequence(alias.switched_sequence);
  ToProto(alias.changed, out->mutable_changed());
}

absl::StatusOr<stages::Alias> FromProto(const store::Alias& in, const Field& field) {
  stages::Alias alias;
  RAGMESH_RETURN_IF_ERROR(CheckName(in.name(), /*underscore=*/true, Field(field, "name")));
  alias.name = in.name();
  alias.collection = in.collection();
  alias.previous = in.previous_collection();
  alias.switched_sequence = in.switched_sequence();
  alias.changed = FromProto(in.changed());
  return alias;
}

void ToProto(const stages::AliasChange& change, store::SetAliasRequest* out) {
  ToProto(stages::CollectionId{change.tenant, change.name}, out->mutable_alias());
  out->set_collection(change.collection);
  out->set_expected_collection(change.expected_collection);
  if (change.expected_sequence.has_value()) out->set_expected_sequence(*change.expected_sequence);
  out->set_rename_to(change.rename_to);
}

absl::StatusOr<stages::AliasChange> FromProto(const store::SetAliasRequest& in,
                                              const Field& field) {
  stages::AliasChange change;
  RAGMESH_ASSIGN_OR_RETURN(stages::CollectionId id,
                           FromProto(in.has_alias(), in.alias(), Field(field, "alias")));
  change.tenant = std::move(id.tenant);
  change.name = std::move(id.name);
  RAGMESH_RETURN_IF_ERROR(
      CheckName(in.collection(), /*underscore=*/true, Field(field, "collection")));
  change.collection = in.collection();
  if (!in.expected_collection().empty()) {
    RAGMESH_RETURN_IF_ERROR(CheckName(in.expected_collection(), /*underscore=*/true,
                                      Field(field, "expected_collection")));
  }
  change.expected_collection = in.expected_collection();
  if (in.has_expected_sequence()) change.expected_sequence = in.expected_sequence();
  if (!in.rename_to().empty()) {
    RAGMESH_RETURN_IF_ERROR(
        CheckName(in.rename_to(), /*underscore=*/true, Field(field, "rename_to")));
  }
  change.rename_to = in.rename_to();
  return change;
}

}  // namespace ragmesh::wire
