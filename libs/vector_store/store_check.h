// Looks at everything a closed store holds: files, values, and what must hold between them
// (docs/formats/vector-store.md). Repairs what follows from the rest.
#ifndef RAGMESH_LIBS_VECTOR_STORE_STORE_CHECK_H_
#define RAGMESH_LIBS_VECTOR_STORE_STORE_CHECK_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "libs/base/call_context.h"

namespace rocksdb {
class FileSystem;
}

namespace ragmesh::vector_store {

struct Finding {
  std::string collection;  // "tenant/name", "number 7" when that is not known, empty: the store
  std::string family;      // column family, or "files"
  std::string key;         // hexadecimal, empty: none
  std::string problem;
  std::string action;       // what to do, or what was done
  bool repairable = false;  // `ragmesh store check --repair` mends it
  bool repaired = false;
};

struct StoreCheckOptions {
  std::string path;
  // Makes anew what other records hold too (index entries, counters, state), and takes out what
  // belongs to nothing. What it takes out goes to a file of the store's folder first,
  // "removed-<number>.jsonl", one {"family", "key", "value"} a line in hexadecimal: nothing is
  // lost.
  bool repair = false;
  std::shared_ptr<rocksdb::FileSystem> file_system;  // null: the operating system's
};

struct StoreCheckReport {
  std::uint64_t collections = 0, documents = 0, chunks = 0;
  std::uint64_t values = 0;  // read, each with its checksum
  std::uint64_t findings = 0, repaired = 0;
  std::string removed_file;  // path, empty when nothing was taken out
};

// Calls `found` for each finding as it comes. The store is opened as at a start, so its log is
// replayed. NOT_FOUND / STORE_NOT_FOUND when there is none; FAILED_PRECONDITION / STORE_LOCKED
// while another process has it, / NEWER_FORMAT; DATA_LOSS / CORRUPT_DATA when RocksDB cannot open
// its files at all, which nothing here can mend.
absl::StatusOr<StoreCheckReport> CheckStore(const StoreCheckOptions& options,
                                            absl::FunctionRef<void(const Finding&)> found,
                                            const CallContext& call);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_STORE_CHECK_H_
