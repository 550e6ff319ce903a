// The names of a Store: aliases, and the collections that go with them.
//
// names_mutex_ lets changes of names pass one at a time; mutex_ is taken for the moment in which
// they become visible. A switch happens while nobody writes to the collection that the alias
// leaves, so each write is either counted in the sequence that is compared, or led on by
// NamesMoved.
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/aliases.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/store.h"
#include "libs/vector_store/stored_collection.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::vector_store {
namespace {

constexpr absl::Duration kLongestHold = absl::Seconds(10);
constexpr absl::Duration kHoldLook = absl::Milliseconds(20);  // of a write that is held

absl::Status AliasMoved(absl::string_view alias, absl::string_view stands_for,
                        absl::string_view expected) {
  return WrongState(
      "ALIAS_MOVED",
      absl::StrCat("alias '", alias, "' stands for '", stands_for, "', not for '", expected, "'"),
      "Look at the alias, then decide anew.");
}

absl::Status HasAlias(absl::string_view collection, absl::string_view alias) {
  return WrongState("COLLECTION_HAS_ALIAS",
                    absl::StrCat("alias '", alias, "' stands for '", collection, "'"),
                    absl::StrCat("Use '", alias, "', or delete the alias first."));
}

}  // namespace

absl::Status Store::LoadAliases() {
  RAGMESH_ASSIGN_OR_RETURN(aliases_, Aliases::Load(*database_));
  return absl::OkStatus();
}

std::shared_ptr<StoredCollection> Store::NumberedLocked(std::uint32_t number) const {
  const auto it = numbered_.find(number);
  return it == numbered_.end() ? nullptr : it->second;
}

stages::Alias Store::DescribeLocked(const AliasName& name, const AliasRecord& record) const {
  stages::Alias alias;
  alias.name = name.second;
  if (const auto now = NumberedLocked(record.collection); now != nullptr)
    alias.collection = now->name();
  if (const auto before = NumberedLocked(record.previous); before != nullptr)
    alias.previous = before->name();
  alias.switched_sequence = record.switched_sequence;
  alias.changed = record.changed;
  return alias;
}

absl::StatusOr<stages::Alias> Store::Publish(const AliasName& name, const AliasRecord& record) {
  absl::MutexLock lock(&mutex_);
  aliases_.Put(name, record);
  held_.erase(record.previous);
  ++resources_->names;
  return DescribeLocked(name, record);
}

absl::StatusOr<Store::Found> Store::ResolveToWrite(const stages::CollectionId& id,
                                                   const CallContext& call) const {
  while (true) {
    RAGMESH_ASSIGN_OR_RETURN(Found found, Resolve(id, call));
    const std::uint32_t number = found.collection->number();
    const auto free = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      const auto it = held_.find(number);
      return it == held_.end() || it->second <= absl::Now();
    };
    absl::MutexLock lock(&mutex_);
    if (free()) return found;
    // Looked up anew after that: it is held so that the name can move.
    mutex_.AwaitWithTimeout(absl::Condition(&free), kHoldLook);
  }
}

absl::StatusOr<stages::Alias> Store::SetAlias(const stages::AliasChange& change,
                                              const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(ValidateId({change.tenant, change.name}));
  RAGMESH_RETURN_IF_ERROR(ValidateId({change.tenant, change.collection}));
  if (!change.rename_to.empty())
    RAGMESH_RETURN_IF_ERROR(ValidateId({change.tenant, change.rename_to}));
  absl::MutexLock names(&names_mutex_);
  std::optional<AliasRecord> standing;
  {
    absl::MutexLock lock(&mutex_);
    const AliasName name(change.tenant, change.name);
    if (const AliasRecord* const alias = aliases_.Find(name); alias != nullptr) standing = *alias;
    if (standing.has_value() != !change.expected_collection.empty()) {
      return standing.has_value()
                 ? AliasMoved(change.name, DescribeLocked(name, *standing).collection, "nothing")
                 : AliasMoved(change.name, "nothing", change.expected_collection);
    }
  }
  return standing.has_value() ? MoveAlias(change, *standing, call) : MakeAlias(change, call);
}

absl::StatusOr<stages::Alias> Store::MakeAlias(const stages::AliasChange& change,
                                               const CallContext& call) {
  const Name name(change.tenant, change.name);
  const Name renamed(change.tenant, change.rename_to);
  std::shared_ptr<StoredCollection> has_name;  // is renamed
  std::shared_ptr<StoredCollection> target;
  {
    absl::MutexLock lock(&mutex_);
    if (aliases_.size() >= kMaxCollections) {
      return LimitExceeded("aliases", static_cast<long long>(aliases_.size() + 1),
                           static_cast<long long>(kMaxCollections), "aliases");
    }
    if (const auto it = collections_.find(name); it != collections_.end()) {
      if (change.rename_to.empty()) {
        return WrongState("ALIAS_IS_COLLECTION",
                          absl::StrCat("'", change.name, "' is the name of a collection"),
                          "Choose another name, or say what the collection is to be renamed to.");
      }
      has_name = it->second;
      if (collections_.contains(renamed) || aliases_.Find(renamed) != nullptr)
        return AlreadyExists("collection", change.rename_to);
    }
    const Name target_name(change.tenant, change.collection);
    const auto it = collections_.find(target_name);
    if (has_name != nullptr && target_name == renamed) {
      target = has_name;
    } else if (it != collections_.end() && it->second != has_name) {
      target = it->second;
    } else {
      return NotFound("collection", change.collection,
                      "An alias stands for a collection's own name.");
    }
    if (const auto other = aliases_.StandingFor(target->number()); other.has_value())
      return HasAlias(change.collection, other->second);
  }
  const AliasRecord record{target->number(), 0, target->sequence(), options_.clock->Now()};
  WriteSet writes;
  writes.Put(Family::kMeta, AliasKey(change.tenant, change.name), Encode(record));
  RAGMESH_RETURN_IF_ERROR(call.Check());
  if (has_name == nullptr) {
    RAGMESH_RETURN_IF_ERROR(database_->Commit(writes));
    return Publish(name, record);
  }
  {
    absl::MutexLock lock(&mutex_);
    collections_[renamed] = has_name;  // before it says so: a name it gives always finds it
  }
  const absl::Status done = has_name->Rename(change.rename_to, std::move(writes));
  {
    absl::MutexLock lock(&mutex_);
    collections_.erase(done.ok() ? name : renamed);
    if (done.ok()) aliases_.Put(name, record);  // the name is never without a collection
  }
  RAGMESH_RETURN_IF_ERROR(done);
  return Publish(name, record);
}

absl::StatusOr<stages::Alias> Store::MoveAlias(const stages::AliasChange& change,
                                               const AliasRecord& standing,
                                               const CallContext& call) {
  const AliasName name(change.tenant, change.name);
  std::shared_ptr<StoredCollection> source;
  std::shared_ptr<StoredCollection> target;
  {
    absl::MutexLock lock(&mutex_);
    source = NumberedLocked(standing.collection);
    const std::string stands_for = DescribeLocked(name, standing).collection;
    if (source == nullptr || stands_for != change.expected_collection)
      return AliasMoved(change.name, stands_for, change.expected_collection);
    const auto it = collections_.find(AliasName(change.tenant, change.collection));
    if (it == collections_.end()) {
      return NotFound("collection", change.collection,
                      "An alias stands for a collection's own name.");
    }
    target = it->second;
    if (target == source) return DescribeLocked(name, standing);
    if (const auto other = aliases_.StandingFor(target->number()); other.has_value())
      return HasAlias(change.collection, other->second);
  }
  absl::StatusOr<stages::Alias> moved = absl::InternalError("not moved");
  RAGMESH_RETURN_IF_ERROR(source->WhileNobodyWrites(
      [&](std::uint64_t sequence) -> absl::Status {
        if (change.expected_sequence.has_value() && *change.expected_sequence != sequence) {
          return MakeError(absl::StatusCode::kAborted,
                           absl::StrCat("'", change.expected_collection, "' is at write ", sequence,
                                        ", not at ", *change.expected_sequence),
                           {.reason = "SEQUENCE_MOVED",
                            .next_step = "Take over what was written since, then try again.",
                            .metadata = {{"sequence", absl::StrCat(sequence)}}});
        }
        const AliasRecord record{target->number(), source->number(), target->sequence(),
                                 options_.clock->Now()};
        WriteSet writes;
        writes.Put(Family::kMeta, AliasKey(change.tenant, change.name), Encode(record));
        RAGMESH_RETURN_IF_ERROR(database_->Commit(writes));
        moved = Publish(name, record);
        return absl::OkStatus();
      },
      call));
  return moved;
}

absl::StatusOr<std::vector<stages::Alias>> Store::ListAliases(const std::string& tenant,
                                                              const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(ValidateTenant(tenant));
  std::vector<stages::Alias> aliases;
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, record] : aliases_.OfTenant(tenant))
    aliases.push_back(DescribeLocked(name, record));
  return aliases;
}

absl::Status Store::DeleteAlias(const stages::CollectionId& alias,
                                const std::string& expected_collection, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(ValidateId(alias));
  absl::MutexLock names(&names_mutex_);
  const AliasName name(alias.tenant, alias.name);
  {
    absl::MutexLock lock(&mutex_);
    const AliasRecord* const record = aliases_.Find(name);
    if (record == nullptr) return NotFound("alias", alias.name);
    const std::string stands_for = DescribeLocked(name, *record).collection;
    if (stands_for != expected_collection)
      return AliasMoved(alias.name, stands_for, expected_collection);
  }
  WriteSet writes;
  writes.Delete(Family::kMeta, AliasKey(alias.tenant, alias.name));
  RAGMESH_RETURN_IF_ERROR(database_->Commit(writes));
  absl::MutexLock lock(&mutex_);
  aliases_.Remove(name);
  ++resources_->names;
  return absl::OkStatus();
}

absl::StatusOr<stages::CollectionChanges> Store::ListChanges(const stages::CollectionId& id,
                                                             std::optional<std::uint64_t> after,
                                                             absl::Duration hold,
                                                             const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto collection, Find(id, call));
  if (hold > kLongestHold) {
    return LimitExceeded("hold_writes", absl::ToInt64Milliseconds(hold),
                         absl::ToInt64Milliseconds(kLongestHold), "ms");
  }
  {
    absl::MutexLock lock(&mutex_);
    held_.erase(collection->number());
    if (hold > absl::ZeroDuration()) held_[collection->number()] = absl::Now() + hold;
  }
  return collection->ListChanges(after, call);
}

absl::Status Store::DeleteCollection(const stages::CollectionId& id, const CallContext& call) {
  std::shared_ptr<StoredCollection> collection;
  {
    absl::MutexLock names(&names_mutex_);
    RAGMESH_ASSIGN_OR_RETURN(collection, Find(id, call));
    const std::uint32_t number = collection->number();
    const AliasName name(id.tenant, id.name);
    const AliasName own(id.tenant, collection->name());
    std::optional<AliasName> standing;
    std::vector<std::pair<AliasName, AliasRecord>> without;  // those that stood for it before
    {
      absl::MutexLock lock(&mutex_);
      standing = aliases_.StandingFor(number);
      for (const AliasName& stood : aliases_.StoodFor(number)) {
        without.emplace_back(stood, *aliases_.Find(stood));
        without.back().second.previous = 0;
      }
    }
    if (standing.has_value() && *standing != name) return HasAlias(id.name, standing->second);
    WriteSet also;
    if (standing.has_value()) also.Delete(Family::kMeta, AliasKey(id.tenant, id.name));
    for (const auto& [stood, record] : without)
      also.Put(Family::kMeta, AliasKey(stood.first, stood.second), Encode(record));
    RAGMESH_RETURN_IF_ERROR(collection->Remove(std::move(also)));
    absl::MutexLock lock(&mutex_);
    if (standing.has_value()) aliases_.Remove(name);
    for (const auto& [stood, record] : without) aliases_.Put(stood, record);
    ++resources_->names;
    collections_.erase(own);
    numbered_.erase(number);
    held_.erase(number);
  }
  // It is deleted whatever becomes of this: what is left goes at the next open.
  PurgeCollection(database_.get(), collection->number()).IgnoreError();
  collection->RemoveSegments();
  return absl::OkStatus();
}

}  // namespace ragmesh::vector_store
