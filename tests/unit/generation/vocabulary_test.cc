#include "libs/generation/vocabulary.h"

#include <gmock/gmock.h>

#include "libs/testing/status_matchers.h"

namespace ragmesh::generation {
namespace {

using ::testing::ElementsAre;
using testing::HasReason;
using ::testing::HasSubstr;
using testing::StatusIs;
using text::TokenKind;

// The metadata of a GGUF file.
class Metadata {
 public:
  Metadata& Text(absl::string_view key, absl::string_view value) {
    return Key(key, 8).String(value);
  }
  Metadata& Bool(absl::string_view key, bool value) { return Key(key, 7).Number(value); }
  Metadata& Id(absl::string_view key, std::uint32_t value) { return Key(key, 4).Number(value); }
  Metadata& Texts(absl::string_view key, const std::vector<std::string>& values) {
    Key(key, 9).Number<std::uint32_t>(8).Number<std::uint64_t>(values.size());
    for (const std::string& value : values) String(value);
    return *this;
  }
  Metadata& Ints(absl::string_view key, const std::vector<std::int32_t>& values) {
    return Numbers(key, 5, values);
  }
  Metadata& Floats(absl::string_view key, const std::vector<float>& values) {
    return Numbers(key, 6, values);
  }

  absl::StatusOr<Vocabulary> Read() const {
    Metadata header;
    header.bytes_ = "GGUF";
    header.Number<std::uint32_t>(3).Number<std::uint64_t>(0).Number(count_);
    const std::string file = header.bytes_ + bytes_;
    return ReadVocabulary(**gguf::File::Parse(file, "test", nullptr));
  }

 private:
  template <typename T>
  Metadata& Number(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  template <typename T>
  Metadata& Numbers(absl::string_view key, std::uint32_t type, const std::vector<T>& values) {
    Key(key, 9).Number(type).template Number<std::uint64_t>(values.size());
    for (const T value : values) Number(value);
    return *this;
  }
  Metadata& String(absl::string_view text) {
    Number<std::uint64_t>(text.size());
    bytes_.append(text.data(), text.size());
    return *this;
  }
  Metadata& Key(absl::string_view key, std::uint32_t type) {
    ++count_;
    return String(key).Number(type);
  }

  std::uint64_t count_ = 0;
  std::string bytes_;
};

Metadata Llama(const std::vector<std::int32_t>& types = {2, 3, 3, 6, 1, 1, 3}) {
  Metadata metadata;
  metadata.Text("tokenizer.ggml.model", "llama")
      .Texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "<0x0A>", "\u2581a", "a", "<|end|>"})
      .Floats("tokenizer.ggml.scores", {0, 0, 0, 0, -1, -2, 0})
      .Ints("tokenizer.ggml.token_type", types);
  return metadata;
}

Metadata Gpt2(const std::string& pre) {
  Metadata metadata;
  metadata.Text("tokenizer.ggml.model", "gpt2")
      .Text("tokenizer.ggml.pre", pre)
      .Texts("tokenizer.ggml.tokens", {"a", "b", "ab", "<|im_end|>"})
      .Texts("tokenizer.ggml.merges", {"a b"});
  return metadata;
}

std::vector<std::uint32_t> Ids(const Vocabulary& vocabulary, absl::string_view text) {
  std::vector<text::Token> tokens;
  vocabulary.tokenizer->EncodeWithSpecials(text, "", &tokens);
  std::vector<std::uint32_t> ids;
  for (const text::Token& token : tokens) ids.push_back(token.id);
  return ids;
}

TEST(VocabularyTest, WhatASentencePieceFileLeavesOutIsAsElsewhere) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const Vocabulary vocabulary, Llama().Read());
  EXPECT_EQ(vocabulary.bos, 1u);
  EXPECT_EQ(vocabulary.eos, 2u);
  EXPECT_TRUE(vocabulary.adds_bos);
  EXPECT_THAT(vocabulary.end_ids, ElementsAre(2, 6));
  EXPECT_THAT(Ids(vocabulary, "a\nz"), ElementsAre(4, 3, 0));
  EXPECT_EQ(vocabulary.tokenizer->kind(3), TokenKind::kByte);
}

TEST(VocabularyTest, WhatASentencePieceFileSaysCounts) {
  Metadata metadata = Llama();
  metadata.Id("tokenizer.ggml.bos_token_id", 2).Id("tokenizer.ggml.eos_token_id", 99);
  metadata.Bool("tokenizer.ggml.add_bos_token", false);
  metadata.Bool("tokenizer.ggml.add_space_prefix", false);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const Vocabulary vocabulary, metadata.Read());
  EXPECT_EQ(vocabulary.bos, 2u);
  EXPECT_EQ(vocabulary.eos, 2u);  // there is no token 99
  EXPECT_FALSE(vocabulary.adds_bos);
  EXPECT_THAT(Ids(vocabulary, "a"), ElementsAre(5));
}

TEST(VocabularyTest, EndsOfTurnsAreNeverNormal) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const Vocabulary vocabulary, Llama({2, 3, 3, 6, 1, 1, 1}).Read());
  EXPECT_EQ(vocabulary.tokenizer->kind(6), TokenKind::kControl);
  EXPECT_THAT(Ids(vocabulary, "<|end|>"), ElementsAre(6));
}

TEST(VocabularyTest, WhiteSpaceVanishesAfterSpecialTokensOfPhi3) {
  const auto ids = [](Metadata metadata) { return Ids(*metadata.Read(), "<|end|>\na<s>\na"); };
  EXPECT_THAT(ids(Llama()), ElementsAre(6, 0, 3, 5, 1, 0, 3, 5));
  EXPECT_THAT(ids(Llama().Text("general.name", "Phi-3 mini")), ElementsAre(6, 4, 1, 0, 3, 5));
  EXPECT_THAT(ids(Llama().Text("general.architecture", "phi3")), ElementsAre(6, 4, 1, 0, 3, 5));
}

TEST(VocabularyTest, ReadsUnigramModels) {
  Metadata metadata;
  metadata.Text("tokenizer.ggml.model", "t5")
      .Texts("tokenizer.ggml.tokens",
             {"<pad>", "</s>", "<unk>", "\u2581", "a", "\u2581a", "\u00e9"})
      .Floats("tokenizer.ggml.scores", {0, 0, 0, -2, -2, -3, -9})
      .Ints("tokenizer.ggml.token_type", {3, 3, 2, 1, 1, 1, 1})
      .Bool("tokenizer.ggml.remove_extra_whitespaces", true);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const Vocabulary vocabulary, metadata.Read());
  EXPECT_EQ(vocabulary.bos, std::nullopt);
  EXPECT_EQ(vocabulary.eos, 1u);
  EXPECT_FALSE(vocabulary.adds_bos);
  EXPECT_THAT(Ids(vocabulary, " aa  \u00e9x "), ElementsAre(5, 4, 3, 6, 2));
}

TEST(VocabularyTest, TheFamilyOfABpeFileDecidesWhatItLeavesOut) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(Vocabulary vocabulary, Gpt2("qwen2").Read());
  EXPECT_FALSE(vocabulary.adds_bos);
  EXPECT_EQ(vocabulary.bos, std::nullopt);
  EXPECT_THAT(vocabulary.end_ids, ElementsAre(3));
  EXPECT_THAT(Ids(vocabulary, "ab<|im_end|>"), ElementsAre(2, 3));
  RAGMESH_ASSERT_OK_AND_ASSIGN(vocabulary, Gpt2("llama-bpe").Read());
  EXPECT_TRUE(vocabulary.adds_bos);
}

TEST(VocabularyTest, SaysWhatItDoesNotSupport) {
  EXPECT_THAT(Gpt2("no-such-rule").Read(), HasReason("UNSUPPORTED_TOKENIZER"));
  EXPECT_THAT(Metadata().Text("tokenizer.ggml.model", "rwkv").Read(),
              HasReason("UNSUPPORTED_TOKENIZER"));
  EXPECT_THAT(Metadata().Read(), HasReason("UNSUPPORTED_TOKENIZER"));
}

TEST(VocabularyTest, ListsMustBeThereAndAgree) {
  Metadata no_tokens;
  no_tokens.Text("tokenizer.ggml.model", "llama");
  EXPECT_THAT(no_tokens.Read(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("ggml.tokens")));
  Metadata no_scores = no_tokens;
  no_scores.Texts("tokenizer.ggml.tokens", {"a", "b"});
  EXPECT_THAT(no_scores.Read(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("ggml.scores")));
  no_scores.Floats("tokenizer.ggml.scores", {1});
  EXPECT_THAT(no_scores.Read(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("ggml.scores")));
  EXPECT_THAT(Llama({1, 1}).Read(), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("token_type")));
}

}  // namespace
}  // namespace ragmesh::generation
