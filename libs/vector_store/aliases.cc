#include "libs/vector_store/aliases.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/binary_codec.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint8_t kVersion = 1;

}  // namespace

std::string Encode(const AliasRecord& record) {
  BinaryWriter out;
  out.U32(record.collection);
  out.U32(record.previous);
  out.U64(record.switched_sequence);
  const std::int64_t seconds = absl::ToUnixSeconds(record.changed);
  out.U64(static_cast<std::uint64_t>(seconds));
  out.U32(static_cast<std::uint32_t>(
      absl::ToInt64Nanoseconds(record.changed - absl::FromUnixSeconds(seconds))));
  return Seal(RecordKind::kAlias, kVersion, out.bytes());
}

absl::StatusOr<AliasRecord> DecodeAlias(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kAlias, kVersion, value));
  BinaryReader in(payload);
  AliasRecord record;
  record.collection = in.U32();
  record.previous = in.U32();
  record.switched_sequence = in.U64();
  const auto seconds = static_cast<std::int64_t>(in.U64());
  const std::uint32_t nanoseconds = in.U32();
  record.changed = absl::FromUnixSeconds(seconds) + absl::Nanoseconds(nanoseconds);
  if (in.failed() || !in.at_end() || nanoseconds >= 1'000'000'000 || record.collection == 0)
    return Corrupt("alias record", "does not follow its layout");
  return record;
}

std::string AliasKey(absl::string_view tenant, absl::string_view name) {
  return absl::StrCat(kAliasPrefix, tenant, "/", name);
}

absl::StatusOr<AliasName> ParseAliasKey(absl::string_view key) {
  const absl::string_view rest =
      absl::StartsWith(key, kAliasPrefix) ? key.substr(sizeof(kAliasPrefix) - 1) : "";
  const std::size_t slash = rest.find('/');
  if (slash == absl::string_view::npos || slash == 0 || slash + 1 == rest.size() ||
      rest.find('/', slash + 1) != absl::string_view::npos)
    return Corrupt("alias record", "has a key that names no alias");
  return AliasName(rest.substr(0, slash), rest.substr(slash + 1));
}

absl::StatusOr<Aliases> Aliases::Load(const Database& database) {
  Aliases aliases;
  const auto at = database.Walk(Family::kMeta, kAliasPrefix);
  for (; at->Valid(); at->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(const AliasName name, ParseAliasKey(at->key()));
    RAGMESH_ASSIGN_OR_RETURN(const AliasRecord record, DecodeAlias(at->value()));
    aliases.Put(name, record);
  }
  RAGMESH_RETURN_IF_ERROR(at->status());
  return aliases;
}

const AliasRecord* Aliases::Find(const AliasName& name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : &it->second;
}

std::vector<std::pair<AliasName, AliasRecord>> Aliases::OfTenant(absl::string_view tenant) const {
  std::vector<std::pair<AliasName, AliasRecord>> found;
  for (auto it = by_name_.lower_bound(AliasName(tenant, ""));
       it != by_name_.end() && it->first.first == tenant; ++it) {
    found.push_back(*it);
  }
  return found;
}

std::optional<AliasName> Aliases::StandingFor(std::uint32_t collection) const {
  for (const auto& [name, record] : by_name_) {
    if (record.collection == collection) return name;
  }
  return std::nullopt;
}

std::vector<AliasName> Aliases::StoodFor(std::uint32_t collection) const {
  std::vector<AliasName> found;
  for (const auto& [name, record] : by_name_) {
    if (record.previous == collection) found.push_back(name);
  }
  return found;
}

}  // namespace ragmesh::vector_store
