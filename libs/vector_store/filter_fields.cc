#include "libs/vector_store/filter_fields.h"

#include <set>
#include <string>

#include "libs/base/status_macros.h"
#include "libs/vector_store/unknown_field.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint32_t kDocumentsPerCheck = 1024;

}  // namespace

absl::Status CheckFilterFields(const ImageView& view, const stages::Filter& filter,
                               const CallContext& call) {
  std::set<absl::string_view> unknown = FieldsOf(filter);
  std::set<std::string> names;
  bool sees_documents = false;
  for (std::uint32_t index = 0; index < view.documents.size() && !unknown.empty(); ++index) {
    if (index % kDocumentsPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
    const ImageDocument& document = view.documents[index];
    if (!view.live_documents.Contains(index) || !view.principal.Sees(document)) continue;
    sees_documents = true;
    for (const auto& [name, value] : document.metadata) {
      unknown.erase(name);
      if (names.size() < kMaxFieldNamesKept) names.insert(name);
    }
  }
  if (unknown.empty() || !sees_documents) return absl::OkStatus();
  return UnknownField(*unknown.begin(), names);
}

}  // namespace ragmesh::vector_store
