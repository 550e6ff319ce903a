// Second names of collections, as they are kept on disk and looked up.
#ifndef RAGMESH_LIBS_VECTOR_STORE_ALIASES_H_
#define RAGMESH_LIBS_VECTOR_STORE_ALIASES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ragmesh::vector_store {

class Database;

// What an alias stands for, by the numbers of collections, which no renaming changes.
struct AliasRecord {
  std::uint32_t collection = 0;
  std::uint32_t previous = 0;           // what it stood for before; 0: nothing that is kept
  std::uint64_t switched_sequence = 0;  // of `collection`, when the alias came to stand for it
  absl::Time changed;
  bool operator==(const AliasRecord&) const = default;
};

std::string Encode(const AliasRecord& record);
// Errors as the decoders of records.h.
absl::StatusOr<AliasRecord> DecodeAlias(absl::string_view value);

// kAliasPrefix, tenant, '/', name. Neither part has a '/'.
std::string AliasKey(absl::string_view tenant, absl::string_view name);
using AliasName = std::pair<std::string, std::string>;  // tenant, name
absl::StatusOr<AliasName> ParseAliasKey(absl::string_view key);

// All aliases of a store, in memory. Not thread-safe.
class Aliases {
 public:
  // Reads what the database has. Errors as DecodeAlias.
  static absl::StatusOr<Aliases> Load(const Database& database);

  const AliasRecord* Find(const AliasName& name) const;  // null: no such alias
  void Put(const AliasName& name, const AliasRecord& record) { by_name_[name] = record; }
  void Remove(const AliasName& name) { by_name_.erase(name); }

  std::vector<std::pair<AliasName, AliasRecord>> OfTenant(absl::string_view tenant) const;
  // The alias that stands for a collection, and those that stood for it before they were moved.
  std::optional<AliasName> StandingFor(std::uint32_t collection) const;
  std::vector<AliasName> StoodFor(std::uint32_t collection) const;
  std::size_t size() const { return by_name_.size(); }

 private:
  std::map<AliasName, AliasRecord> by_name_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_ALIASES_H_
