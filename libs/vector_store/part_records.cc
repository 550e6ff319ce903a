#include "libs/vector_store/part_records.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/binary_codec.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint8_t kPartsVersion = 1;
constexpr char kChunkTag = 'c', kDocumentTag = 'd';

// collection u32 | tag | number u64, as in ItemKey.
std::string RemovedKey(std::uint32_t collection, char tag, std::uint64_t number) {
  std::string key = ItemKey(collection, number);
  key.insert(key.begin() + 4, tag);
  return key;
}

}  // namespace

std::string Encode(const PartsRecord& record) {
  BinaryWriter out;
  out.U64(record.sequence);
  out.U64(record.first_chunk);
  out.U64(record.first_document);
  out.U64(record.next_segment);
  out.Varint(record.segments.size());
  for (const SegmentRecord& segment : record.segments) {
    out.U64(segment.number);
    out.U64(segment.digest);
  }
  return Seal(RecordKind::kParts, kPartsVersion, out.bytes());
}

absl::StatusOr<PartsRecord> DecodeParts(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kParts, kPartsVersion, value));
  BinaryReader in(payload);
  PartsRecord record;
  record.sequence = in.U64();
  record.first_chunk = in.U64();
  record.first_document = in.U64();
  record.next_segment = in.U64();
  const std::size_t count = in.Count(16);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    SegmentRecord segment;
    segment.number = in.U64();
    segment.digest = in.U64();
    record.segments.push_back(segment);
  }
  if (in.failed() || !in.at_end()) return Corrupt("parts record", "does not follow its layout");
  return record;
}

std::string RemovedChunkKey(std::uint32_t collection, std::uint64_t number) {
  return RemovedKey(collection, kChunkTag, number);
}

std::string RemovedDocumentKey(std::uint32_t collection, std::uint64_t number) {
  return RemovedKey(collection, kDocumentTag, number);
}

absl::StatusOr<RemovedItem> ParseRemovedKey(absl::string_view key) {
  if (key.size() != 13 || (key[4] != kChunkTag && key[4] != kDocumentTag))
    return Corrupt("key of a removed item", "does not follow its layout");
  std::string item(key);
  item.erase(4, 1);
  RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t number, ParseItemNumber(item));
  return RemovedItem{key[4] == kDocumentTag, number};
}

}  // namespace ragmesh::vector_store
