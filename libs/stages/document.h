// The words of the domain: document, block, chunk.
//
// A document's *normalised text* is UTF-8, NFC. It is made of the texts of its blocks at their byte
// ranges, in order, with "\n\n" between two blocks ("\n" between rows of one table). Every offset
// in ragmesh is a byte offset into it.
#ifndef RAGMESH_LIBS_STAGES_DOCUMENT_H_
#define RAGMESH_LIBS_STAGES_DOCUMENT_H_

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "libs/stages/byte_range.h"

namespace ragmesh::stages {

enum class BlockKind { kHeading, kParagraph, kListItem, kTableRow, kCode };

struct Block {
  BlockKind kind = BlockKind::kParagraph;
  std::string text;         // normalised, never blank
  ByteRange range;          // of `text` in the normalised text; range.size() == text.size()
  std::uint32_t page = 0;   // first page, slide or sheet, from 1; 0 when the format has none
  std::uint32_t level = 0;  // headings 1-6, list items 1 = outermost, else 0
  std::vector<std::string> heading_path;  // headings above this block, outermost first
  std::uint32_t table = 0;         // rows of one table share a number, from 1; 0 outside tables
  std::vector<std::string> cells;  // kTableRow: normalised cell texts; `text` joins them with " | "
  std::vector<std::string>
      header_cells;  // kTableRow: the table's header row, empty when it has none

  bool operator==(const Block&) const = default;
};

// What parsing got out of the bytes, so that silent loss shows.
struct Coverage {
  std::uint64_t bytes_in = 0;
  std::uint64_t characters_out = 0;        // Unicode code points in the normalised text
  std::uint32_t pages = 0;                 // 0 when the format has none
  std::vector<std::uint32_t> empty_pages;  // pages without any text, from 1, at most 1000 listed
  std::uint32_t blocks = 0;
  std::vector<std::string> warnings;  // "page 3: 12 characters had no Unicode mapping"; at most 100
};

struct DocumentInfo {
  std::string sha256;         // of the bytes as received
  std::string media_type;     // sniffed, for example "application/pdf"
  std::string title;          // from the document itself, else its first heading, else its name
  std::string language;       // BCP 47 primary tag, "en"; empty when not determined
  std::string parser;         // name and version: "pdfium 7869", "md4c 0.4.8"
  std::string normalisation;  // name and version of the normalisation step: "ragmesh-text-1"
  std::map<std::string, std::string>
      properties;  // author, created, ... as the file states them; untrusted
  Coverage coverage;
};

// A piece of a document sized for the embedder.
struct Chunk {
  std::uint32_t ordinal = 0;  // position in the document, from 0
  // Bytes this chunk alone owns. Over all chunks of a document the ranges are disjoint, ascending,
  // and cover every non-blank byte.
  ByteRange range;
  // Start of the overlap with earlier chunks: `text` is the normalised text over [overlap_begin,
  // range.end).
  std::uint64_t overlap_begin = 0;
  std::string text;
  // Carried from elsewhere in the document so that the chunk can be understood alone: the heading
  // path joined by " > ", and for a table its header row. Embedded and indexed with `text`, never
  // cited.
  std::string context;
  std::vector<std::string> heading_path;
  std::uint32_t page_begin = 0;  // first and last page touched by `range`; 0 when there are none
  std::uint32_t page_end = 0;
  std::uint32_t token_count = 0;           // of EmbeddingText(chunk), special tokens excluded
  BlockKind kind = BlockKind::kParagraph;  // of the chunk's first block

  bool operator==(const Chunk&) const = default;
};

// What an encoder sees of a chunk.
inline std::string EmbeddingText(const Chunk& chunk) {
  return chunk.context.empty() ? chunk.text : chunk.context + "\n" + chunk.text;
}

// A typed metadata value.
using MetadataValue =
    std::variant<std::string, std::int64_t, double, bool, absl::Time, std::vector<std::string>>;
using Metadata = std::map<std::string, MetadataValue>;

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_DOCUMENT_H_
