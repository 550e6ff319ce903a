// The loop of every read of a collection; included by the files that hold the reading half of
// StoredCollection.
//
// A read takes a view of the image, decides there what it may see, and then fetches the records.
// Records never change and numbers are never used twice, so a record is either the one the view
// means or gone; when it is gone, a newer write has been committed, and the read starts over on a
// view that includes it.
#ifndef RAGMESH_LIBS_VECTOR_STORE_READ_CONSISTENTLY_H_
#define RAGMESH_LIBS_VECTOR_STORE_READ_CONSISTENTLY_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/stored_collection.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::vector_store {

// Each further attempt means that yet another write replaced what was being read.
inline constexpr int kMaxReadAttempts = 16;

// `read(view)` returns StatusOr<optional<Result>>: nullopt when a record of the view is
// gone.
template <typename Result, typename Read>
absl::StatusOr<Result> StoredCollection::ReadConsistently(
    const std::vector<std::string>& principal_labels, const CallContext& call,
    const Read& read) const {
  RAGMESH_RETURN_IF_ERROR(ValidatePrincipal(principal_labels));
  for (int attempt = 0; attempt < kMaxReadAttempts; ++attempt) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_RETURN_IF_ERROR(CheckAlive());
    const ImageView view = image_->View(principal_labels);
    absl::StatusOr<std::optional<Result>> result = read(view);
    RAGMESH_RETURN_IF_ERROR(result.status());
    if (result->has_value()) return **std::move(result);
    if (!AwaitNewer(view.sequence())) {
      return Corrupt("vector store", "lacks records that its index names",
                     "Restore the store from a snapshot.");
    }
  }
  return Unavailable("CONTENDED", "what is being read is being rewritten all the time",
                     "Try again.");
}

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_READ_CONSISTENTLY_H_
