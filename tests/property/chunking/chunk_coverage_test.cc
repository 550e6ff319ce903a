// Whatever the blocks and the budget, the chunks' own ranges give back every non-blank byte, once,
// in order.
#include <gtest/gtest.h>

#include <random>

#include "libs/testing/test_data.h"
#include "tests/unit/chunking/split_fixture.h"

namespace ragmesh::chunking {
namespace {

using stages::BlockKind;

std::string RandomText(std::mt19937& random, int max_words, bool lines) {
  static const char* const kWords[] = {"a",
                                       "pump",
                                       "Dr.",
                                       "e.g.",
                                       "3.5",
                                       "stop.",
                                       "why?",
                                       "日本語。",
                                       "né",
                                       "x-ray",
                                       "(see",
                                       "it)",
                                       "NASA",
                                       "word,",
                                       "\xF0\x9F\x98\x80",
                                       "The",
                                       "Unglaublichlangeswortohneende",
                                       "1,000",
                                       "ไทยแลนด์",
                                       "end!"};
  std::uniform_int_distribution<int> count(1, max_words);
  std::uniform_int_distribution<std::size_t> word(0, std::size(kWords) - 1);
  std::uniform_int_distribution<int> glue(0, 19);
  std::string text;
  for (int i = count(random); i > 0; --i) {
    if (!text.empty()) {
      const int g = glue(random);
      text += lines && g < 4 ? "\n  " : g == 4 ? "\n" : g == 5 ? "" : " ";
    }
    text += kWords[word(random)];
  }
  return text;
}

DocumentUnderTest RandomDocument(std::mt19937& random) {
  DocumentUnderTest document;
  std::uniform_int_distribution<int> blocks(1, 40), kind(0, 9), level(1, 6), columns(1, 6),
      rows(1, 20);
  std::uint32_t table = 0;
  for (int i = blocks(random); i > 0; --i) {
    switch (kind(random)) {
      case 0:
        document.Add(BlockKind::kHeading, RandomText(random, 8, false), level(random));
        break;
      case 1:
        document.Add(BlockKind::kCode, RandomText(random, 80, true));
        break;
      case 2:
        document.Add(BlockKind::kListItem, RandomText(random, 15, false), 1);
        break;
      case 3: {
        ++table;
        const int width = columns(random);
        std::vector<std::string> header;
        for (int c = 0; c < width; ++c) header.push_back("col" + std::to_string(c));
        document.Row(table, header, header);
        for (int r = rows(random); r > 0; --r) {
          std::vector<std::string> cells;
          for (int c = 0; c < width; ++c) cells.push_back(RandomText(random, 12, false));
          document.Row(table, cells, header);
        }
        break;
      }
      case 4:
        document.Add(BlockKind::kParagraph, RandomText(random, 2000, false));
        break;
      default:
        document.Add(BlockKind::kParagraph, RandomText(random, 60, false));
        break;
    }
  }
  return document;
}

TEST(ChunkCoverageTest, HoldsForRandomBlocksAndBudgets) {
  const PieceTokenizer tokenizer;
  RecursiveSplitter splitter(std::make_unique<PieceTokenizer>(), {});
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const DocumentUnderTest document = RandomDocument(random);
    stages::RecursiveSplit options;
    options.max_tokens = std::uniform_int_distribution<std::uint32_t>(8, 254)(random);
    options.overlap_tokens =
        std::uniform_int_distribution<std::uint32_t>(0, options.max_tokens / 2)(random);
    options.carry_headings = seed % 2 == 0;
    const auto chunks = SplitBlocks(splitter, document.blocks(), options);
    ASSERT_TRUE(chunks.ok()) << chunks.status();
    ExpectChunksCover(document.text(), *chunks, options.max_tokens, tokenizer);
    const auto again = SplitBlocks(splitter, document.blocks(), options);
    EXPECT_EQ(*chunks, *again) << "equal input gave other chunks";
    if (::testing::Test::HasFailure()) return;
  }
}

// A tokenizer whose counts do not add up: every boundary it sees costs more when the text is long.
class SuperlinearTokenizer final : public text::Tokenizer {
 public:
  void Encode(absl::string_view text, std::vector<text::Token>* tokens) const override {
    pieces_.Encode(text, tokens);
    const std::size_t extra = tokens->size() * tokens->size() / 64;
    for (std::size_t i = 0; i < extra; ++i) tokens->push_back(tokens->back());
  }

 private:
  PieceTokenizer pieces_;
};

TEST(ChunkCoverageTest, HoldsForATokenizerWhoseCountsDoNotAddUp) {
  const SuperlinearTokenizer tokenizer;
  RecursiveSplitter splitter(std::make_unique<SuperlinearTokenizer>(), {});
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const DocumentUnderTest document = RandomDocument(random);
    const auto chunks =
        SplitBlocks(splitter, document.blocks(), {.max_tokens = 60, .overlap_tokens = 10});
    ASSERT_TRUE(chunks.ok()) << chunks.status();
    ExpectChunksCover(document.text(), *chunks, 60, tokenizer);
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace ragmesh::chunking
