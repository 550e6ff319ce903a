// Which documents a filter means.
#ifndef RAGMESH_LIBS_VECTOR_STORE_FILTER_H_
#define RAGMESH_LIBS_VECTOR_STORE_FILTER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::vector_store {

inline constexpr int kMaxFilterDepth = 64;
inline constexpr int kMaxFilterNodes = 1000;                // values of an "in" count too
inline constexpr std::size_t kMaxFilterBytes = 256u << 10;  // of all names and values

// What filters read of a document. Borrowed views.
struct FilterSubject {
  absl::string_view document_id;
  absl::string_view document_name;
  absl::string_view media_type;
  absl::string_view language;
  const stages::Metadata* metadata = nullptr;

  static FilterSubject Of(const stages::StoredDocument& document) {
    return {document.id, document.name, document.info.media_type, document.info.language,
            &document.metadata};
  }
};

// RESOURCE_EXHAUSTED / LIMIT_EXCEEDED over the bounds above. INVALID_ARGUMENT /
// FILTER_TYPE_MISMATCH when a filter could match nothing whatever the data: a range without bounds,
// over booleans, or with bounds of two kinds; a list as a value; a reserved field compared with
// anything but a string.
absl::Status ValidateFilter(const stages::Filter& filter);

// One of the four names that mean a property of the document itself.
bool IsReservedField(absl::string_view field);

// `filter` must be valid. Numbers compare by value, whole or not; strings compare by
// their bytes; values of different kinds never match. A field that the document lacks matches
// nothing, so that its negation matches.
bool Matches(const stages::Filter& filter, const FilterSubject& subject);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_FILTER_H_
