#include "libs/chunking/recursive_splitter.h"

#include <gmock/gmock.h>

#include "libs/base/error.h"
#include "libs/chunking/sized_tokens.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/chunking/split_fixture.h"

namespace ragmesh::chunking {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::StatusIs;
using stages::BlockKind;
using stages::Chunk;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

class RecursiveSplitterTest : public ::testing::Test {
 protected:
  std::vector<Chunk> Split(const DocumentUnderTest& document, stages::RecursiveSplit options) {
    auto chunks = SplitBlocks(splitter_, document.blocks(), options);
    EXPECT_TRUE(chunks.ok()) << chunks.status();
    if (!chunks.ok()) return {};
    ExpectChunksCover(document.text(), *chunks, options.max_tokens == 0 ? 200 : options.max_tokens,
                      tokenizer_);
    return *std::move(chunks);
  }

  static std::string Sentences(int count, const std::string& word = "word") {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += (i == 0 ? "" : " ") + std::string("This ") + word + " is number " +
              std::to_string(i) + ".";
    }
    return text;
  }

  PieceTokenizer tokenizer_;
  RecursiveSplitter splitter_{std::make_unique<PieceTokenizer>(), {}};
};

TEST_F(RecursiveSplitterTest, MakesNoChunkOfNoBlocks) {
  EXPECT_THAT(Split(DocumentUnderTest(), {}), IsEmpty());
}

TEST_F(RecursiveSplitterTest, MergesSmallBlocksUpToTheBudget) {
  DocumentUnderTest document;
  for (int i = 0; i < 4; ++i) document.Add(BlockKind::kParagraph, Sentences(2));
  EXPECT_THAT(Split(document, {.max_tokens = 100}), SizeIs(1));
}

TEST_F(RecursiveSplitterTest, StartsANewChunkAtAHeadingAndCarriesThePath) {
  DocumentUnderTest document;
  document.Add(BlockKind::kHeading, "Pumps", 1)
      .Add(BlockKind::kHeading, "Cleaning", 2)
      .Add(BlockKind::kParagraph, Sentences(5))
      .Add(BlockKind::kHeading, "Storage", 2)
      .Add(BlockKind::kParagraph, Sentences(5));
  const auto chunks = Split(document, {.max_tokens = 60});
  ASSERT_THAT(chunks, SizeIs(2));
  EXPECT_THAT(chunks[0].text, StartsWith("Pumps\n\nCleaning\n\nThis word"));
  EXPECT_THAT(chunks[0].context, IsEmpty());
  EXPECT_THAT(chunks[1].text, StartsWith("Storage\n\nThis"));
  EXPECT_EQ(chunks[1].context, "Pumps");
  EXPECT_THAT(chunks[1].heading_path, ElementsAre("Pumps"));
}

TEST_F(RecursiveSplitterTest, CarriesNoHeadingsWhenToldSo) {
  DocumentUnderTest document;
  document.Add(BlockKind::kHeading, "Pumps", 1).Add(BlockKind::kParagraph, Sentences(30));
  for (const Chunk& chunk : Split(document, {.max_tokens = 40, .carry_headings = false})) {
    EXPECT_THAT(chunk.context, IsEmpty());
  }
}

TEST_F(RecursiveSplitterTest, CutsALongPathToAQuarterOfTheBudgetFromTheOutside) {
  DocumentUnderTest document;
  document.Add(BlockKind::kHeading, "one two three four five six seven eight", 1)
      .Add(BlockKind::kHeading, "inner", 2)
      .Add(BlockKind::kParagraph, Sentences(20));
  const auto chunks = Split(document, {.max_tokens = 32});
  EXPECT_EQ(chunks.back().context, "inner");
}

TEST_F(RecursiveSplitterTest, SplitsABigParagraphBetweenSentences) {
  DocumentUnderTest document;
  document.Add(BlockKind::kParagraph, Sentences(40));
  const auto chunks = Split(document, {.max_tokens = 50});
  ASSERT_GT(chunks.size(), 4u);
  for (const Chunk& chunk : chunks) {
    EXPECT_THAT(chunk.text, StartsWith("This"));
    EXPECT_THAT(chunk.text, EndsWith("."));
    EXPECT_GE(chunk.token_count, 40u) << "a chunk left room for a whole sentence";
    if (&chunk == &chunks[chunks.size() - 2]) break;
  }
}

TEST_F(RecursiveSplitterTest, RepeatsWholeSentencesAsOverlap) {
  DocumentUnderTest document;
  document.Add(BlockKind::kParagraph, Sentences(40));
  const auto chunks = Split(document, {.max_tokens = 50, .overlap_tokens = 15});
  ASSERT_GT(chunks.size(), 2u);
  for (std::size_t i = 1; i < chunks.size(); ++i) {
    EXPECT_LT(chunks[i].overlap_begin, chunks[i].range.begin);
    EXPECT_GE(chunks[i].overlap_begin, chunks[i - 1].range.begin);
    EXPECT_THAT(chunks[i].text, StartsWith("This word is number"));
  }
}

TEST_F(RecursiveSplitterTest, DoesNotOverlapIntoAnotherSection) {
  DocumentUnderTest document;
  document.Add(BlockKind::kHeading, "A", 1)
      .Add(BlockKind::kParagraph, Sentences(6))
      .Add(BlockKind::kHeading, "B", 1)
      .Add(BlockKind::kParagraph, Sentences(6));
  for (const Chunk& chunk : Split(document, {.max_tokens = 60, .overlap_tokens = 20})) {
    EXPECT_EQ(chunk.overlap_begin, chunk.range.begin);
  }
}

TEST_F(RecursiveSplitterTest, SplitsASentenceAtWordsAndAWordAtCodePoints) {
  std::string words;
  for (int i = 0; i < 100; ++i) words += "word ";
  words.pop_back();
  DocumentUnderTest sentence;
  sentence.Add(BlockKind::kParagraph, words);
  for (const Chunk& chunk : Split(sentence, {.max_tokens = 16}))
    EXPECT_THAT(chunk.text, EndsWith("word"));

  DocumentUnderTest word;
  word.Add(BlockKind::kParagraph,
           std::string(10'000, 'x') + "\xF0\x9F\x98\x80" + std::string(10'000, 'y'));
  EXPECT_GT(Split(word, {.max_tokens = 20}).size(), 100u);
}

TEST_F(RecursiveSplitterTest, RepeatsTheHeaderOfATableInTheContextOnly) {
  const std::vector<std::string> header = {"part", "torque"};
  DocumentUnderTest document;
  document.Add(BlockKind::kParagraph, "Torques follow.").Row(1, header, header);
  for (int i = 0; i < 60; ++i) document.Row(1, {"bolt " + std::to_string(i), "12 Nm"}, header);
  const auto chunks = Split(document, {.max_tokens = 40});
  ASSERT_GT(chunks.size(), 3u);
  EXPECT_EQ(chunks[0].text, "Torques follow.");
  EXPECT_THAT(chunks[1].text, StartsWith("part | torque\nbolt 0"));
  EXPECT_THAT(chunks[1].context, IsEmpty());
  EXPECT_EQ(chunks[2].context, "part | torque");
  EXPECT_THAT(chunks[2].text, ::testing::Not(HasSubstr("torque")));
  EXPECT_EQ(chunks[2].kind, BlockKind::kTableRow);
}

TEST_F(RecursiveSplitterTest, SplitsCodeAtLines) {
  std::string code;
  for (int i = 0; i < 30; ++i) code += "  call(" + std::to_string(i) + ");\n";
  code.pop_back();
  DocumentUnderTest document;
  document.Add(BlockKind::kCode, code);
  for (const Chunk& chunk : Split(document, {.max_tokens = 20})) {
    EXPECT_THAT(chunk.text, StartsWith("  call("));
    EXPECT_THAT(chunk.text, EndsWith(");"));
  }
}

TEST_F(RecursiveSplitterTest, NamesTheFirstAndLastPage) {
  DocumentUnderTest document;
  document.Add(BlockKind::kParagraph, "One.", 0, 3).Add(BlockKind::kParagraph, "Two.", 0, 4);
  const auto chunks = Split(document, {});
  ASSERT_THAT(chunks, SizeIs(1));
  EXPECT_EQ(chunks[0].page_begin, 3u);
  EXPECT_EQ(chunks[0].page_end, 4u);
}

TEST_F(RecursiveSplitterTest, EmitsAChunkBeforeReadingTheWholeDocument) {
  DocumentUnderTest document;
  document.Add(BlockKind::kParagraph, Sentences(10));
  int emitted = 0;
  int read = 0;
  RAGMESH_EXPECT_OK(splitter_.Split(
      {stages::RecursiveSplit{.max_tokens = 50}},
      [&]() -> absl::StatusOr<std::optional<stages::Block>> {
        if (++read == 2) {
          EXPECT_GT(emitted, 0);
          return std::nullopt;
        }
        return document.blocks()[0];
      },
      [&](Chunk) { return ++emitted, absl::OkStatus(); }, CallContext(absl::InfiniteFuture())));
}

TEST_F(RecursiveSplitterTest, RefusesABudgetOverTheModels) {
  EXPECT_THAT(SplitBlocks(splitter_, {}, {.max_tokens = 255}), HasReason("INVALID_FIELD"));
  EXPECT_THAT(SplitBlocks(splitter_, {}, {.max_tokens = 100, .overlap_tokens = 51}),
              HasReason("INVALID_FIELD"));
}

TEST_F(RecursiveSplitterTest, RefusesBlocksThatAreNotOneDocument) {
  DocumentUnderTest document;
  document.Add(BlockKind::kParagraph, "One.").Add(BlockKind::kParagraph, "Two.");
  auto blocks = document.blocks();
  blocks[1].range = {blocks[1].range.begin + 1, blocks[1].range.end + 1};
  EXPECT_THAT(SplitBlocks(splitter_, blocks, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("blocks[1].range.begin")));
  blocks = document.blocks();
  blocks[0].range.end += 1;
  EXPECT_THAT(SplitBlocks(splitter_, blocks, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("blocks[0].range")));
}

TEST_F(RecursiveSplitterTest, RefusesABlockOverTheLimit) {
  RecursiveSplitter splitter(std::make_unique<PieceTokenizer>(), {.max_block_bytes = 10});
  DocumentUnderTest document;
  document.Add(BlockKind::kParagraph, "Longer than ten bytes.");
  EXPECT_THAT(SplitBlocks(splitter, document.blocks(), {}), HasReason("LIMIT_EXCEEDED"));
}

// One word of a megabyte, as base64 is, was one token and so one chunk, too long for the embedder.
TEST_F(RecursiveSplitterTest, CutsAWordThatIsOneTokenHoweverLong) {
  class OneToken final : public text::Tokenizer {
   public:
    void Encode(absl::string_view text, std::vector<text::Token>* tokens) const override {
      if (!text.empty()) tokens->push_back({0, 0, static_cast<std::uint32_t>(text.size())});
    }
  };
  RecursiveSplitter splitter(std::make_unique<OneToken>(), {});
  DocumentUnderTest document;
  document.Add(BlockKind::kParagraph, std::string(1 << 20, 'a'));
  const auto chunks = SplitBlocks(splitter, document.blocks(), {});
  ASSERT_TRUE(chunks.ok()) << chunks.status();
  const OneToken whole;
  ExpectChunksCover(document.text(), *chunks, 200, SizedTokens(whole));
  for (const Chunk& chunk : *chunks) EXPECT_LE(chunk.text.size(), 200u * 64);
}

TEST_F(RecursiveSplitterTest, WithoutATokenizerSplitsByEstimateAndSaysWhatIsMissing) {
  RecursiveSplitter splitter(NotFound("model", "minilm", "Run: ragmesh models pull"), {});
  DocumentUnderTest document;
  document.Add(BlockKind::kParagraph, Sentences(40));

  const auto estimated = SplitBlocks(
      splitter, document.blocks(), {.max_tokens = 50, .counter = stages::TokenCounter::kEstimate});
  ASSERT_TRUE(estimated.ok()) << estimated.status();
  EXPECT_GT(estimated->size(), 4u);
  ExpectChunksCover(document.text(), *estimated, 50, text::EstimatingTokenizer());

  const auto exact = SplitBlocks(splitter, document.blocks(), {});
  EXPECT_THAT(exact, HasReason("MODEL_NOT_LOADED"));
  EXPECT_EQ(GetErrorDetail(exact.status())->next_step, "Run: ragmesh models pull");
}

TEST_F(RecursiveSplitterTest, StopsWhenCancelled) {
  DocumentUnderTest document;
  document.Add(BlockKind::kParagraph, "One.");
  CallContext call(absl::InfiniteFuture());
  call.Cancel();
  EXPECT_THAT(SplitBlocks(splitter_, document.blocks(), {}, call),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(RecursiveSplitterTest, PassesOnAnErrorOfTheConsumer) {
  DocumentUnderTest document;
  document.Add(BlockKind::kParagraph, "One.");
  bool read = false;
  EXPECT_THAT(
      splitter_.Split(
          {},
          [&]() -> absl::StatusOr<std::optional<stages::Block>> {
            if (std::exchange(read, true)) return std::nullopt;
            return document.blocks()[0];
          },
          [](Chunk) { return absl::AbortedError("gone"); }, CallContext(absl::InfiniteFuture())),
      StatusIs(absl::StatusCode::kAborted));
}

}  // namespace
}  // namespace ragmesh::chunking
