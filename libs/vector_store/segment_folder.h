// The folder where a store's segments lie, beside the database's own files.
#ifndef RAGMESH_LIBS_VECTOR_STORE_SEGMENT_FOLDER_H_
#define RAGMESH_LIBS_VECTOR_STORE_SEGMENT_FOLDER_H_

#include <cstdint>
#include <set>
#include <string>

#include "absl/status/status.h"

namespace ragmesh::vector_store {

// Thread-safe.
class SegmentFolder {
 public:
  // The folder `segments` of the store in `store_path`.
  explicit SegmentFolder(const std::string& store_path);

  absl::Status Create() const;
  // Of segment::SegmentPath and so on.
  std::string Stem(std::uint32_t collection, std::uint64_t segment) const;
  // Removes the files of a segment, as far as they are there.
  void Remove(const std::string& stem) const;
  // Removes every file of no stem in `kept`: what was being written when the process ended.
  void RemoveOthers(const std::set<std::string>& kept) const;
  // Returns when names of files that were written are on disk.
  absl::Status Sync() const;

 private:
  const std::string path_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_SEGMENT_FOLDER_H_
