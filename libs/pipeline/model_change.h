// Another embedding model for a collection that goes on serving: a second collection is filled from
// the stored texts of the first, and takes its place in one step when it holds the same.
#ifndef RAGMESH_LIBS_PIPELINE_MODEL_CHANGE_H_
#define RAGMESH_LIBS_PIPELINE_MODEL_CHANGE_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/journal/records.h"
#include "libs/pipeline/collection_copy.h"
#include "libs/pipeline/embedders.h"
#include "libs/pipeline/observer.h"
#include "libs/pipeline/stages.h"

namespace ragmesh::pipeline {

// Thread-safe: runs share no mutable state.
class ModelChanger {
 public:
  struct Options {
    CollectionCopy::Options copy;
    // Documents that were written to meanwhile: with no more of them than this, the switch is
    // tried.
    std::size_t few_documents = 16;
    // Tries in which a write came in between, or as much was written as was followed; from then on
    // the store lets writes wait while it is tried, at most so long at a time.
    int free_tries = 3;
    absl::Duration longest_hold = absl::Seconds(2);
  };

  ModelChanger(const Stages& stages, Embedders& embedders, const Options& options,
               Observer& observer)
      : stages_(stages), embedders_(embedders), options_(options), observer_(observer) {}

  struct Progress {
    CopyProgress copy;
    std::uint64_t documents = 0;  // of the source, when it was looked at last
  };

  // Runs `change` of `collection`, the name that callers use, to its end: OK once the name stands
  // for change.target. Stopped at any point and begun anew, it goes on with what the target has.
  // Whatever fails, the name stands for change.source. FAILED_PRECONDITION / ALIAS_MOVED when it
  // stands for neither.
  absl::Status Run(const stages::CollectionId& collection, const journal::ModelChange& change,
                   const std::function<void(const Progress&)>& on_progress,
                   const CallContext& call) const;

  // Deletes what a change that ended otherwise has made. OK when there is nothing.
  absl::Status DeleteTarget(const stages::CollectionId& collection,
                            const journal::ModelChange& change, const CallContext& call) const;

 private:
  class Running;

  const Stages stages_;
  Embedders& embedders_;
  const Options options_;
  Observer& observer_;
};

// The alias that `collection` is; nullopt when it is none, and of a store without aliases.
absl::StatusOr<std::optional<stages::Alias>> FindAlias(stages::VectorStore& store,
                                                       const stages::CollectionId& collection,
                                                       const CallContext& call);

// All of a tenant; none of a store without aliases.
absl::StatusOr<std::vector<stages::Alias>> AliasesOf(stages::VectorStore& store,
                                                     const std::string& tenant,
                                                     const CallContext& call);

// ErrorDetail::reason of `status`, empty when it has none.
std::string ReasonOf(const absl::Status& status);

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_MODEL_CHANGE_H_
