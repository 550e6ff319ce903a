#include "libs/vector_store/rocks_status.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::vector_store {

absl::Status FromRocks(const rocksdb::Status& status, absl::string_view what) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = status.ToString();
  // RocksDB says NotSupported and InvalidArgument of files whose header or names make no sense.
  if (status.IsCorruption() || status.IsNotSupported() || status.IsInvalidArgument() ||
      status.IsPathNotFound()) {
    return Corrupt(what, text,
                   "Restore the store from a snapshot; 'ragmesh store check' says what else is "
                   "damaged.");
  }
  if (status.IsNoSpace()) {
    return MakeError(
        absl::StatusCode::kResourceExhausted, absl::StrCat(what, ": ", text),
        {.reason = "DISK_FULL", .next_step = "Free space on the store's disk, then write again."});
  }
  if (status.IsIOError() && (absl::StrContains(text, "While lock file") ||
                             absl::StrContains(text, "lock hold by current process"))) {
    return WrongState("STORE_LOCKED", absl::StrCat(what, " is open in another process: ", text),
                      "Stop the other process, or choose another directory.");
  }
  return MakeError(
      absl::StatusCode::kUnavailable, absl::StrCat(what, ": ", text),
      {.reason = "STORAGE_FAILED", .next_step = "Check the disk and its permissions."});
}

}  // namespace ragmesh::vector_store
