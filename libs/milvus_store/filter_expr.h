// Filters and permissions as Milvus's boolean expressions over the fields of a row.
//
// Everything a caller wrote goes into expressions and JSON in hexadecimal: so no quoting can be
// wrong, any bytes are allowed, and texts compare by their bytes. Numbers and times are written so
// that they sort as texts, whole and broken numbers alike, to the last bit.
#ifndef RAGMESH_LIBS_MILVUS_STORE_FILTER_EXPR_H_
#define RAGMESH_LIBS_MILVUS_STORE_FILTER_EXPR_H_

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::milvus_store {

std::string Hex(absl::string_view bytes);
std::string FromHex(absl::string_view hex);

// What the fields labels and meta of a row hold for a document.
std::string LabelsJson(const std::vector<std::string>& labels);
std::string MetaJson(const stages::StoredDocument& document);

// That rows are live and of the tenant.
std::string LiveExpression(const std::string& tenant);
// Of rows of one kind: that they are live, of the tenant, and seen by who holds one of `labels`.
// Every request that reads rows for a caller holds it.
std::string VisibleExpression(std::int64_t kind, const std::string& tenant,
                              const std::vector<std::string>& labels);
// `filter` must be valid.
std::string FilterExpression(const stages::Filter& filter);
// That a row has the field, whatever its kind; that it has it as a list.
std::string HasField(absl::string_view field);
std::string HasListField(absl::string_view field);
// Fields of prefix filters, whose values may not be lists.
std::set<std::string> PrefixFields(const stages::Filter& filter);
// Names of the fields in a meta field.
std::set<std::string> FieldNames(absl::string_view meta_json);

}  // namespace ragmesh::milvus_store

#endif  // RAGMESH_LIBS_MILVUS_STORE_FILTER_EXPR_H_
