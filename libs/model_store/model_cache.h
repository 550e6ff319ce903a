// Model files on disk, addressed by digest:
//
//   ROOT/sha256/<digest>     complete files, mode 0444, never written in place
//   ROOT/verified/<digest>   size, inode and modification time of the file when its digest was last
//                            checked
//   ROOT/partial/<digest>    downloads under way or interrupted; see PartialFile
//   ROOT/packed/<digest>.*   an encoder's weights in the layout of a processor, made from the file;
//                            see embedding::PackedWeights
//
// Copying sha256/ from one machine to another is a valid way to install models: a file without a
// matching record under verified/ is hashed before it is first handed out.
#ifndef RAGMESH_LIBS_MODEL_STORE_MODEL_CACHE_H_
#define RAGMESH_LIBS_MODEL_STORE_MODEL_CACHE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/call_context.h"

namespace ragmesh::model_store {

// Thread-safe, and safe between processes: files appear by rename and are never changed afterwards.
// Works on a read-only ROOT, where it then hashes each file once per process start instead of
// keeping records.
class ModelCache {
 public:
  // $RAGMESH_MODEL_CACHE, else $XDG_CACHE_HOME/ragmesh/models, else $HOME/.cache/ragmesh/models.
  // Reads the environment, so call it from main.
  static std::string DefaultRoot();

  explicit ModelCache(std::string root) : root_(std::move(root)) {}

  const std::string& root() const { return root_; }
  std::string PathOf(absl::string_view digest) const;
  std::string PartialPathOf(absl::string_view digest) const;
  std::string PackedFolder() const;

  // The path of a file whose digest is checked. NOT_FOUND when it is absent; DATA_LOSS when its
  // bytes do not have the digest, in which case the file stays for a person to look at.
  absl::StatusOr<std::string> Find(absl::string_view digest, const CallContext& call) const;

  // Whether a file of this digest is present, unchecked and at no cost.
  bool Has(absl::string_view digest) const;

  // Reads the whole file again, whatever the record says. Errors as Find.
  absl::Status Verify(absl::string_view digest, const CallContext& call) const;

  // Moves a complete, verified and synced file into place and records it. Replaces a file of the
  // same digest.
  absl::Status Adopt(const std::string& path, absl::string_view digest) const;

  // Removes a file, its record, its partial download and what was packed of it; the bytes freed. 0
  // when there was nothing.
  absl::StatusOr<std::int64_t> Remove(absl::string_view digest) const;

 private:
  std::string RecordPathOf(absl::string_view digest) const;

  const std::string root_;
};

}  // namespace ragmesh::model_store

#endif  // RAGMESH_LIBS_MODEL_STORE_MODEL_CACHE_H_
