// What ingest.cc (requests), ingest_work.cc and ingest_changes.cc (workers) share. Not for use
// elsewhere.
#ifndef RAGMESH_LIBS_PIPELINE_INGEST_STATE_H_
#define RAGMESH_LIBS_PIPELINE_INGEST_STATE_H_

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/pipeline/ingest.h"

namespace ragmesh::pipeline {

// A job that has not ended. Guarded by the ingest's lock.
struct Ingest::Active {
  explicit Active(journal::JobRecord job) : record(std::move(job)), call(absl::InfiniteFuture()) {}

  journal::JobRecord record;  // as last journalled
  const CallContext call;     // cancelled with the job, and at shutdown
  bool cancelled = false;
  int running = 0;           // tasks under way
  bool exclusive = false;    // the task under way must be alone: a walk, or the end of the job
  std::uint32_t cursor = 0;  // no document below this ordinal is queued
};

struct Ingest::Task {
  enum class Kind { kWalk, kDocument, kFinish, kChange };
  Kind kind;
  std::string job_id;
  journal::JobRecord job;
  CallContext call;
  journal::DocumentRecord document;
};

inline std::string SecretKey(const journal::DocumentRecord& document) {
  return absl::StrCat(document.job_id, "-", document.ordinal);
}

inline journal::DocumentRecord DocumentFromUpload(const InlineSource& source) {
  journal::DocumentRecord document;
  document.document_id =
      source.document_id.empty() ? DocumentIdFromName(source.name) : source.document_id;
  document.name = source.name;
  document.uri = source.uri;
  return document;
}

// Back to the start; how often it was tried stays.
inline void RestartDocument(journal::DocumentRecord* document) {
  document->state = journal::State::kQueued;
  document->step = journal::Step::kNone;
  document->chunks_total = document->chunks_done = document->chunks_reused = 0;
  document->unchanged = false;
  document->error = absl::OkStatus();
}

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_INGEST_STATE_H_
