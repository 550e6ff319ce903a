// The bounds of the store, in one place. Info reports them.
#ifndef RAGMESH_LIBS_VECTOR_STORE_LIMITS_H_
#define RAGMESH_LIBS_VECTOR_STORE_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace ragmesh::vector_store {

inline constexpr std::size_t kMaxIdBytes = 512;
inline constexpr std::size_t kMaxNameBytes = 4096;       // name, uri, title, description
inline constexpr std::size_t kMaxTextBytes = 64u << 20;  // of one document
inline constexpr std::size_t kMaxChunkBytes = 1u << 20;  // text and context of one chunk
// A whole document of kMaxTextBytes, at 700 bytes a chunk.
inline constexpr std::size_t kMaxChunksPerWrite = 100'000;
// Texts, contexts, vectors and tokens of one write.
inline constexpr std::size_t kMaxWriteBytes = 256u << 20;
inline constexpr std::size_t kMaxTokenBytesPerAnswer = 32u << 20;
inline constexpr std::size_t kMaxMetadataFields = 64;
inline constexpr std::size_t kMaxMetadataBytes = 64u << 10;  // of all names and values
inline constexpr std::size_t kMaxLabels = 64;                // of one document
inline constexpr std::size_t kMaxLabelBytes = 128;
inline constexpr std::size_t kMaxPrincipalLabels = 1024;  // of one reader
inline constexpr std::size_t kMaxProperties = 256;        // of DocumentInfo
inline constexpr std::size_t kMaxWarnings = 1000;         // of Coverage, and empty pages listed
inline constexpr std::size_t kMaxQueryBytes = 32u << 10;
inline constexpr std::size_t kMaxIdsPerCall = 10'000;  // reads and deletes by id
inline constexpr std::uint32_t kMaxTopK = 10'000;
inline constexpr std::uint32_t kMaxDiverse = 1000;  // hits, and what they are chosen from
inline constexpr std::uint32_t kMaxNeighbours = 8;  // on each side of a hit
inline constexpr std::uint32_t kMaxNeighboursPerAnswer = 10'000;
inline constexpr std::uint32_t kMaxDimension = 4096;
inline constexpr std::uint32_t kMaxPageSize = 1000;
inline constexpr std::size_t kMaxCollections = 10'000;
inline constexpr std::size_t kMaxIdempotencyKeyBytes = 128;
inline constexpr std::size_t kMaxReplays = 10'000;  // idempotency keys of a collection
inline constexpr std::uint64_t kMaxRetentionSeconds = std::uint64_t{100} * 366 * 24 * 3600;
inline constexpr absl::Duration kReplayTime = absl::Hours(24);  // for which each is kept

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_LIMITS_H_
