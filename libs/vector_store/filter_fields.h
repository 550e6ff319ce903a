// Whether the fields of a filter exist.
#ifndef RAGMESH_LIBS_VECTOR_STORE_FILTER_FIELDS_H_
#define RAGMESH_LIBS_VECTOR_STORE_FILTER_FIELDS_H_

#include "absl/status/status.h"
#include "libs/base/call_context.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/image.h"

namespace ragmesh::vector_store {

// INVALID_ARGUMENT / UNKNOWN_FILTER_FIELD when the principal of `view` sees documents and none of
// them has a field that `filter` names; the error lists names near to it, of documents that are
// seen. Nobody learns of fields of other documents. Costs a look at the first documents when all is
// well, at all of them when not.
absl::Status CheckFilterFields(const ImageView& view, const stages::Filter& filter,
                               const CallContext& call);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_FILTER_FIELDS_H_
