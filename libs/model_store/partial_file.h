// One file being obtained: locked against other pullers, hashed as it grows, kept on interruption
// so that the next attempt goes on where this one stopped.
#ifndef RAGMESH_LIBS_MODEL_STORE_PARTIAL_FILE_H_
#define RAGMESH_LIBS_MODEL_STORE_PARTIAL_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/call_context.h"
#include "libs/base/scoped_fd.h"
#include "libs/base/sha256.h"
#include "libs/model_store/model_cache.h"

namespace ragmesh::model_store {

// Not thread-safe; the lock keeps other objects, of this process too, off the same file until this
// one goes.
class PartialFile {
 public:
  // Waits for the lock within `call`, then reads what an earlier attempt left. `cache` must outlive
  // the object. nullptr: another puller finished the file while this one waited.
  static absl::StatusOr<std::unique_ptr<PartialFile>> Open(const ModelCache& cache,
                                                           absl::string_view digest,
                                                           std::int64_t size_bytes,
                                                           const CallContext& call);

  // Leaves what it holds for the next attempt; removes an empty file.
  ~PartialFile();

  std::int64_t held_bytes() const { return held_bytes_; }
  std::int64_t size_bytes() const { return size_bytes_; }

  // RESOURCE_EXHAUSTED / MODEL_FILE_TOO_LARGE when the file would grow past the size the catalogue
  // states; then and after a failed write the object is only good for Restart.
  absl::Status Append(absl::string_view bytes);

  // Forgets everything held.
  absl::Status Restart();

  // Moves the file into the cache when it has its full size and its digest. Otherwise DATA_LOSS: a
  // short file stays for a later attempt, a wrong one is emptied. Call once, last.
  absl::Status Finish();

 private:
  PartialFile(const ModelCache& cache, std::string digest, std::int64_t size_bytes, ScopedFd fd);

  const ModelCache& cache_;
  const std::string digest_;
  const std::string path_;
  const std::int64_t size_bytes_;
  ScopedFd fd_;
  std::unique_ptr<Sha256> hash_;
  std::int64_t held_bytes_ = 0;
};

}  // namespace ragmesh::model_store

#endif  // RAGMESH_LIBS_MODEL_STORE_PARTIAL_FILE_H_
