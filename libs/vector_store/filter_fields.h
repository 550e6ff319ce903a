// Which chunks a search or a count is about: those that the principal sees and a filter matches.
#ifndef RAGMESH_LIBS_VECTOR_STORE_FILTER_FIELDS_H_
#define RAGMESH_LIBS_VECTOR_STORE_FILTER_FIELDS_H_

#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/image_view.h"

namespace ragmesh::vector_store {

// INVALID_ARGUMENT / UNKNOWN_FILTER_FIELD when the principal of `view` sees documents and none of
// them has a field that `filter` names; the error lists names near to it, of documents that are
// seen. Nobody learns of fields of other documents. `visible` is VisibleChunks of the view. Looks
// at all documents when it fails, else at a few facts of each part.
absl::Status CheckFilterFields(const ImageView& view, const ChunkSets& visible,
                               const stages::Filter& filter, const CallContext& call);

// Chunks of `view` that the principal sees and whose document matches `filter`; the error is
// CheckFilterFields'.
absl::StatusOr<ChunkSets> AllowedChunks(const ImageView& view,
                                        const std::optional<stages::Filter>& filter,
                                        const CallContext& call);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_FILTER_FIELDS_H_
