// Changes of a collection's model, as callers ask for them.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/pipeline/gateway.h"

namespace ragmesh::pipeline {
namespace {

constexpr std::size_t kLongestBase = 55;  // of an own name, whose end is a number

// "handbook_m2": the first such name that is free.
std::string OwnName(const std::string& name, absl::flat_hash_set<std::string>* taken) {
  for (int number = 1;; ++number) {
    std::string own = absl::StrCat(name.substr(0, kLongestBase), "_m", number);
    if (taken->insert(own).second) return own;
  }
}

const stages::Alias* Find(const std::vector<stages::Alias>& aliases, const std::string& name) {
  const auto it = std::find_if(aliases.begin(), aliases.end(),
                               [&](const stages::Alias& alias) { return alias.name == name; });
  return it == aliases.end() ? nullptr : &*it;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> Gateway::KeptBeside(
    const std::string& tenant, const std::string& name, const std::vector<stages::Alias>& aliases) {
  absl::flat_hash_set<std::string> serving;
  absl::flat_hash_set<std::string> found;
  for (const stages::Alias& alias : aliases) {
    serving.insert(alias.collection);
    if ((name.empty() || alias.name == name) && !alias.previous.empty())
      found.insert(alias.previous);
  }
  RAGMESH_ASSIGN_OR_RETURN(const auto targets, ingest_->ChangeTargets(tenant));
  for (const Ingest::ChangeTarget& target : targets) {
    if (name.empty() || target.collection == name) found.insert(target.change.target);
  }
  std::vector<std::string> beside;
  for (const std::string& own : found) {
    // By now it may be what a name stands for.
    if (!serving.contains(own)) beside.push_back(own);
  }
  std::sort(beside.begin(), beside.end());
  return beside;
}

absl::StatusOr<journal::JobRecord> Gateway::ChangeModel(const Caller& caller,
                                                        const std::string& name,
                                                        const std::string& embedder,
                                                        const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(GetCollection(caller, name, call).status());
  RAGMESH_ASSIGN_OR_RETURN(const stages::Collection collection,
                           stages_.vector_store.GetCollection({caller.tenant, name}, call));
  const std::string& digest = collection.config.embedder_digest;
  RAGMESH_ASSIGN_OR_RETURN(const Embedders::Bound bound, embedders_.Named(embedder, digest, call));
  const stages::ModelInfo& model = bound.identity.model;
  if (model.digest == digest) {
    return WrongState("MODEL_UNCHANGED",
                      absl::StrCat("'", name, "' has the embedder ", model.name, " already"),
                      "Name another one.");
  }
  RAGMESH_ASSIGN_OR_RETURN(const auto aliases,
                           stages_.vector_store.ListAliases(caller.tenant, call));
  journal::ModelChange change;
  change.embedder_model = model.name;
  change.embedder_digest = model.digest;
  change.dimension = model.dimension;
  const stages::Alias* const alias = Find(aliases, name);
  if (alias != nullptr) {
    change.source = alias->collection;
    if (!alias->previous.empty()) {
      RAGMESH_ASSIGN_OR_RETURN(const auto previous, stages_.vector_store.GetCollection(
                                                        {caller.tenant, alias->previous}, call));
      if (previous.config.embedder_digest != model.digest) {
        return WrongState("PREVIOUS_MODEL_KEPT",
                          absl::StrCat("'", name, "' is still kept with the embedder before, ",
                                       previous.config.embedder_model),
                          "Finish that change (ragmesh collections finish), or roll it back.");
      }
      change.target = alias->previous;
      change.makes_target = false;
    }
  } else {
    for (const stages::Alias& other : aliases) {
      if (other.collection != name) continue;
      return WrongState("COLLECTION_HAS_ALIAS",
                        absl::StrCat("'", name, "' is called '", other.name, "'"),
                        "Use that name.");
    }
  }
  // A target that a failed change has left is gone on with.
  absl::flat_hash_set<std::string> taken;
  RAGMESH_ASSIGN_OR_RETURN(const auto targets, ingest_->ChangeTargets(caller.tenant));
  RAGMESH_ASSIGN_OR_RETURN(const auto beside, KeptBeside(caller.tenant, name, aliases));
  for (const Ingest::ChangeTarget& target : targets) {
    taken.insert(target.change.target);
    const std::string& own = target.change.target;
    if (change.target.empty() && target.collection == name && own != change.source &&
        target.change.embedder_digest == model.digest &&
        std::find(beside.begin(), beside.end(), own) != beside.end())
      change.target = own;
  }
  RAGMESH_ASSIGN_OR_RETURN(const auto collections,
                           stages_.vector_store.ListCollections(caller.tenant, call));
  for (const stages::Collection& one : collections) taken.insert(one.config.id.name);
  for (const stages::Alias& one : aliases) taken.insert(one.name);
  if (change.source.empty()) change.source = OwnName(name, &taken);
  if (change.target.empty()) change.target = OwnName(name, &taken);
  return ingest_->CreateModelChange(caller, name, std::move(change), call);
}

absl::StatusOr<std::optional<stages::Collection>> Gateway::PreviousModel(const Caller& caller,
                                                                         const std::string& name,
                                                                         const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto alias,
                           FindAlias(stages_.vector_store, {caller.tenant, name}, call));
  if (!alias.has_value() || alias->previous.empty()) return std::nullopt;
  auto previous = stages_.vector_store.GetCollection({caller.tenant, alias->previous}, call);
  if (absl::IsNotFound(previous.status())) return std::nullopt;  // gone since
  RAGMESH_RETURN_IF_ERROR(previous.status());
  return std::optional(*std::move(previous));
}

absl::StatusOr<journal::JobRecord> Gateway::RollBackModel(const Caller& caller,
                                                          const std::string& name,
                                                          const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(GetCollection(caller, name, call).status());
  RAGMESH_ASSIGN_OR_RETURN(const auto alias,
                           FindAlias(stages_.vector_store, {caller.tenant, name}, call));
  RAGMESH_ASSIGN_OR_RETURN(const auto previous, PreviousModel(caller, name, call));
  if (!alias.has_value() || !previous.has_value()) {
    return WrongState("NO_PREVIOUS_MODEL",
                      absl::StrCat("nothing is kept that '", name, "' could go back to"),
                      "Change the model again; what was finished cannot be rolled back.");
  }
  const stages::CollectionConfig& config = previous->config;
  // Questions will need it, and so does what was written since.
  if (!config.embedder_digest.empty())
    RAGMESH_RETURN_IF_ERROR(embedders_.For(config.embedder_digest, call).status());
  return ingest_->CreateModelChange(caller, name,
                                    {.source = alias->collection,
                                     .target = alias->previous,
                                     .makes_target = false,
                                     .embedder_model = config.embedder_model,
                                     .embedder_digest = config.embedder_digest,
                                     .dimension = config.dimension},
                                    call);
}

absl::StatusOr<std::vector<std::string>> Gateway::FinishModelChange(const Caller& caller,
                                                                    const std::string& name,
                                                                    const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(GetCollection(caller, name, call).status());
  RAGMESH_RETURN_IF_ERROR(ingest_->CheckNoModelChange({caller.tenant, name}));
  RAGMESH_ASSIGN_OR_RETURN(const auto aliases,
                           AliasesOf(stages_.vector_store, caller.tenant, call));
  RAGMESH_ASSIGN_OR_RETURN(const auto beside, KeptBeside(caller.tenant, name, aliases));
  std::vector<std::string> deleted;
  for (const std::string& own : beside) {
    const absl::Status status = stages_.vector_store.DeleteCollection({caller.tenant, own}, call);
    if (status.ok()) deleted.push_back(own);
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  RAGMESH_RETURN_IF_ERROR(ingest_->ForgetChangeTargets({caller.tenant, name}));
  return deleted;
}

}  // namespace ragmesh::pipeline
