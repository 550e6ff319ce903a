// What the journal keeps of an ingest job.
#ifndef RAGMESH_LIBS_JOURNAL_RECORDS_H_
#define RAGMESH_LIBS_JOURNAL_RECORDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/stages/document.h"

namespace ragmesh::journal {

enum class State { kQueued, kRunning, kSucceeded, kFailed, kCancelled };
enum class Step { kNone, kLoad, kSplit, kEmbed, kIndex };

inline bool Ended(State state) { return state != State::kQueued && state != State::kRunning; }

// How the documents of a job are stored and split.
struct IngestOptions {
  stages::Metadata metadata;
  std::vector<std::string> acl_labels;  // never empty once journalled
  std::uint32_t max_chunk_tokens = 0;   // 0: the splitter's default
  std::uint32_t overlap_tokens = 0;
};

// A job that gives a collection another embedding model. Collections are told by their own names.
struct ModelChange {
  std::string source;           // what the job's collection stands for before
  std::string target;           // and after
  bool makes_target = true;     // false: it is there already, from an earlier change
  std::string embedder_model;   // of the target; for people
  std::string embedder_digest;  // empty: the target is lexical only
  std::uint32_t dimension = 0;
  std::uint64_t chunks_truncated = 0;  // longer than the model reads
};

struct JobRecord {
  std::string id;  // sorts by time
  std::string tenant;
  std::string collection;
  State state = State::kQueued;
  absl::Time created;
  absl::Time updated;
  std::uint32_t documents_total = 0;
  std::uint32_t documents_done = 0;
  std::uint32_t documents_unchanged = 0;
  std::uint32_t documents_failed = 0;
  std::uint64_t chunks_done = 0;
  std::uint64_t chunks_reused = 0;
  absl::Status error;  // of the job as a whole

  IngestOptions options;
  std::vector<std::string> caller_labels;  // what the caller may see, and so may replace
  bool prune = false;
  // Files and folders to be turned into documents; of the first `walked` that has been done.
  std::vector<std::string> paths;
  std::uint32_t walked = 0;
  std::optional<ModelChange> change;  // set: it ingests nothing
};

struct DocumentRecord {
  std::string job_id;
  std::uint32_t ordinal = 0;  // in the order found, from 0
  std::string document_id;
  std::string name;
  std::string uri;
  // Exactly one of these says where the bytes are.
  std::string path;           // on this machine, as given by the file system, any bytes
  std::string spool_sha256;   // in the spool
  std::string root;           // the ingested folder that brought it; empty for files and uploads
  bool has_password = false;  // kept in the spool until the document is parsed

  State state = State::kQueued;
  Step step = Step::kNone;
  std::uint64_t size_bytes = 0;
  std::uint32_t chunks_total = 0;
  std::uint32_t chunks_done = 0;
  std::uint32_t chunks_reused = 0;
  bool unchanged = false;
  absl::Status error;
  std::uint32_t attempts = 0;
};

// What an ingest left in the store, so that the next one of the same document can see that nothing
// changed, and so that a folder's vanished documents are known.
struct Footprint {
  std::string document_id;
  std::string root;  // the folder that brought it, empty when none
  std::string
      fingerprint;  // of bytes, options, parser and embedder; empty while the write is under way
  std::uint64_t version = 0;
};

}  // namespace ragmesh::journal

#endif  // RAGMESH_LIBS_JOURNAL_RECORDS_H_
