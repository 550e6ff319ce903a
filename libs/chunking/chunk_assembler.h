// The state of one split: what is held for the next chunk, and the rules that decide when it is
// complete.
#ifndef RAGMESH_LIBS_CHUNKING_CHUNK_ASSEMBLER_H_
#define RAGMESH_LIBS_CHUNKING_CHUNK_ASSEMBLER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "libs/base/call_context.h"
#include "libs/chunking/sized_tokens.h"
#include "libs/chunking/text_units.h"
#include "libs/stages/splitter.h"
#include "libs/text/tokenizer.h"

namespace ragmesh::chunking {

// Not thread-safe; lives for one Split call. Blocks must have been checked (ascending, gaps as
// documented).
class ChunkAssembler {
 public:
  struct Budget {
    std::uint32_t max_tokens = 200;
    std::uint32_t overlap_tokens = 0;
    bool carry_headings = true;
  };

  ChunkAssembler(const text::Tokenizer& tokenizer, const Budget& budget,
                 absl::FunctionRef<absl::Status(stages::Chunk)> on_chunk);

  // Takes the next block of the document; emits chunks that are complete.
  absl::Status Add(stages::Block block, const CallContext& call);

  // Emits what is held.
  absl::Status Finish(const CallContext& call);

 private:
  // What chunks need of a block after its text has been taken.
  struct BlockFacts {
    stages::BlockKind kind = stages::BlockKind::kParagraph;
    std::uint32_t page = 0;
    std::uint32_t table = 0;
    std::uint32_t level = 0;
    bool is_header_row = false;
    std::vector<std::string> heading_path;
    std::vector<std::string> header_cells;
  };
  // A sentence, line or row, by its range in the normalised text.
  struct Unit {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint32_t tokens = 0;  // as counted inside its block; the sum over units is an estimate
    std::shared_ptr<const BlockFacts> block;
  };

  bool StartsNewChunk(const BlockFacts& block) const;
  bool HoldsOnlyHeadings() const;
  std::vector<Unit> UnitsOf(const stages::Block& block,
                            const std::shared_ptr<const BlockFacts>& facts);
  absl::Status AddUnit(const Unit& unit, const CallContext& call);
  absl::Status AddInPieces(Unit unit, const CallContext& call);
  bool Fits(const Unit& unit) const;
  std::uint32_t CountWith(std::uint64_t begin, std::uint64_t end) const;
  void Start(const Unit& unit);
  void Hold(const Unit& unit);
  absl::Status Flush(const CallContext& call);
  absl::Status EmitPrevious(std::uint32_t token_count);
  std::string ContextFor(const BlockFacts& block) const;
  std::string CutToTokens(std::string text, std::size_t max_tokens) const;
  std::uint64_t OverlapBefore(const Unit& unit) const;
  void ForgetBefore(std::uint64_t offset);
  absl::string_view Text(std::uint64_t begin, std::uint64_t end) const;

  const SizedTokens tokenizer_;
  const Budget budget_;
  const absl::FunctionRef<absl::Status(stages::Chunk)> on_chunk_;
  TextUnits text_units_;

  // The normalised text from text_begin_ on: the last chunk's tail, the held units, and the block
  // being added.
  std::string text_;
  std::uint64_t text_begin_ = 0;
  std::uint64_t last_block_end_ = 0;

  std::vector<Unit> held_;           // of the chunk being built
  std::uint32_t held_tokens_ = 0;    // estimate: context, overlap and held units
  std::uint64_t overlap_begin_ = 0;  // of the chunk being built
  std::string context_;
  std::vector<Unit> previous_;  // of the chunk emitted last, for overlap
  std::uint32_t ordinal_ = 0;
};

}  // namespace ragmesh::chunking

#endif  // RAGMESH_LIBS_CHUNKING_CHUNK_ASSEMBLER_H_
