// Bytes of uploaded documents, kept on disk by digest until no job needs them.
#ifndef RAGMESH_LIBS_JOURNAL_SPOOL_H_
#define RAGMESH_LIBS_JOURNAL_SPOOL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/scoped_fd.h"
#include "libs/base/sha256.h"

namespace ragmesh::journal {

// Thread-safe. Files are readable by this user only. A file named by a digest is complete and
// synced.
class Spool {
 public:
  struct Limits {
    std::uint64_t document_bytes = 128ull << 20;
    std::uint64_t total_bytes = 10ull << 30;
  };

  // One upload on its way in. Removed again unless Commit succeeds. Not thread-safe; must not
  // outlive the spool.
  class Writer {
   public:
    ~Writer();
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    // RESOURCE_EXHAUSTED / LIMIT_EXCEEDED over a limit, DISK_FULL.
    absl::Status Append(absl::string_view bytes);
    // Synced, file and folder, when it returns the digest.
    absl::StatusOr<std::string> Commit();
    std::uint64_t size_bytes() const { return size_; }

   private:
    friend class Spool;
    Writer(Spool& spool, std::string path, ScopedFd fd);
    Spool& spool_;
    const std::string path_;
    ScopedFd fd_;
    Sha256 digest_;
    std::uint64_t size_ = 0;
    bool committed_ = false;
  };

  // Creates `folder`, and removes what an earlier process left unfinished.
  static absl::StatusOr<std::unique_ptr<Spool>> Open(const std::string& folder,
                                                     const Limits& limits);

  absl::StatusOr<std::unique_ptr<Writer>> Begin();
  std::string Path(absl::string_view sha256) const;
  void Remove(absl::string_view sha256);

  // Passwords lie in files of their own, so that removing one leaves nothing behind in the journal.
  // `key` is a job id and an ordinal.
  absl::Status PutSecret(absl::string_view key, absl::string_view secret);
  absl::StatusOr<std::string> GetSecret(absl::string_view key) const;
  void RemoveSecret(absl::string_view key);

  // Removes every file for which `needed` says false.
  void Sweep(absl::FunctionRef<bool(absl::string_view sha256)> needed);

  std::uint64_t total_bytes() const { return total_; }

 private:
  Spool(std::string folder, const Limits& limits) : folder_(std::move(folder)), limits_(limits) {}

  const std::string folder_;
  const Limits limits_;
  std::atomic<std::uint64_t> total_ = 0;
  std::atomic<std::uint64_t> next_ = 0;
};

}  // namespace ragmesh::journal

#endif  // RAGMESH_LIBS_JOURNAL_SPOOL_H_
