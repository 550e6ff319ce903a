// The fields that a filter names, and the error when one of them does not exist.
#ifndef RAGMESH_LIBS_VECTOR_STORE_UNKNOWN_FIELD_H_
#define RAGMESH_LIBS_VECTOR_STORE_UNKNOWN_FIELD_H_

#include <cstddef>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::vector_store {

// Every field of `filter` but the reserved ones, which always exist. Views into `filter`.
std::set<absl::string_view> FieldsOf(const stages::Filter& filter);

// Most names of fields that are looked at to find near ones, for a collection whose every document
// has its own.
inline constexpr std::size_t kMaxFieldNamesKept = 1000;

// INVALID_ARGUMENT / UNKNOWN_FILTER_FIELD, with those of `names` that may have been meant.
absl::Status UnknownField(absl::string_view field, const std::set<std::string>& names);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_UNKNOWN_FIELD_H_
