#include "libs/pipeline/model_change.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::pipeline {

std::string ReasonOf(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->reason : std::string();
}

absl::StatusOr<std::vector<stages::Alias>> AliasesOf(stages::VectorStore& store,
                                                     const std::string& tenant,
                                                     const CallContext& call) {
  auto aliases = store.ListAliases(tenant, call);
  if (absl::IsUnimplemented(aliases.status())) return std::vector<stages::Alias>();
  return aliases;
}

absl::StatusOr<std::optional<stages::Alias>> FindAlias(stages::VectorStore& store,
                                                       const stages::CollectionId& collection,
                                                       const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(auto aliases, AliasesOf(store, collection.tenant, call));
  for (stages::Alias& alias : aliases) {
    if (alias.name == collection.name) return std::optional(std::move(alias));
  }
  return std::nullopt;
}

namespace {

constexpr std::size_t kDocumentsAtOnce = 32;  // that are taken off the list when they are copied

}  // namespace

// One run of one change.
class ModelChanger::Running {
 public:
  Running(const ModelChanger& changer, const stages::CollectionId& collection,
          const journal::ModelChange& change,
          const std::function<void(const Progress&)>& on_progress, const CallContext& call)
      : changer_(changer),
        store_(changer.stages_.vector_store),
        name_(collection),
        source_{collection.tenant, change.source},
        target_{collection.tenant, change.target},
        change_(change),
        call_(call),
        copy_(store_, changer.embedders_, source_, target_, change.embedder_digest,
              changer.options_.copy, changer.observer_,
              [this, &on_progress](const CopyProgress& copied) {
                progress_.copy = copied;
                on_progress(progress_);
              }) {}

  absl::Status Run() {
    bool done = false;
    RAGMESH_RETURN_IF_ERROR(Retry([&](const CallContext& call) { return Prepare(&done, call); }));
    if (done) return absl::OkStatus();
    while (true) {
      RAGMESH_RETURN_IF_ERROR(CopyEverything());
      const absl::Status status = FollowAndSwitch();
      // The store was restarted, or too much was written: once more from the start, with what is
      // there.
      if (ReasonOf(status) != "CHANGES_FORGOTTEN") return status;
    }
  }

 private:
  absl::Status Retry(absl::FunctionRef<absl::Status(const CallContext&)> attempt) {
    const auto& options = changer_.options_.copy;
    return RetryWithBackoff(
        options.backoff,
        [&] {
          return attempt(
              call_.Child(std::min(call_.deadline(), absl::Now() + options.store_timeout)));
        },
        [](const absl::Status&) {}, call_);
  }

  // The name becomes an alias of the collection that has it now, under a name of its own, so that
  // the switch changes nothing but what the alias stands for.
  absl::Status Prepare(bool* done, const CallContext& call) {
    RAGMESH_ASSIGN_OR_RETURN(std::optional<stages::Alias> alias, FindAlias(store_, name_, call));
    if (!alias.has_value()) {
      stages::AliasChange first{.tenant = name_.tenant,
                                .name = name_.name,
                                .collection = source_.name,
                                .expected_collection = "",
                                .expected_sequence = std::nullopt,
                                .rename_to = source_.name};
      RAGMESH_ASSIGN_OR_RETURN(alias, store_.SetAlias(first, call));
    }
    *done = alias->collection == target_.name;
    if (*done) return absl::OkStatus();
    if (alias->collection != source_.name) {
      return WrongState("ALIAS_MOVED",
                        absl::StrCat("'", name_.name, "' stands for ", alias->collection, ", not ",
                                     source_.name, ", whose model was to be changed"),
                        "Look at the collection, then ask for the change again.");
    }
    switched_sequence_ = alias->switched_sequence;
    target_was_switched_from_ = alias->previous == target_.name;
    RAGMESH_ASSIGN_OR_RETURN(stages::Collection source, store_.GetCollection(source_, call));
    progress_.documents = source.stats.documents;
    const auto target = store_.GetCollection(target_, call);
    if (target.ok()) {
      if (target->config.embedder_digest == change_.embedder_digest) return absl::OkStatus();
      return WrongState("EMBEDDER_MISMATCH",
                        absl::StrCat(target_.name, " belongs to another embedder"),
                        "Delete it, then ask for the change again.");
    }
    if (!absl::IsNotFound(target.status()) || !change_.makes_target) return target.status();
    stages::CollectionConfig config = source.config;
    config.id = target_;
    config.embedder_model = change_.embedder_model;
    config.embedder_digest = change_.embedder_digest;
    config.dimension = change_.dimension;
    return store_.CreateCollection(config, call).status();
  }

  absl::Status CopyEverything() {
    RAGMESH_RETURN_IF_ERROR(Retry([&](const CallContext& call) -> absl::Status {
      RAGMESH_ASSIGN_OR_RETURN(const auto changes, store_.ListChanges(source_, std::nullopt,
                                                                      absl::ZeroDuration(), call));
      followed_ = changes.sequence;
      pending_.clear();
      RAGMESH_ASSIGN_OR_RETURN(const auto source, store_.GetCollection(source_, call));
      progress_.documents = source.stats.documents;
      return absl::OkStatus();
    }));
    // Going back to what the source was made from, when nothing was written since.
    if (target_was_switched_from_ && followed_ == switched_sequence_) return absl::OkStatus();
    return copy_.CopyAll(call_);
  }

  // Copies what has changed since; `changed`: how many documents those were. With a `hold`, writes
  // to the source wait from here on, for so long at most.
  absl::Status Follow(absl::Duration hold, std::size_t* changed, const CallContext& call) {
    stages::CollectionChanges changes;
    RAGMESH_RETURN_IF_ERROR(Retry([&](const CallContext& child) -> absl::Status {
      RAGMESH_ASSIGN_OR_RETURN(changes, store_.ListChanges(source_, followed_, hold, child));
      return absl::OkStatus();
    }));
    followed_ = changes.sequence;
    pending_.insert(changes.document_ids.begin(), changes.document_ids.end());
    *changed = pending_.size();
    while (!pending_.empty()) {
      const std::size_t count = std::min(pending_.size(), kDocumentsAtOnce);
      const auto end = std::next(pending_.begin(), static_cast<std::ptrdiff_t>(count));
      RAGMESH_RETURN_IF_ERROR(
          copy_.CopyDocuments(std::vector<std::string>(pending_.begin(), end), call));
      pending_.erase(pending_.begin(), end);
    }
    return absl::OkStatus();
  }

  absl::Status FollowAndSwitch() {
    const Options& options = changer_.options_;
    std::size_t last = std::numeric_limits<std::size_t>::max();
    for (int tries = 0;;) {
      RAGMESH_RETURN_IF_ERROR(Retry([&](const CallContext& call) { return CopySettings(call); }));
      std::size_t changed = 0;
      RAGMESH_RETURN_IF_ERROR(Follow(absl::ZeroDuration(), &changed, call_));
      const bool few = changed <= options.few_documents;
      const bool shrinks = changed <= last / 2;
      last = changed;
      if (!few && shrinks) continue;
      // What is written faster than it can be followed never gets less by itself.
      ++tries;
      if (!few && tries <= options.free_tries) continue;
      const absl::Status status = tries <= options.free_tries ? Switch() : HoldAndSwitch();
      RAGMESH_RETURN_IF_ERROR(call_.Check());
      if (!absl::IsAborted(status)) return status;
    }
  }

  // As Switch, while the store lets writes wait. ABORTED also when it took too long: writers shall
  // not wait for it any longer, and what they wrote is followed without.
  absl::Status HoldAndSwitch() {
    const absl::Time until = absl::Now() + changer_.options_.longest_hold;
    const CallContext brief = call_.Child(std::min(call_.deadline(), until));
    const auto attempt = [&]() -> absl::Status {
      std::size_t changed = 0;
      // Twice: the first time writes that were under way may still come in.
      for (int i = 0; i < 2; ++i)
        RAGMESH_RETURN_IF_ERROR(Follow(until - absl::Now(), &changed, brief));
      return Switch();
    };
    const absl::Status status = attempt();
    if (status.ok()) return status;  // the switch has let them go
    std::size_t changed = 0;
    RAGMESH_RETURN_IF_ERROR(Follow(absl::ZeroDuration(), &changed, call_));
    return brief.Check().ok() ? status : absl::AbortedError("held too long");
  }

  // Settings may have changed meanwhile, by the name that callers use.
  absl::Status CopySettings(const CallContext& call) {
    RAGMESH_ASSIGN_OR_RETURN(const auto source, store_.GetCollection(source_, call));
    RAGMESH_ASSIGN_OR_RETURN(const auto target, store_.GetCollection(target_, call));
    stages::CollectionConfig config = source.config;
    config.id = target_;
    config.embedder_model = target.config.embedder_model;
    config.embedder_digest = target.config.embedder_digest;
    config.dimension = target.config.dimension;
    config.language = target.config.language;
    return store_.UpdateCollection(config, call).status();
  }

  // ABORTED when the source was written to since.
  absl::Status Switch() {
    return Retry([&](const CallContext& call) -> absl::Status {
      const stages::AliasChange change{.tenant = name_.tenant,
                                       .name = name_.name,
                                       .collection = target_.name,
                                       .expected_collection = source_.name,
                                       .expected_sequence = followed_,
                                       .rename_to = ""};
      const absl::Status status = store_.SetAlias(change, call).status();
      if (status.ok() || ReasonOf(status) != "ALIAS_MOVED") return status;
      // An answer that was lost, perhaps: it was tried again.
      RAGMESH_ASSIGN_OR_RETURN(const auto alias, FindAlias(store_, name_, call));
      return alias.has_value() && alias->collection == target_.name ? absl::OkStatus() : status;
    });
  }

  const ModelChanger& changer_;
  stages::VectorStore& store_;
  const stages::CollectionId name_, source_, target_;
  const journal::ModelChange& change_;
  const CallContext call_;
  Progress progress_;
  CollectionCopy copy_;
  // Every change up to this one is in the target, but for these documents.
  std::uint64_t followed_ = 0;
  std::set<std::string> pending_;
  std::uint64_t switched_sequence_ = 0;
  bool target_was_switched_from_ = false;
};

absl::Status ModelChanger::Run(const stages::CollectionId& collection,
                               const journal::ModelChange& change,
                               const std::function<void(const Progress&)>& on_progress,
                               const CallContext& call) const {
  return Running(*this, collection, change, on_progress, call).Run();
}

absl::Status ModelChanger::DeleteTarget(const stages::CollectionId& collection,
                                        const journal::ModelChange& change,
                                        const CallContext& call) const {
  if (!change.makes_target) return absl::OkStatus();
  const absl::Status deleted =
      stages_.vector_store.DeleteCollection({collection.tenant, change.target}, call);
  // By now it may be what the name stands for: then the change was not stopped in time.
  const bool there = deleted.ok() || ReasonOf(deleted) == "COLLECTION_HAS_ALIAS";
  return there || absl::IsNotFound(deleted) ? absl::OkStatus() : deleted;
}

}  // namespace ragmesh::pipeline
