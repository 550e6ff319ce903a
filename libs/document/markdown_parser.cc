// Markdown by md4c: CommonMark with tables, strikethrough, task lists and plain links. Mark-up
// goes, text stays; HTML blocks are read as HTML. A YAML front matter becomes properties.
#include <md4c.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/document/document_parser.h"
#include "libs/document/html_text.h"

namespace ragmesh::document {
namespace {

constexpr std::size_t kMaxFrontMatterBytes = 16 << 10;

// Receives md4c's callbacks.
class MarkdownReader {
 public:
  explicit MarkdownReader(BlockWriter& writer) : writer_(writer) {}

  absl::Status Read(absl::string_view text);

 private:
  static int OnEnterBlock(MD_BLOCKTYPE type, void* detail, void* self) {
    return static_cast<MarkdownReader*>(self)->Checked(
        static_cast<MarkdownReader*>(self)->EnterBlock(type, detail));
  }
  static int OnLeaveBlock(MD_BLOCKTYPE type, void*, void* self) {
    return static_cast<MarkdownReader*>(self)->Checked(
        static_cast<MarkdownReader*>(self)->LeaveBlock(type));
  }
  static int OnSpan(MD_SPANTYPE, void*, void*) { return 0; }
  static int OnText(MD_TEXTTYPE type, const MD_CHAR* text, MD_SIZE size, void* self) {
    static_cast<MarkdownReader*>(self)->Text(type, absl::string_view(text, size));
    return 0;
  }

  int Checked(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
    return status_.ok() ? 0 : 1;
  }

  absl::Status EnterBlock(MD_BLOCKTYPE type, void* detail);
  absl::Status LeaveBlock(MD_BLOCKTYPE type);
  void Text(MD_TEXTTYPE type, absl::string_view text);
  absl::Status FlushProse();

  BlockWriter& writer_;
  absl::Status status_;
  std::string text_;
  std::uint32_t depth_ = 0;
  std::uint32_t list_depth_ = 0;
  std::uint32_t item_depth_ = 0;
  std::uint32_t heading_ = 0;
  bool in_head_ = false;
  bool in_html_block_ = false;
  std::vector<std::string> row_;
};

absl::Status MarkdownReader::Read(absl::string_view text) {
  MD_PARSER parser = {};
  parser.flags = MD_DIALECT_GITHUB;
  parser.enter_block = &OnEnterBlock;
  parser.leave_block = &OnLeaveBlock;
  parser.enter_span = &OnSpan;
  parser.leave_span = &OnSpan;
  parser.text = &OnText;
  const int result = md_parse(text.data(), static_cast<MD_SIZE>(text.size()), &parser, this);
  if (!status_.ok()) return status_;
  if (result != 0) return Malformed("the Markdown parser gave up");
  return absl::OkStatus();
}

absl::Status MarkdownReader::EnterBlock(MD_BLOCKTYPE type, void* detail) {
  if (++depth_ > writer_.limits().max_markup_depth)
    return TooDeep("the Markdown", writer_.limits().max_markup_depth);
  switch (type) {
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
      RAGMESH_RETURN_IF_ERROR(FlushProse());
      ++list_depth_;
      break;
    case MD_BLOCK_LI:
      RAGMESH_RETURN_IF_ERROR(FlushProse());
      item_depth_ = list_depth_;
      break;
    case MD_BLOCK_H:
      RAGMESH_RETURN_IF_ERROR(FlushProse());
      heading_ = static_cast<MD_BLOCK_H_DETAIL*>(detail)->level;
      break;
    case MD_BLOCK_TABLE:
      RAGMESH_RETURN_IF_ERROR(FlushProse());
      writer_.BeginTable();
      break;
    case MD_BLOCK_HTML:
      RAGMESH_RETURN_IF_ERROR(FlushProse());
      in_html_block_ = true;
      break;
    case MD_BLOCK_THEAD:
      in_head_ = true;
      break;
    case MD_BLOCK_TR:
      row_.clear();
      break;
    default:
      RAGMESH_RETURN_IF_ERROR(FlushProse());
      break;
  }
  return absl::OkStatus();
}

absl::Status MarkdownReader::LeaveBlock(MD_BLOCKTYPE type) {
  --depth_;
  switch (type) {
    case MD_BLOCK_UL:
    case MD_BLOCK_OL:
      --list_depth_;
      break;
    case MD_BLOCK_LI:
      RAGMESH_RETURN_IF_ERROR(FlushProse());
      item_depth_ = list_depth_ - 1;
      break;
    case MD_BLOCK_H:
      RAGMESH_RETURN_IF_ERROR(writer_.Heading(heading_, std::exchange(text_, {})));
      heading_ = 0;
      break;
    case MD_BLOCK_CODE:
      return writer_.Code(std::exchange(text_, {}));
    case MD_BLOCK_HTML:
      in_html_block_ = false;
      return ReadHtml(std::exchange(text_, {}), writer_, nullptr);
    case MD_BLOCK_TD:
    case MD_BLOCK_TH:
      row_.push_back(std::exchange(text_, {}));
      break;
    case MD_BLOCK_TR:
      return writer_.Row(row_, in_head_);
    case MD_BLOCK_THEAD:
      in_head_ = false;
      break;
    case MD_BLOCK_TABLE:
      writer_.EndTable();
      break;
    default:
      return FlushProse();
  }
  return absl::OkStatus();
}

void MarkdownReader::Text(MD_TEXTTYPE type, absl::string_view text) {
  switch (type) {
    case MD_TEXT_BR:
      text_ += '\n';
      break;
    case MD_TEXT_SOFTBR:  // where the author's editor wrapped the line; the sentence goes on
      text_ += ' ';
      break;
    case MD_TEXT_ENTITY:
      text_ += DecodeEntity(text);
      break;
    case MD_TEXT_NULLCHAR:
      break;
    case MD_TEXT_HTML:
      // Inline HTML is mark-up around text that arrives by itself; a whole block of it is kept for
      // the HTML parser.
      if (in_html_block_) {
        absl::StrAppend(&text_, text);
      } else if (absl::StartsWithIgnoreCase(text, "<br")) {
        text_ += '\n';
      }
      break;
    default:
      absl::StrAppend(&text_, text);
      break;
  }
}

absl::Status MarkdownReader::FlushProse() {
  const std::string text = std::exchange(text_, {});
  if (text.empty()) return absl::OkStatus();
  if (item_depth_ > 0) return writer_.ListItem(item_depth_, text);
  return writer_.Paragraph(text);
}

// Cuts "---\nkey: value\n---\n" from the start of `text`. Only plain "key: value" lines become
// properties; the rest is not ours to interpret.
void TakeFrontMatter(absl::string_view* text, ParsedFacts* facts) {
  if (!absl::StartsWith(*text, "---\n") && !absl::StartsWith(*text, "---\r\n")) return;
  const std::size_t begin = text->find('\n') + 1;
  std::size_t end = text->substr(0, kMaxFrontMatterBytes).find("\n---", begin - 1);
  if (end == absl::string_view::npos) return;
  std::size_t line = begin;
  while (line < end) {
    const std::size_t stop = std::min(text->find('\n', line), end);
    const absl::string_view entry = text->substr(line, stop - line);
    const std::size_t colon = entry.find(':');
    if (colon != absl::string_view::npos && colon > 0 && entry[0] != ' ' && entry[0] != '#' &&
        entry[0] != '-') {
      absl::string_view value = absl::StripAsciiWhitespace(entry.substr(colon + 1));
      if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
          value.back() == value.front()) {
        value = value.substr(1, value.size() - 2);
      }
      if (!value.empty())
        facts->properties[std::string(entry.substr(0, colon))] = std::string(value);
    }
    line = stop + 1;
  }
  end = std::min(text->find('\n', end + 1), text->size() - 1) + 1;
  text->remove_prefix(end);
  if (const auto title = facts->properties.find("title"); title != facts->properties.end())
    facts->title = title->second;
}

}  // namespace

absl::Status ParseMarkdown(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts) {
  facts->parser = "md4c 0.4.8";
  absl::string_view text = input.bytes;
  TakeFrontMatter(&text, facts);
  return MarkdownReader(writer).Read(text);
}

}  // namespace ragmesh::document
