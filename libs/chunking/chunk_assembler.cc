#include "libs/chunking/chunk_assembler.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/check.h"
#include "libs/base/status_macros.h"

namespace ragmesh::chunking {
namespace {

using stages::Block;
using stages::BlockKind;
using stages::Chunk;

bool IsPrefix(const std::vector<std::string>& prefix, const std::vector<std::string>& path) {
  return prefix.size() <= path.size() && std::equal(prefix.begin(), prefix.end(), path.begin());
}

}  // namespace

ChunkAssembler::ChunkAssembler(const text::Tokenizer& tokenizer, const Budget& budget,
                               absl::FunctionRef<absl::Status(Chunk)> on_chunk)
    : tokenizer_(tokenizer), budget_(budget), on_chunk_(on_chunk) {}

absl::Status ChunkAssembler::Add(Block block, const CallContext& call) {
  auto facts = std::make_shared<BlockFacts>();
  facts->kind = block.kind;
  facts->page = block.page;
  facts->table = block.table;
  facts->level = block.level;
  facts->is_header_row = block.kind == BlockKind::kTableRow && block.cells == block.header_cells;
  facts->heading_path = std::move(block.heading_path);
  facts->header_cells = std::move(block.header_cells);

  if (text_.empty() && held_.empty()) text_begin_ = last_block_end_ = block.range.begin;
  text_.append(block.range.begin - last_block_end_, '\n');
  text_.append(block.text);
  last_block_end_ = block.range.end;

  if (StartsNewChunk(*facts)) RAGMESH_RETURN_IF_ERROR(Flush(call));
  const std::vector<Unit> units = UnitsOf(block, facts);
  if (units.empty()) return absl::OkStatus();
  // A block that would fit a chunk of its own is not torn apart to fill up the one before, unless
  // that one holds little: then the budget is better used by both.
  std::uint64_t tokens = 0;
  for (const Unit& unit : units) tokens += unit.tokens;
  if (!held_.empty() && !HoldsOnlyHeadings() && held_tokens_ + tokens > budget_.max_tokens &&
      held_tokens_ >= budget_.max_tokens / 3) {
    RAGMESH_RETURN_IF_ERROR(Flush(call));
  }
  for (const Unit& unit : units) RAGMESH_RETURN_IF_ERROR(AddUnit(unit, call));
  return absl::OkStatus();
}

absl::Status ChunkAssembler::Finish(const CallContext& call) { return Flush(call); }

bool ChunkAssembler::HoldsOnlyHeadings() const {
  return std::all_of(held_.begin(), held_.end(),
                     [](const Unit& unit) { return unit.block->kind == BlockKind::kHeading; });
}

bool ChunkAssembler::StartsNewChunk(const BlockFacts& block) const {
  if (held_.empty() || HoldsOnlyHeadings()) return false;
  const BlockFacts& last = *held_.back().block;
  if (block.table != last.table) return true;
  if (block.kind != BlockKind::kHeading) return false;
  const bool same_section = IsPrefix(held_.front().block->heading_path, block.heading_path);
  return !same_section || held_tokens_ > budget_.max_tokens / 4;
}

std::vector<ChunkAssembler::Unit> ChunkAssembler::UnitsOf(
    const Block& block, const std::shared_ptr<const BlockFacts>& facts) {
  std::vector<TextUnit> pieces;
  if (block.kind == BlockKind::kTableRow) {
    pieces = {{0, block.text.size()}};
  } else if (block.kind == BlockKind::kCode) {
    pieces = TextUnits::Lines(block.text);
  } else {
    pieces = text_units_.Sentences(block.text);
  }
  std::vector<text::Token> tokens;
  tokenizer_.Encode(block.text, &tokens);
  std::vector<Unit> units;
  units.reserve(pieces.size());
  std::size_t next = 0;
  for (const TextUnit& piece : pieces) {
    Unit unit{block.range.begin + piece.begin, block.range.begin + piece.end, 0, facts};
    while (next < tokens.size() && tokens[next].begin < piece.end) {
      ++next;
      ++unit.tokens;
    }
    units.push_back(std::move(unit));
  }
  return units;
}

absl::Status ChunkAssembler::AddUnit(const Unit& unit, const CallContext& call) {
  if (!held_.empty() && !Fits(unit)) {
    // A sentence that is too long for one chunk anyway begins right below its headings.
    if (HoldsOnlyHeadings() && unit.block->kind != BlockKind::kHeading &&
        unit.tokens > budget_.max_tokens * 3 / 4 && held_tokens_ < budget_.max_tokens / 2) {
      return AddInPieces(unit, call);
    }
    RAGMESH_RETURN_IF_ERROR(Flush(call));
  }
  if (held_.empty()) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    Start(unit);
    if (!Fits(unit) && overlap_begin_ < unit.begin) {  // rather no overlap than a torn sentence
      overlap_begin_ = unit.begin;
      held_tokens_ = static_cast<std::uint32_t>(tokenizer_.Count(context_));
    }
    if (!Fits(unit)) return AddInPieces(unit, call);
  }
  Hold(unit);
  return absl::OkStatus();
}

// Cuts a unit that is over the budget into the longest pieces that fit, at words where there are
// any.
absl::Status ChunkAssembler::AddInPieces(Unit unit, const CallContext& call) {
  while (unit.begin < unit.end) {
    if (held_.empty()) {
      RAGMESH_RETURN_IF_ERROR(call.Check());
      Start(unit);
      overlap_begin_ = unit.begin;
    }
    const std::uint64_t chunk_begin = overlap_begin_;
    const absl::string_view rest = Text(unit.begin, unit.end);
    // A token is rarely longer than 16 bytes, so this much is enough to look at; the search below
    // halves it until the count fits, then grows it again by words.
    std::size_t fits = 0;
    std::size_t too_long =
        std::min<std::size_t>(rest.size(), std::size_t{budget_.max_tokens} * 16) + 1;
    while (too_long - fits > 1) {
      std::size_t probe = text_units_.CutBefore(rest, fits + (too_long - fits) / 2);
      if (probe <= fits || probe >= too_long) {
        // No word ends in between: look at code points one by one from the middle.
        probe = fits + (too_long - fits) / 2;
        while (probe > fits && probe < rest.size() &&
               (static_cast<unsigned char>(rest[probe]) & 0xC0) == 0x80)
          --probe;
        if (probe <= fits) break;
      }
      if (CountWith(chunk_begin, unit.begin + probe) <= budget_.max_tokens) {
        fits = probe;
      } else {
        too_long = probe;
      }
    }
    if (fits == 0 && held_.empty())
      fits = text_units_.CutBefore(rest, 1);  // one code point over the budget
    if (fits == 0) {
      RAGMESH_RETURN_IF_ERROR(Flush(call));
      continue;
    }
    const std::size_t word_end = text_units_.CutBefore(rest, fits);
    if (fits < rest.size() && word_end < fits && word_end > fits / 2) fits = word_end;
    Unit piece = unit;
    piece.end = unit.begin + fits;
    while (piece.end > piece.begin + 1 && IsBlank(rest[piece.end - unit.begin - 1])) --piece.end;
    piece.tokens = static_cast<std::uint32_t>(tokenizer_.Count(Text(piece.begin, piece.end)));
    Hold(piece);
    unit.begin += fits;
    while (unit.begin < unit.end && IsBlank(*Text(unit.begin, unit.end).data())) ++unit.begin;
    if (unit.begin < unit.end) RAGMESH_RETURN_IF_ERROR(Flush(call));
  }
  return absl::OkStatus();
}

// Counts exactly only near the budget: far below it the sum over units cannot be so wrong.
bool ChunkAssembler::Fits(const Unit& unit) const {
  const std::uint64_t estimate = std::uint64_t{held_tokens_} + unit.tokens;
  if (!held_.empty() && estimate * 4 <= std::uint64_t{budget_.max_tokens} * 3) return true;
  if (estimate > std::uint64_t{budget_.max_tokens} * 2) return false;
  return CountWith(overlap_begin_, unit.end) <= budget_.max_tokens;
}

std::uint32_t ChunkAssembler::CountWith(std::uint64_t begin, std::uint64_t end) const {
  if (context_.empty()) return static_cast<std::uint32_t>(tokenizer_.Count(Text(begin, end)));
  return static_cast<std::uint32_t>(
      tokenizer_.Count(absl::StrCat(context_, "\n", Text(begin, end))));
}

void ChunkAssembler::Start(const Unit& unit) {
  context_ = ContextFor(*unit.block);
  overlap_begin_ = OverlapBefore(unit);
  held_tokens_ = CountWith(overlap_begin_, unit.begin);
  ForgetBefore(overlap_begin_);
}

void ChunkAssembler::Hold(const Unit& unit) {
  held_.push_back(unit);
  held_tokens_ += unit.tokens;
}

absl::Status ChunkAssembler::Flush(const CallContext& call) {
  if (held_.empty()) return absl::OkStatus();
  std::vector<Unit> units = std::move(held_);
  held_.clear();
  // The estimate is exact for tokenizers that never join across white space. For others, what turns
  // out too long is left for the next chunk. The first unit was counted exactly when it was taken.
  std::size_t count = units.size();
  std::uint32_t tokens = CountWith(overlap_begin_, units[count - 1].end);
  while (tokens > budget_.max_tokens && count > 1)
    tokens = CountWith(overlap_begin_, units[--count - 1].end);
  const auto rest = units.begin() + static_cast<std::ptrdiff_t>(count);
  previous_.assign(units.begin(), rest);
  units.erase(units.begin(), rest);
  RAGMESH_RETURN_IF_ERROR(EmitPrevious(tokens));
  held_tokens_ = 0;
  context_.clear();
  if (units.empty()) return absl::OkStatus();
  for (const Unit& unit : units) RAGMESH_RETURN_IF_ERROR(AddUnit(unit, call));
  return Flush(call);
}

absl::Status ChunkAssembler::EmitPrevious(std::uint32_t token_count) {
  const BlockFacts& first = *previous_.front().block;
  Chunk chunk;
  chunk.ordinal = ordinal_++;
  chunk.range = {previous_.front().begin, previous_.back().end};
  chunk.overlap_begin = overlap_begin_;
  chunk.text = std::string(Text(overlap_begin_, chunk.range.end));
  chunk.context = context_;
  chunk.heading_path = first.heading_path;
  chunk.page_begin = first.page;
  chunk.page_end = previous_.back().block->page;
  chunk.token_count = token_count;
  chunk.kind = first.kind;
  return on_chunk_(std::move(chunk));
}

std::string ChunkAssembler::ContextFor(const BlockFacts& block) const {
  const std::size_t quarter = budget_.max_tokens / 4;
  std::string context;
  if (budget_.carry_headings && !block.heading_path.empty()) {
    // The innermost headings say most, so the outermost go first.
    std::size_t first = 0;
    do {
      context = absl::StrJoin(block.heading_path.begin() + static_cast<std::ptrdiff_t>(first),
                              block.heading_path.end(), " > ");
    } while (tokenizer_.Count(context) > quarter && ++first < block.heading_path.size());
    context = CutToTokens(std::move(context), quarter);
  }
  if (block.kind == BlockKind::kTableRow && !block.header_cells.empty() && !block.is_header_row) {
    const std::string header = CutToTokens(absl::StrJoin(block.header_cells, " | "), quarter);
    if (!header.empty()) absl::StrAppend(&context, context.empty() ? "" : "\n", header);
  }
  return context;
}

std::string ChunkAssembler::CutToTokens(std::string text, std::size_t max_tokens) const {
  while (!text.empty()) {
    std::vector<text::Token> tokens;
    tokenizer_.Encode(text, &tokens);
    if (tokens.size() <= max_tokens) return text;
    std::size_t end = max_tokens == 0 ? 0 : tokens[max_tokens - 1].end;
    if (end >= text.size()) end = text.size() - 1;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
    while (end > 0 && IsBlank(text[end - 1])) --end;
    text.resize(end);
  }
  return text;
}

std::uint64_t ChunkAssembler::OverlapBefore(const Unit& unit) const {
  std::uint64_t begin = unit.begin;
  if (budget_.overlap_tokens == 0 || unit.block->table != 0 ||
      unit.block->kind == BlockKind::kHeading)
    return begin;
  std::uint32_t tokens = 0;
  for (auto it = previous_.rbegin(); it != previous_.rend(); ++it) {
    if (it->block->table != 0 || it->block->kind == BlockKind::kHeading ||
        it->block->heading_path != unit.block->heading_path || it->begin < text_begin_) {
      break;
    }
    tokens += it->tokens;
    if (tokens > budget_.overlap_tokens) break;
    begin = it->begin;
  }
  return begin;
}

void ChunkAssembler::ForgetBefore(std::uint64_t offset) {
  // Moving the rest down costs as much as it frees, so it waits until half of the text is not
  // needed.
  const std::uint64_t unneeded = offset - text_begin_;
  if (unneeded < text_.size() / 2) return;
  text_.erase(0, unneeded);
  text_begin_ = offset;
}

absl::string_view ChunkAssembler::Text(std::uint64_t begin, std::uint64_t end) const {
  RAGMESH_CHECK(text_begin_ <= begin && begin <= end && end <= text_begin_ + text_.size(),
                "a range outside the text");
  return absl::string_view(text_).substr(begin - text_begin_, end - begin);
}

}  // namespace ragmesh::chunking
