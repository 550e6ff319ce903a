// Who follows which ingest job. A watcher holds numbers of changed documents, not their states:
// what it sends is read from the journal when its reader is ready, so a slow reader misses steps in
// between and never the last state.
#ifndef RAGMESH_LIBS_PIPELINE_JOB_WATCH_H_
#define RAGMESH_LIBS_PIPELINE_JOB_WATCH_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/call_context.h"

namespace ragmesh::pipeline {

// Thread-safe.
class JobWatchers {
 public:
  struct Changes {
    bool job = false;
    std::set<std::uint32_t> documents;
  };

  // One follower; at most as many numbers as its job has documents. Unregisters itself; must not
  // outlive JobWatchers.
  class Watcher {
   public:
    ~Watcher();
    // Waits for a change and takes all there are. CANCELLED or DEADLINE_EXCEEDED from `call`;
    // CANCELLED on Close.
    absl::StatusOr<Changes> Next(const CallContext& call);

   private:
    friend class JobWatchers;
    Watcher(JobWatchers& owner, std::string job_id) : owner_(owner), job_id_(std::move(job_id)) {}

    JobWatchers& owner_;
    const std::string job_id_;
    absl::Mutex mutex_;
    Changes changes_ ABSL_GUARDED_BY(mutex_);
    bool closed_ ABSL_GUARDED_BY(mutex_) = false;
    int wakes_ ABSL_GUARDED_BY(mutex_) = 0;
  };

  explicit JobWatchers(std::size_t max_watchers) : max_watchers_(max_watchers) {}

  // RESOURCE_EXHAUSTED / QUEUE_FULL when there are too many.
  absl::StatusOr<std::unique_ptr<Watcher>> Add(const std::string& job_id);
  void JobChanged(const std::string& job_id);
  void DocumentChanged(const std::string& job_id, std::uint32_t ordinal);
  // Ends every wait, for shutdown.
  void Close();

 private:
  const std::size_t max_watchers_;
  absl::Mutex mutex_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::multimap<std::string, Watcher*> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_JOB_WATCH_H_
