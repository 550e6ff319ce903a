// What the store keeps on disk of a collection's segments: which there are, and which of their rows
// have gone since. Both follow from the other records; without them segments are made anew.
#ifndef RAGMESH_LIBS_VECTOR_STORE_PART_RECORDS_H_
#define RAGMESH_LIBS_VECTOR_STORE_PART_RECORDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ragmesh::vector_store {

struct SegmentRecord {
  std::uint64_t number = 0;  // in its collection, in the names of its files
  std::uint64_t digest = 0;  // Segment::digest, so that no other file passes for it
  bool operator==(const SegmentRecord&) const = default;
};

// The segments of a collection, in the order of its image.
struct PartsRecord {
  std::uint64_t sequence = 0;  // of the last write when it was made
  // Chunks and documents with lower numbers lie in the segments, as far as they were alive.
  std::uint64_t first_chunk = 0, first_document = 0;
  std::uint64_t next_segment = 1;
  std::vector<SegmentRecord> segments;
  bool operator==(const PartsRecord&) const = default;
};

std::string Encode(const PartsRecord& record);
// DATA_LOSS / CORRUPT_DATA on bytes that Encode did not make, FAILED_PRECONDITION / NEWER_FORMAT on
// a later layout.
absl::StatusOr<PartsRecord> DecodeParts(absl::string_view value);

// Keys of family `removed`: rows and documents of segments that have gone. Values are the chunk's
// index entry, and a counter with the document's number.
std::string RemovedChunkKey(std::uint32_t collection, std::uint64_t number);
std::string RemovedDocumentKey(std::uint32_t collection, std::uint64_t number);
struct RemovedItem {
  bool is_document = false;
  std::uint64_t number = 0;
};
absl::StatusOr<RemovedItem> ParseRemovedKey(absl::string_view key);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_PART_RECORDS_H_
