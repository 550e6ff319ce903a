// What tests of the splitter share: a tokenizer that needs no vocabulary, documents made of blocks,
// and the coverage rule.
#ifndef RAGMESH_TESTS_UNIT_CHUNKING_SPLIT_FIXTURE_H_
#define RAGMESH_TESTS_UNIT_CHUNKING_SPLIT_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/chunking/recursive_splitter.h"

namespace ragmesh::chunking {

// Words of letters and digits cut every 6 bytes at a code point; any other non-blank code point is
// a token.
class PieceTokenizer final : public text::Tokenizer {
 public:
  void Encode(absl::string_view text, std::vector<text::Token>* tokens) const override {
    const auto is_word = [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || (c & 0x80);
    };
    std::uint32_t i = 0;
    while (i < text.size()) {
      if (std::isspace(static_cast<unsigned char>(text[i]))) {
        ++i;
        continue;
      }
      const std::uint32_t begin = i++;
      while (is_word(text[begin]) && i < text.size() && is_word(text[i]) && i - begin < 6) ++i;
      while (i < text.size() && (text[i] & 0xC0) == 0x80) ++i;
      tokens->push_back({0, begin, i});
    }
  }
};

// Lays blocks out in a normalised text as stages/document.h says.
class DocumentUnderTest {
 public:
  DocumentUnderTest& Add(stages::BlockKind kind, std::string text, std::uint32_t level = 0,
                         std::uint32_t page = 0) {
    stages::Block block;
    block.kind = kind;
    block.text = std::move(text);
    block.page = page;
    block.level = level;
    if (kind == stages::BlockKind::kHeading) {
      headings_.resize(std::min<std::size_t>(headings_.size(), level - 1));
      block.heading_path = headings_;
      headings_.push_back(block.text);
    } else {
      block.heading_path = headings_;
    }
    return Append(std::move(block));
  }
  DocumentUnderTest& Row(std::uint32_t table, std::vector<std::string> cells,
                         std::vector<std::string> header = {}) {
    stages::Block block;
    block.kind = stages::BlockKind::kTableRow;
    for (std::size_t i = 0; i < cells.size(); ++i) block.text += (i == 0 ? "" : " | ") + cells[i];
    block.table = table;
    block.cells = std::move(cells);
    block.header_cells = std::move(header);
    block.heading_path = headings_;
    return Append(std::move(block));
  }

  const std::string& text() const { return text_; }
  const std::vector<stages::Block>& blocks() const { return blocks_; }

 private:
  DocumentUnderTest& Append(stages::Block block) {
    if (!blocks_.empty())
      text_ += block.table != 0 && block.table == blocks_.back().table ? "\n" : "\n\n";
    block.range.begin = text_.size();
    text_ += block.text;
    block.range.end = text_.size();
    blocks_.push_back(std::move(block));
    return *this;
  }

  std::string text_;
  std::vector<stages::Block> blocks_;
  std::vector<std::string> headings_;
};

inline absl::StatusOr<std::vector<stages::Chunk>> SplitBlocks(
    RecursiveSplitter& splitter, const std::vector<stages::Block>& blocks,
    const stages::RecursiveSplit& options,
    const CallContext& call = CallContext(absl::InfiniteFuture())) {
  std::vector<stages::Chunk> chunks;
  std::size_t next = 0;
  const absl::Status status = splitter.Split(
      {options},
      [&]() -> absl::StatusOr<std::optional<stages::Block>> {
        if (next == blocks.size()) return std::nullopt;
        return blocks[next++];
      },
      [&](stages::Chunk chunk) {
        chunks.push_back(std::move(chunk));
        return absl::OkStatus();
      },
      call);
  if (!status.ok()) return status;
  return chunks;
}

// The contract of stages::Chunk, checked byte by byte.
inline void ExpectChunksCover(const std::string& text, const std::vector<stages::Chunk>& chunks,
                              std::uint32_t max_tokens, const text::Tokenizer& tokenizer) {
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    const stages::Chunk& chunk = chunks[i];
    EXPECT_EQ(chunk.ordinal, i);
    ASSERT_LE(end, chunk.range.begin) << "overlapping ranges at chunk " << i;
    ASSERT_LT(chunk.range.begin, chunk.range.end);
    ASSERT_LE(chunk.range.end, text.size());
    ASSERT_LE(chunk.overlap_begin, chunk.range.begin);
    for (; end < chunk.range.begin; ++end) {
      ASSERT_TRUE(text[end] == ' ' || text[end] == '\n' || text[end] == '\t')
          << "byte " << end << " before chunk " << i << " is in no chunk";
    }
    EXPECT_EQ(chunk.text, text.substr(chunk.overlap_begin, chunk.range.end - chunk.overlap_begin));
    EXPECT_EQ(chunk.token_count, tokenizer.Count(stages::EmbeddingText(chunk)));
    const bool single_code_point =
        (static_cast<unsigned char>(text[chunk.range.begin]) & 0x80) != 0 &&
        chunk.range.size() <= 4;
    if (!single_code_point && chunk.range.size() > 1) {
      EXPECT_LE(chunk.token_count, max_tokens) << chunk.text;
    }
    end = chunk.range.end;
  }
  for (; end < text.size(); ++end) {
    ASSERT_TRUE(text[end] == ' ' || text[end] == '\n' || text[end] == '\t')
        << "byte " << end << " is in no chunk";
  }
}

}  // namespace ragmesh::chunking

#endif  // RAGMESH_TESTS_UNIT_CHUNKING_SPLIT_FIXTURE_H_
