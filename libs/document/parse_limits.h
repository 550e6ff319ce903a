// The bounds of parsing one document. Every bound that is met ends the parse with LIMIT_EXCEEDED.
#ifndef RAGMESH_LIBS_DOCUMENT_PARSE_LIMITS_H_
#define RAGMESH_LIBS_DOCUMENT_PARSE_LIMITS_H_

#include <cstdint>

namespace ragmesh::document {

struct ParseLimits {
  std::uint64_t max_text_bytes = 64 << 20;  // normalised text
  std::uint32_t max_pages = 10'000;         // pages, slides or sheets
  std::uint32_t max_blocks = 1'000'000;
  // Nesting of JSON; markup may be eight times as deep, since browsers accept that much.
  std::uint32_t max_json_depth = 64;
  std::uint32_t max_markup_depth = 512;
  // Zip containers: entries, sum of expanded sizes, and how much one entry of over 1 MiB may
  // expand.
  std::uint32_t max_zip_entries = 10'000;
  std::uint64_t max_zip_bytes = 512 << 20;
  std::uint32_t max_zip_ratio = 100;
};

// Longest text of one block. Longer pieces are cut at white space into several blocks of the same
// kind, so that no message between stages grows with the document.
inline constexpr std::size_t kMaxBlockBytes = 256 << 10;

// A longer heading is a paragraph: it would swamp the heading path of everything below it.
inline constexpr std::size_t kMaxHeadingBytes = 1000;

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_PARSE_LIMITS_H_
