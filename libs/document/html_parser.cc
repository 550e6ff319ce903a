// HTML by gumbo. The tree is walked with a stack of its own, so depth cannot overflow ours, and
// lives in an arena that is freed at once, because gumbo's own destructor recurses.
//
// Left out: scripts, styles, templates, and what the page hides (hidden, display:none). Navigation
// is left out when the page marks its main content; the coverage report says how much that was.
// Everything else a reader sees is kept.
#include <gumbo.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/status_macros.h"
#include "libs/document/document_parser.h"
#include "libs/document/html_text.h"

namespace ragmesh::document {
namespace {

constexpr std::uint32_t kMaxSpan = 100;  // columns a cell may span

// Memory of one tree. Blocks are kept in a list; nothing is given back before the end.
class Arena {
 public:
  ~Arena() {
    for (void* block : blocks_) std::free(block);
  }
  static void* Allocate(void* arena, std::size_t size) {
    return static_cast<Arena*>(arena)->Take(size);
  }
  static void Deallocate(void*, void*) {}

 private:
  void* Take(std::size_t size) {
    size = (size + 15) & ~std::size_t{15};
    if (size > kBlockBytes / 4) return NewBlock(size);
    if (left_ < size) {
      next_ = static_cast<char*>(NewBlock(kBlockBytes));
      left_ = kBlockBytes;
    }
    char* taken = next_;
    next_ += size;
    left_ -= size;
    return taken;
  }
  void* NewBlock(std::size_t size) {
    void* block = std::malloc(size);
    if (block == nullptr) std::abort();  // the address space of the parser process is spent
    blocks_.push_back(block);
    return block;
  }

  static constexpr std::size_t kBlockBytes = 1 << 20;
  std::vector<void*> blocks_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
};

absl::string_view Attribute(const GumboNode* node, const char* name) {
  const GumboAttribute* attribute = gumbo_get_attribute(&node->v.element.attributes, name);
  return attribute == nullptr ? absl::string_view() : absl::string_view(attribute->value);
}

bool HasAttribute(const GumboNode* node, const char* name) {
  return gumbo_get_attribute(&node->v.element.attributes, name) != nullptr;
}

bool IsElement(const GumboNode* node) {
  return node->type == GUMBO_NODE_ELEMENT || node->type == GUMBO_NODE_TEMPLATE;
}

GumboTag TagOf(const GumboNode* node) {
  return IsElement(node) ? node->v.element.tag : GUMBO_TAG_UNKNOWN;
}

bool IsHidden(const GumboNode* node) {
  if (HasAttribute(node, "hidden")) return true;
  const std::string style = absl::StrReplaceAll(
      absl::AsciiStrToLower(Attribute(node, "style").substr(0, 4096)), {{" ", ""}});
  return absl::StrContains(style, "display:none") || absl::StrContains(style, "visibility:hidden");
}

bool IsNeverShown(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_HEAD:
    case GUMBO_TAG_NOFRAMES:
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
    case GUMBO_TAG_AUDIO:
    case GUMBO_TAG_VIDEO:
    case GUMBO_TAG_CANVAS:
    case GUMBO_TAG_DATALIST:
      return true;
    default:
      return false;
  }
}

// Elements that stay inside a line of text. All others end the paragraph before and after them.
bool IsInline(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_A:
    case GUMBO_TAG_ABBR:
    case GUMBO_TAG_ACRONYM:
    case GUMBO_TAG_B:
    case GUMBO_TAG_BDI:
    case GUMBO_TAG_BDO:
    case GUMBO_TAG_BIG:
    case GUMBO_TAG_BUTTON:
    case GUMBO_TAG_CITE:
    case GUMBO_TAG_CODE:
    case GUMBO_TAG_DATA:
    case GUMBO_TAG_DEL:
    case GUMBO_TAG_DFN:
    case GUMBO_TAG_EM:
    case GUMBO_TAG_FONT:
    case GUMBO_TAG_I:
    case GUMBO_TAG_IMG:
    case GUMBO_TAG_INPUT:
    case GUMBO_TAG_INS:
    case GUMBO_TAG_KBD:
    case GUMBO_TAG_LABEL:
    case GUMBO_TAG_MARK:
    case GUMBO_TAG_METER:
    case GUMBO_TAG_NOBR:
    case GUMBO_TAG_OUTPUT:
    case GUMBO_TAG_PROGRESS:
    case GUMBO_TAG_Q:
    case GUMBO_TAG_RUBY:
    case GUMBO_TAG_S:
    case GUMBO_TAG_SAMP:
    case GUMBO_TAG_SMALL:
    case GUMBO_TAG_SPAN:
    case GUMBO_TAG_STRIKE:
    case GUMBO_TAG_STRONG:
    case GUMBO_TAG_SUB:
    case GUMBO_TAG_SUP:
    case GUMBO_TAG_TIME:
    case GUMBO_TAG_TT:
    case GUMBO_TAG_U:
    case GUMBO_TAG_VAR:
    case GUMBO_TAG_WBR:
    case GUMBO_TAG_UNKNOWN:
      return true;
    default:
      return false;
  }
}

std::uint32_t HeadingLevel(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_H1:
      return 1;
    case GUMBO_TAG_H2:
      return 2;
    case GUMBO_TAG_H3:
      return 3;
    case GUMBO_TAG_H4:
      return 4;
    case GUMBO_TAG_H5:
      return 5;
    case GUMBO_TAG_H6:
      return 6;
    default:
      return 0;
  }
}

// Calls `visit` for every node of the tree below `root`, parents first, until it returns false.
template <typename F>
void Visit(const GumboNode* root, F visit) {
  std::vector<const GumboNode*> stack = {root};
  while (!stack.empty()) {
    const GumboNode* node = stack.back();
    stack.pop_back();
    if (!visit(node)) return;
    if (!IsElement(node)) continue;
    const GumboVector& children = node->v.element.children;
    for (unsigned i = children.length; i > 0; --i)
      stack.push_back(static_cast<const GumboNode*>(children.data[i - 1]));
  }
}

// A table used for layout: it holds headings or tables of its own, which rows of cells could not
// show.
bool IsLayoutTable(const GumboNode* table) {
  bool layout = false;
  Visit(table, [&](const GumboNode* node) {
    const GumboTag tag = TagOf(node);
    layout = layout || HeadingLevel(tag) > 0 || (node != table && tag == GUMBO_TAG_TABLE);
    return !layout;
  });
  return layout;
}

std::uint32_t Span(const GumboNode* cell, const char* name) {
  std::uint32_t span = 1;
  if (!absl::SimpleAtoi(Attribute(cell, name), &span) || span == 0) return 1;
  return std::min(span, kMaxSpan);
}

// The state of a table being read.
struct TableState {
  bool all_header = true;  // every cell of the row is <th>
  bool in_head = false;
  bool any_row = false;
  std::vector<std::string> row;
  std::string cell;
  bool in_cell = false;
  std::uint32_t column_span = 1;
  std::uint32_t row_span = 1;
  std::vector<std::uint32_t> open_rows;  // per column, rows still covered by a cell above
};

class TreeReader {
 public:
  explicit TreeReader(BlockWriter& writer) : writer_(writer) {}

  absl::Status Read(const GumboNode* root);
  std::string title;

 private:
  struct Frame {
    const GumboNode* node = nullptr;
    unsigned next = 0;
    bool is_table = false;
  };

  absl::Status Enter(const GumboNode* node);
  absl::Status Leave(const Frame& frame);
  void AddText(absl::string_view text);
  absl::Status Flush();
  void PadSpannedColumns();
  absl::Status EndRow();

  BlockWriter& writer_;
  std::vector<Frame> stack_;
  std::string text_;
  std::uint32_t heading_ = 0;
  std::uint32_t list_depth_ = 0;
  std::uint32_t item_depth_ = 0;
  std::uint32_t pre_depth_ = 0;
  std::vector<TableState> tables_;  // at most one: inner tables make the outer a layout
  bool has_main_ = false;
  std::size_t hidden_bytes_ = 0;
  std::size_t navigation_bytes_ = 0;
};

std::size_t TextBytes(const GumboNode* root) {
  std::size_t bytes = 0;
  Visit(root, [&](const GumboNode* node) {
    if (node->type == GUMBO_NODE_TEXT) bytes += std::strlen(node->v.text.text);
    return true;
  });
  return bytes;
}

absl::Status TreeReader::Read(const GumboNode* root) {
  Visit(root, [&](const GumboNode* node) {
    const GumboTag tag = TagOf(node);
    has_main_ = has_main_ || tag == GUMBO_TAG_MAIN || tag == GUMBO_TAG_ARTICLE;
    if (tag == GUMBO_TAG_TITLE && title.empty() && node->v.element.children.length > 0) {
      const auto* child = static_cast<const GumboNode*>(node->v.element.children.data[0]);
      if (child->type == GUMBO_NODE_TEXT) title = child->v.text.text;
    }
    return true;
  });
  stack_.push_back({root, 0, false});
  while (!stack_.empty()) {
    Frame& frame = stack_.back();
    const GumboVector& children = frame.node->v.element.children;
    if (frame.next == children.length) {
      const Frame done = frame;
      stack_.pop_back();
      RAGMESH_RETURN_IF_ERROR(Leave(done));
      continue;
    }
    const auto* child = static_cast<const GumboNode*>(children.data[frame.next++]);
    if (child->type == GUMBO_NODE_TEXT || child->type == GUMBO_NODE_WHITESPACE ||
        child->type == GUMBO_NODE_CDATA) {
      AddText(child->v.text.text);
      continue;
    }
    if (!IsElement(child)) continue;
    if (stack_.size() >= writer_.limits().max_markup_depth) {
      return TooDeep("the HTML", writer_.limits().max_markup_depth);
    }
    RAGMESH_RETURN_IF_ERROR(Enter(child));
  }
  RAGMESH_RETURN_IF_ERROR(Flush());
  if (hidden_bytes_ > 0)
    writer_.Warn(absl::StrCat(hidden_bytes_, " bytes of hidden text were left out"));
  if (navigation_bytes_ > 0)
    writer_.Warn(absl::StrCat(navigation_bytes_, " bytes of navigation were left out"));
  return absl::OkStatus();
}

absl::Status TreeReader::Enter(const GumboNode* node) {
  const GumboTag tag = TagOf(node);
  if (IsNeverShown(tag) || node->type == GUMBO_NODE_TEMPLATE) return absl::OkStatus();
  if (IsHidden(node)) {
    hidden_bytes_ += TextBytes(node);
    return absl::OkStatus();
  }
  if (tag == GUMBO_TAG_NAV && has_main_) {
    navigation_bytes_ += TextBytes(node);
    return absl::OkStatus();
  }
  Frame frame{node, 0, false};
  TableState* table = tables_.empty() ? nullptr : &tables_.back();
  if (tag == GUMBO_TAG_BR) {
    if (table != nullptr && table->in_cell) {
      table->cell += ' ';
    } else {
      text_ += '\n';
    }
  } else if (!IsInline(tag)) {
    RAGMESH_RETURN_IF_ERROR(Flush());
  }
  if (const std::uint32_t level = HeadingLevel(tag); level > 0) heading_ = level;
  switch (tag) {
    case GUMBO_TAG_UL:
    case GUMBO_TAG_OL:
    case GUMBO_TAG_MENU:
      ++list_depth_;
      break;
    case GUMBO_TAG_LI:
      item_depth_ = std::max(list_depth_, 1u);
      break;
    case GUMBO_TAG_PRE:
    case GUMBO_TAG_TEXTAREA:
      ++pre_depth_;
      break;
    case GUMBO_TAG_TABLE:
      if (tables_.empty() && !IsLayoutTable(node)) {
        frame.is_table = true;
        tables_.emplace_back();
        writer_.BeginTable();
      }
      break;
    case GUMBO_TAG_THEAD:
      if (table != nullptr) table->in_head = true;
      break;
    case GUMBO_TAG_TD:
    case GUMBO_TAG_TH:
      if (table != nullptr) {
        PadSpannedColumns();
        table->in_cell = true;
        table->cell.clear();
        table->column_span = Span(node, "colspan");
        table->row_span = Span(node, "rowspan");
        if (tag == GUMBO_TAG_TD) table->all_header = false;
      }
      break;
    default:
      break;
  }
  stack_.push_back(frame);
  return absl::OkStatus();
}

absl::Status TreeReader::Leave(const Frame& frame) {
  const GumboTag tag = TagOf(frame.node);
  TableState* table = tables_.empty() ? nullptr : &tables_.back();
  if (!IsInline(tag)) RAGMESH_RETURN_IF_ERROR(Flush());
  if (HeadingLevel(tag) > 0) heading_ = 0;
  switch (tag) {
    case GUMBO_TAG_UL:
    case GUMBO_TAG_OL:
    case GUMBO_TAG_MENU:
      --list_depth_;
      item_depth_ = std::min(item_depth_, list_depth_);
      break;
    case GUMBO_TAG_LI:
      item_depth_ = list_depth_ > 1 ? list_depth_ - 1 : 0;
      break;
    case GUMBO_TAG_PRE:
    case GUMBO_TAG_TEXTAREA:
      --pre_depth_;
      break;
    case GUMBO_TAG_THEAD:
      if (table != nullptr) table->in_head = false;
      break;
    case GUMBO_TAG_TD:
    case GUMBO_TAG_TH:
      if (table != nullptr) {
        table->in_cell = false;
        for (std::uint32_t i = 0; i < table->column_span; ++i) {
          if (table->open_rows.size() <= table->row.size())
            table->open_rows.resize(table->row.size() + 1);
          table->open_rows[table->row.size()] = table->row_span;
          table->row.push_back(i == 0 ? table->cell : "");
        }
      }
      break;
    case GUMBO_TAG_TR:
      if (table != nullptr) RAGMESH_RETURN_IF_ERROR(EndRow());
      break;
    case GUMBO_TAG_TABLE:
      if (frame.is_table) {
        tables_.pop_back();
        writer_.EndTable();
      }
      break;
    default:
      break;
  }
  return absl::OkStatus();
}

// Puts empty cells where a cell of a row above reaches down.
void TreeReader::PadSpannedColumns() {
  TableState& table = tables_.back();
  while (table.row.size() < table.open_rows.size() && table.open_rows[table.row.size()] > 0)
    table.row.emplace_back();
}

absl::Status TreeReader::EndRow() {
  TableState& table = tables_.back();
  PadSpannedColumns();
  const bool header = !table.any_row && (table.in_head || table.all_header);
  const std::vector<std::string> row = std::exchange(table.row, {});
  for (std::uint32_t& rows : table.open_rows) rows -= rows > 0 ? 1 : 0;
  table.all_header = true;
  table.any_row = true;
  return writer_.Row(row, header);
}

void TreeReader::AddText(absl::string_view text) {
  if (!tables_.empty() && tables_.back().in_cell) {
    absl::StrAppend(&tables_.back().cell, text);
  } else if (pre_depth_ > 0) {
    absl::StrAppend(&text_, text);
  } else {
    // In HTML a line break is white space like any other.
    for (const char c : text) text_.push_back(c == '\n' || c == '\r' || c == '\f' ? ' ' : c);
  }
}

absl::Status TreeReader::Flush() {
  if (!tables_.empty() && tables_.back().in_cell) {
    tables_.back().cell += ' ';
    return absl::OkStatus();
  }
  if (absl::StripAsciiWhitespace(text_).empty()) {
    text_.clear();
    return absl::OkStatus();
  }
  const std::string text = std::exchange(text_, {});
  // Text of a table outside its cells, such as the caption, ends the rows before it.
  if (heading_ > 0) return writer_.Heading(heading_, text);
  if (pre_depth_ > 0) return writer_.Code(text);
  if (item_depth_ > 0) return writer_.ListItem(item_depth_, text);
  return writer_.Paragraph(text);
}

}  // namespace

absl::Status ReadHtml(absl::string_view html, BlockWriter& writer, std::string* title) {
  Arena arena;
  GumboOptions options = kGumboDefaultOptions;
  options.allocator = &Arena::Allocate;
  options.deallocator = &Arena::Deallocate;
  options.userdata = &arena;
  options.max_errors = 0;
  const GumboOutput* output = gumbo_parse_with_options(&options, html.data(), html.size());
  TreeReader reader(writer);
  RAGMESH_RETURN_IF_ERROR(reader.Read(output->root));
  if (title != nullptr) *title = reader.title;
  return absl::OkStatus();
}

std::string DecodeEntity(absl::string_view entity) {
  Arena arena;
  GumboOptions options = kGumboDefaultOptions;
  options.allocator = &Arena::Allocate;
  options.deallocator = &Arena::Deallocate;
  options.userdata = &arena;
  const std::string page = absl::StrCat("<body>", entity);
  const GumboOutput* output = gumbo_parse_with_options(&options, page.data(), page.size());
  std::string text;
  Visit(output->root, [&](const GumboNode* node) {
    if (node->type == GUMBO_NODE_TEXT || node->type == GUMBO_NODE_WHITESPACE)
      text += node->v.text.text;
    return true;
  });
  return text;
}

absl::Status ParseHtml(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts) {
  facts->parser = "gumbo 0.10";
  return ReadHtml(input.bytes, writer, &facts->title);
}

}  // namespace ragmesh::document
