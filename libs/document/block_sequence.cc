#include "libs/document/block_sequence.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/document/parse_limits.h"

namespace ragmesh::document {
namespace {

using stages::Block;
using stages::BlockKind;

bool IsBlankText(const std::string& text) {
  return text.find_first_not_of(" \n\t") == std::string::npos;
}

}  // namespace

absl::Status BlockSequence::Check(const Block& block) {
  const auto broken = [this](absl::string_view rule) {
    return absl::InternalError(absl::StrCat("block ", count_, " breaks a rule: ", rule));
  };
  const std::uint64_t gap = count_ == 0 ? 0 : block.table != 0 && block.table == table_ ? 1 : 2;
  if (block.range.begin != end_ + gap) return broken("its range does not follow the block before");
  if (block.range.end < block.range.begin || block.range.size() != block.text.size()) {
    return broken("its range has not the length of its text");
  }
  if (IsBlankText(block.text)) return broken("it is blank");
  if (block.text.size() > kMaxBlockBytes + 4) return broken("it is too long");
  if (block.page < page_) return broken("its page lies before the page of the block before");
  const bool row = block.kind == BlockKind::kTableRow;
  if (row != (block.table != 0)) return broken("rows, and only rows, belong to a table");
  if (row && absl::StrJoin(block.cells, " | ") != block.text)
    return broken("its text is not its cells");
  if (!row && (!block.cells.empty() || !block.header_cells.empty()))
    return broken("only rows have cells");
  if ((block.kind == BlockKind::kHeading) !=
      (block.level >= 1 && block.kind != BlockKind::kListItem)) {
    return broken("headings and list items, and only they, have a level");
  }
  if (block.kind == BlockKind::kHeading && block.level > 6)
    return broken("headings have six levels");
  if (block.kind == BlockKind::kListItem && block.level == 0)
    return broken("list items begin at level 1");
  ++count_;
  end_ = block.range.end;
  table_ = block.table;
  page_ = block.page;
  return absl::OkStatus();
}

std::string NormalisedText(const std::vector<Block>& blocks) {
  std::string text;
  std::uint32_t table = 0;
  for (const Block& block : blocks) {
    if (!text.empty()) text += block.table != 0 && block.table == table ? "\n" : "\n\n";
    text += block.text;
    table = block.table;
  }
  return text;
}

}  // namespace ragmesh::document
