// The part of a store's check that is about one collection.
#ifndef RAGMESH_LIBS_VECTOR_STORE_COLLECTION_CHECK_H_
#define RAGMESH_LIBS_VECTOR_STORE_COLLECTION_CHECK_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/base/call_context.h"
#include "libs/lexical/analyzer.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/records.h"
#include "libs/vector_store/segment_folder.h"
#include "libs/vector_store/store_check.h"

namespace ragmesh::vector_store {

// Reports findings, and gathers what mends them. Not thread-safe.
class Mender {
 public:
  Mender(Database* database, const StoreCheckOptions& options,
         absl::FunctionRef<void(const Finding&)> found, StoreCheckReport* report)
      : database_(*database),
        options_(options),
        found_(found),
        report_(*report),
        segments_(options.path) {}

  // Nothing here mends it.
  void Report(const std::string& collection, Family family, absl::string_view key,
              const std::string& problem, const std::string& action);
  // Mended by this value under `key`.
  absl::Status Put(const std::string& collection, Family family, absl::string_view key,
                   const std::string& value, const std::string& problem);
  // Mended by taking it out, after it was written to the file of what was removed.
  absl::Status Remove(const std::string& collection, Family family, absl::string_view key,
                      absl::string_view value, const std::string& problem);
  // Takes out everything under `prefix`, when mending, without a word: it meant something only
  // beside what was removed before.
  absl::Status Forget(Family family, absl::string_view prefix);
  // Commits what is gathered; also done by the others once it is much.
  absl::Status Flush();

  Database& database() { return database_; }
  const SegmentFolder& segments() const { return segments_; }
  StoreCheckReport& report() { return report_; }

 private:
  void Tell(Finding finding);

  Database& database_;
  const StoreCheckOptions& options_;
  const absl::FunctionRef<void(const Finding&)> found_;
  StoreCheckReport& report_;
  const SegmentFolder segments_;
  WriteSet writes_;
  std::string removed_;  // lines for the file
  std::size_t waiting_ = 0;
};

class CollectionCheck {
 public:
  CollectionCheck(std::uint32_t number, const CollectionRecord& record, Mender* mender);

  // Other than OK: the check itself cannot go on.
  absl::Status Run(const CallContext& call);

 private:
  struct Owner {
    std::string id, title;
    std::uint64_t version = 0;
  };

  absl::Status CheckDocuments(const CallContext& call);
  absl::Status CheckExpiry(absl::Time expires, std::uint64_t document);
  absl::Status CheckTexts(const CallContext& call);
  absl::Status CheckChunks(const CallContext& call);
  absl::Status CheckChunk(absl::string_view key, absl::string_view value);
  absl::Status CheckIndexEntry(absl::string_view key, const ChunkRecord& chunk, const Owner& owner);
  absl::Status CheckOrphans(Family family, const CallContext& call);
  absl::Status CheckReplays();
  absl::Status CheckSegments(const CallContext& call);
  absl::Status ForgetSegments(const std::string& problem);
  absl::Status CheckState();
  // Counts a value; what is wrong with its checksum or layout.
  template <typename T>
  std::optional<T> Decode(Family family, absl::string_view key, absl::StatusOr<T> value,
                          const std::string& action);

  const std::uint32_t number_;
  const CollectionRecord record_;
  const std::string name_;
  const std::string prefix_;
  const lexical::Analyzer analyzer_;
  Mender& mender_;
  absl::flat_hash_map<std::uint64_t, Owner> documents_;
  struct Text {
    std::uint64_t bytes;
    std::string sha256;
  };
  absl::flat_hash_map<std::uint64_t, Text> texts_;  // that documents must have
  absl::flat_hash_set<std::uint64_t> chunks_;       // numbers of chunk records, damaged ones too
  absl::flat_hash_set<std::string> chunk_ids_, document_ids_;
  std::uint64_t last_document_ = 0, last_chunk_ = 0, last_sequence_ = 0, entries_ = 0,
                text_bytes_ = 0;
  bool has_damaged_documents_ = false;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_COLLECTION_CHECK_H_
