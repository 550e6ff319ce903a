#include "libs/document/block_writer.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::document {
namespace {

using stages::Block;
using stages::BlockKind;

constexpr std::size_t kSampleBytes = 32 << 10;
constexpr std::size_t kMaxHeaderBytes =
    16 << 10;  // each row carries the header, so a giant one is left out
constexpr std::size_t kMaxListed = 1000;
constexpr std::size_t kMaxWarnings = 100;
constexpr std::size_t kMaxWarningBytes = 300;

// The largest prefix of at most `limit` bytes that ends at white space, else at a code point.
std::size_t CutAt(absl::string_view text, std::size_t limit) {
  if (text.size() <= limit) return text.size();
  const std::size_t blank = text.find_last_of(" \n", limit);
  if (blank != absl::string_view::npos && blank > limit / 2) return blank;
  while (limit > 1 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
  return limit;
}

absl::string_view WithoutLeadingBlanks(absl::string_view text, bool code) {
  const absl::string_view blanks = code ? "\n" : " \n";
  const std::size_t first = text.find_first_not_of(blanks);
  return first == absl::string_view::npos ? absl::string_view() : text.substr(first);
}

absl::string_view WithoutTrailingBlanks(absl::string_view text) {
  const std::size_t last = text.find_last_not_of(" \n\t");
  return last == absl::string_view::npos ? absl::string_view() : text.substr(0, last + 1);
}

}  // namespace

BlockWriter::BlockWriter(const ParseLimits& limits, absl::FunctionRef<absl::Status(Block)> on_block)
    : limits_(limits), on_block_(on_block) {}

absl::Status BlockWriter::BeginPage() {
  EndTable();
  EndPage();
  if (page_ >= limits_.max_pages) {
    return LimitExceeded("document.pages", page_ + 1, limits_.max_pages, "pages",
                         "Split the document.");
  }
  ++page_;
  return absl::OkStatus();
}

void BlockWriter::EndPage() {
  if (page_ > 0 && !page_has_text_ && coverage_.empty_pages.size() < kMaxListed)
    coverage_.empty_pages.push_back(page_);
  page_has_text_ = false;
}

absl::Status BlockWriter::Heading(std::uint32_t level, absl::string_view text) {
  const std::string line = Normalise(text, TextForm::kLine);
  if (line.empty()) return absl::OkStatus();
  if (line.size() > kMaxHeadingBytes) return Paragraph(text);
  level = std::clamp<std::uint32_t>(level, 1, 6);
  while (!headings_.empty() && headings_.back().first >= level) headings_.pop_back();
  RAGMESH_RETURN_IF_ERROR(Write(BlockKind::kHeading, level, TextForm::kLine, line));
  headings_.emplace_back(level, line);
  if (first_heading_.empty()) first_heading_ = line;
  return absl::OkStatus();
}

absl::Status BlockWriter::Paragraph(absl::string_view text) {
  return Write(BlockKind::kParagraph, 0, TextForm::kProse, text);
}

absl::Status BlockWriter::ListItem(std::uint32_t level, absl::string_view text) {
  return Write(BlockKind::kListItem, std::max<std::uint32_t>(level, 1), TextForm::kProse, text);
}

absl::Status BlockWriter::Code(absl::string_view text) {
  return Write(BlockKind::kCode, 0, TextForm::kCode, text);
}

absl::Status BlockWriter::Write(BlockKind kind, std::uint32_t level, TextForm form,
                                absl::string_view raw) {
  const std::string normalised = Normalise(raw, form);
  absl::string_view rest = WithoutLeadingBlanks(normalised, form == TextForm::kCode);
  if (rest.empty()) return absl::OkStatus();
  EndTable();
  if (rest.size() > kMaxBlockBytes) {
    Warn(absl::StrCat("a piece of ", rest.size(), " bytes was cut into blocks of at most ",
                      kMaxBlockBytes));
  }
  while (!rest.empty()) {
    const std::size_t cut = CutAt(rest, kMaxBlockBytes);
    Block block;
    block.kind = kind;
    block.level = level;
    block.text = std::string(WithoutTrailingBlanks(rest.substr(0, cut)));
    rest = WithoutLeadingBlanks(rest.substr(cut), form == TextForm::kCode);
    if (!block.text.empty()) RAGMESH_RETURN_IF_ERROR(Emit(std::move(block)));
  }
  return absl::OkStatus();
}

void BlockWriter::BeginTable() {
  in_table_ = true;
  header_.clear();
  ++table_;
}

void BlockWriter::EndTable() {
  in_table_ = false;
  header_.clear();
}

absl::Status BlockWriter::Row(const std::vector<std::string>& raw_cells, bool is_header) {
  if (!in_table_) BeginTable();
  std::vector<std::string> cells;
  cells.reserve(raw_cells.size());
  bool blank = true;
  std::size_t bytes = 0;
  for (const std::string& raw : raw_cells) {
    cells.push_back(Normalise(raw, TextForm::kLine));
    blank = blank && cells.back().empty();
    bytes += cells.back().size() + 3;
  }
  if (blank) return absl::OkStatus();
  if (is_header) {
    header_ = bytes <= kMaxHeaderBytes ? cells : std::vector<std::string>();
  }
  if (bytes <= kMaxBlockBytes) return EmitRow(std::move(cells));

  // Every cell is cut into as many pieces as it takes; each piece stays in its column.
  Warn(absl::StrCat("a table row of ", bytes, " bytes was cut into rows of at most ",
                    kMaxBlockBytes));
  const std::size_t share = std::max<std::size_t>(kMaxBlockBytes / cells.size(), 8) - 4;
  std::vector<absl::string_view> rest(cells.begin(), cells.end());
  for (;;) {
    std::vector<std::string> piece;
    bool any = false;
    for (absl::string_view& cell : rest) {
      const std::size_t cut = CutAt(cell, share);
      piece.emplace_back(WithoutTrailingBlanks(cell.substr(0, cut)));
      cell = WithoutLeadingBlanks(cell.substr(cut), false);
      any = any || !piece.back().empty();
    }
    if (!any) return absl::OkStatus();
    RAGMESH_RETURN_IF_ERROR(EmitRow(std::move(piece)));
  }
}

absl::Status BlockWriter::EmitRow(std::vector<std::string> cells) {
  Block block;
  block.kind = BlockKind::kTableRow;
  block.table = table_;
  block.text = absl::StrJoin(cells, " | ");
  block.cells = std::move(cells);
  block.header_cells = header_;
  return Emit(std::move(block));
}

absl::Status BlockWriter::Emit(Block block) {
  const bool first = coverage_.blocks == 0;
  const std::uint64_t gap = first ? 0 : block.table != 0 && block.table == last_table_ ? 1 : 2;
  block.range.begin = end_ + gap;
  block.range.end = block.range.begin + block.text.size();
  if (block.range.end > limits_.max_text_bytes) {
    return LimitExceeded("document.text", static_cast<long long>(block.range.end),
                         static_cast<long long>(limits_.max_text_bytes), "bytes",
                         "Split the document.");
  }
  if (coverage_.blocks >= limits_.max_blocks) {
    return LimitExceeded("document.blocks", coverage_.blocks + 1LL, limits_.max_blocks, "blocks",
                         "Split the document.");
  }
  block.page = page_;
  for (const auto& [level, text] : headings_) block.heading_path.push_back(text);
  end_ = block.range.end;
  last_table_ = block.table;
  page_has_text_ = true;
  ++coverage_.blocks;
  coverage_.characters_out += gap;
  for (const char c : block.text)
    coverage_.characters_out += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  if (sample_.size() < kSampleBytes) {
    absl::StrAppend(&sample_, block.text.substr(0, CutAt(block.text, kSampleBytes)), "\n");
  }
  return on_block_(std::move(block));
}

void BlockWriter::Warn(std::string warning) {
  if (coverage_.warnings.size() >= kMaxWarnings) return;
  warning = Normalise(warning, TextForm::kLine);
  warning.resize(CutAt(warning, kMaxWarningBytes));
  coverage_.warnings.push_back(std::move(warning));
}

stages::Coverage BlockWriter::TakeCoverage() {
  EndPage();
  coverage_.pages = page_;
  return std::move(coverage_);
}

}  // namespace ragmesh::document
