#include "libs/vector_store/filter_fields.h"

#include <set>
#include <string>

#include "libs/base/status_macros.h"
#include "libs/vector_store/unknown_field.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint32_t kDocumentsPerCheck = 1024;

}  // namespace

absl::Status CheckFilterFields(const ImageView& view, const ChunkSets& visible,
                               const stages::Filter& filter, const CallContext& call) {
  std::set<absl::string_view> unknown = FieldsOf(filter);
  for (std::size_t i = 0; i < view.parts().size() && !unknown.empty(); ++i) {
    std::erase_if(unknown, [&](absl::string_view field) {
      return view.parts()[i].part->HasField(field, *visible.parts[i]);
    });
  }
  if (unknown.empty()) return absl::OkStatus();
  // Documents without chunks have fields too, and the error shows which there are.
  std::set<std::string> names;
  bool sees_documents = false;
  std::uint32_t looked = 0;
  for (const std::uint32_t index : view.Documents()) {
    if (looked++ % kDocumentsPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_ASSIGN_OR_RETURN(const auto record, view.Document(index));
    if (!view.principal().Sees(record->document)) continue;
    sees_documents = true;
    for (const auto& [name, value] : record->document.metadata) {
      unknown.erase(name);
      if (names.size() < kMaxFieldNamesKept) names.insert(name);
    }
    if (unknown.empty()) return absl::OkStatus();
  }
  if (!sees_documents) return absl::OkStatus();
  return UnknownField(*unknown.begin(), names);
}

absl::StatusOr<ChunkSets> AllowedChunks(const ImageView& view,
                                        const std::optional<stages::Filter>& filter,
                                        const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(ChunkSets visible, VisibleChunks(view, call));
  if (!filter.has_value()) return visible;
  RAGMESH_RETURN_IF_ERROR(CheckFilterFields(view, visible, *filter, call));
  return MatchingChunks(view, visible, *filter, call);
}

}  // namespace ragmesh::vector_store
