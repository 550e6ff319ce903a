// Filters and permissions as conditions of SQL.
#ifndef RAGMESH_LIBS_POSTGRES_STORE_FILTER_SQL_H_
#define RAGMESH_LIBS_POSTGRES_STORE_FILTER_SQL_H_

#include <optional>
#include <string>
#include <vector>

#include "libs/postgres_store/statement.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::postgres_store {

// Kinds of rows of the table fields.
enum FieldKind : int {
  kStringField = 0,
  kNumberField = 1,
  kBoolField = 2,
  kTimeField = 3,
  kListElement = 4,
  kListField = 5,  // that the document has the list, which may be empty
};

// A number, or a time in quarters of a nanosecond since 1970, as PostgreSQL's numeric takes it: so
// that whole and broken numbers compare by value and times to their last tick.
std::string NumericText(const stages::MetadataValue& value);

// One collection of one tenant.
struct Scope {
  std::int32_t collection = 0;
  std::string tenant;
};

// Of a row of documents named d: that it belongs to the collection and the tenant, and that one of
// `labels` may see it. Every statement that reads documents or chunks for a caller holds it.
std::string VisibleSql(const Scope& scope, const std::vector<std::string>& labels,
                       Statement* statement);
// The same for the store's own work, which sees every label.
std::string ScopeSql(const Scope& scope, Statement* statement);

// Of a row of documents named d: that the document matches. `filter` must be valid.
std::string FilterSql(const stages::Filter& filter, Statement* statement);

}  // namespace ragmesh::postgres_store

#endif  // RAGMESH_LIBS_POSTGRES_STORE_FILTER_SQL_H_
