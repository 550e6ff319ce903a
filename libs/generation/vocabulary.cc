#include "libs/generation/vocabulary.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/text/bpe_tokenizer.h"
#include "libs/text/sentencepiece_tokenizer.h"

namespace ragmesh::generation {
namespace {

using text::TokenKind;

absl::Status Unsupported(const gguf::File& file, absl::string_view what) {
  return MakeError(absl::StatusCode::kUnimplemented, absl::StrCat(file.name(), ": ", what),
                   {.reason = "UNSUPPORTED_TOKENIZER",
                    .next_step = "Use a model whose tokenizer is in the list of docs/models.md."});
}

// Spellings that end a turn in one family or another; files often name only one of theirs.
constexpr absl::string_view kTurnEnds[] = {
    "<|im_end|>",    "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>",    "<|end|>",
    "<end_of_turn>", "<|EOT|>",       "<|eom_id|>", "<end_of_utterance>", "<｜end▁of▁sentence｜>"};

// As llama.cpp numbers them: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte. Some
// files have ends of turns as normal tokens, which they never are.
TokenKind ToKind(std::int64_t type, absl::string_view token) {
  if (type == 4) return TokenKind::kUserDefined;
  if (type == 6) return TokenKind::kByte;
  const bool ends_turn =
      std::find(std::begin(kTurnEnds), std::end(kTurnEnds), token) != std::end(kTurnEnds);
  return type == 1 && !ends_turn ? TokenKind::kNormal : TokenKind::kControl;
}

struct Tokens {
  std::vector<absl::string_view> spellings;
  std::vector<TokenKind> kinds;
};

absl::StatusOr<Tokens> ReadTokens(const gguf::File& file) {
  auto spellings = file.GetStrings("tokenizer.ggml.tokens");
  if (!spellings.has_value()) return Corrupt(file.name(), "has no tokenizer.ggml.tokens");
  const auto types = file.GetInts("tokenizer.ggml.token_type");
  if (types.has_value() && types->size() != spellings->size())
    return Corrupt(file.name(), "tokenizer.ggml.token_type does not match the tokens");
  Tokens tokens;
  tokens.spellings = *std::move(spellings);
  tokens.kinds.reserve(tokens.spellings.size());
  for (std::size_t i = 0; i < tokens.spellings.size(); ++i)
    tokens.kinds.push_back(ToKind(types.has_value() ? (*types)[i] : 1, tokens.spellings[i]));
  return tokens;
}

absl::Status ReadBpe(const gguf::File& file, Tokens tokens, Vocabulary* vocabulary) {
  const absl::string_view pre = file.GetString("tokenizer.ggml.pre").value_or("default");
  const std::optional<text::BpeFamily> family = text::FindBpeFamily(pre);
  if (!family.has_value())
    return Unsupported(file, absl::StrCat("word rule \"", pre, "\" is not supported"));
  auto merges = file.GetStrings("tokenizer.ggml.merges");
  if (!merges.has_value()) return Corrupt(file.name(), "has no tokenizer.ggml.merges");
  text::BpeVocabulary parts;
  parts.tokens = std::move(tokens.spellings);
  parts.kinds = std::move(tokens.kinds);
  parts.merges = *std::move(merges);
  parts.pretokenizer = family->pretokenizer;
  parts.whole_words_first = family->whole_words_first;
  vocabulary->adds_bos = family->adds_bos;
  RAGMESH_ASSIGN_OR_RETURN(vocabulary->tokenizer, text::BpeTokenizer::Create(parts));
  return absl::OkStatus();
}

// GGUF does not say after which tokens white space vanishes: those of Phi-3, all but three.
std::vector<bool> SpaceEaters(const gguf::File& file, const Tokens& tokens) {
  const std::string name = absl::AsciiStrToLower(file.GetString("general.name").value_or(""));
  if (file.GetString("general.architecture") != "phi3" && !absl::StrContains(name, "phi-3") &&
      !absl::StrContains(name, "phi3")) {
    return {};
  }
  std::vector<bool> eaters(tokens.spellings.size());
  for (std::size_t i = 0; i < eaters.size(); ++i) {
    const absl::string_view token = tokens.spellings[i];
    const bool special =
        tokens.kinds[i] == TokenKind::kControl || tokens.kinds[i] == TokenKind::kUserDefined;
    eaters[i] = special && token != "<unk>" && token != "<s>" && token != "<|endoftext|>";
  }
  return eaters;
}

absl::Status ReadSentencePiece(const gguf::File& file, Tokens tokens, Vocabulary* vocabulary) {
  text::SentencePieceVocabulary parts;
  const bool unigram = file.GetString("tokenizer.ggml.model") == "t5";
  if (unigram) parts.model = text::SentencePieceVocabulary::Model::kUnigram;
  auto scores = file.GetFloats("tokenizer.ggml.scores");
  if (!scores.has_value() || scores->size() != tokens.spellings.size()) {
    return Corrupt(file.name(), "has no tokenizer.ggml.scores, or they do not match the tokens");
  }
  parts.scores = *std::move(scores);
  parts.eats_spaces = SpaceEaters(file, tokens);
  parts.tokens = std::move(tokens.spellings);
  parts.kinds = std::move(tokens.kinds);
  const std::uint64_t unknown =
      file.GetUint("tokenizer.ggml.unknown_token_id").value_or(unigram ? 2 : 0);
  if (unknown < parts.tokens.size()) parts.unknown = static_cast<std::uint32_t>(unknown);
  parts.adds_space_prefix = file.GetBool("tokenizer.ggml.add_space_prefix").value_or(true);
  parts.joins_spaces = file.GetBool("tokenizer.ggml.remove_extra_whitespaces").value_or(false);
  const gguf::Value* map = file.FindValue("tokenizer.ggml.precompiled_charsmap");
  if (map != nullptr && map->type == gguf::ValueType::kArray &&
      (map->element == gguf::ValueType::kUint8 || map->element == gguf::ValueType::kInt8)) {
    parts.character_map = map->bytes;
  }
  vocabulary->bos = unigram ? std::nullopt : std::optional<std::uint32_t>(1);
  vocabulary->eos = unigram ? 1 : 2;
  vocabulary->adds_bos = !unigram;
  RAGMESH_ASSIGN_OR_RETURN(vocabulary->tokenizer, text::SentencePieceTokenizer::Create(parts));
  return absl::OkStatus();
}

// Takes what the file says of the tokens that begin and end texts over what its kind has.
void ReadEnds(const gguf::File& file, Vocabulary* vocabulary) {
  const text::DecoderTokenizer& tokenizer = *vocabulary->tokenizer;
  const auto id_of = [&](absl::string_view key, std::optional<std::uint32_t> otherwise) {
    const std::optional<std::uint64_t> id = file.GetUint(key);
    if (id.has_value() && *id < tokenizer.size()) otherwise = static_cast<std::uint32_t>(*id);
    if (otherwise.has_value() && *otherwise >= tokenizer.size()) otherwise.reset();
    return otherwise;
  };
  vocabulary->bos = id_of("tokenizer.ggml.bos_token_id", vocabulary->bos);
  vocabulary->eos = id_of("tokenizer.ggml.eos_token_id", vocabulary->eos);
  vocabulary->adds_bos =
      file.GetBool("tokenizer.ggml.add_bos_token").value_or(vocabulary->adds_bos);
  std::vector<std::uint32_t>& ends = vocabulary->end_ids;
  for (const auto& id : {vocabulary->eos, id_of("tokenizer.ggml.eot_token_id", std::nullopt),
                         id_of("tokenizer.ggml.eom_token_id", std::nullopt)}) {
    if (id.has_value()) ends.push_back(*id);
  }
  const auto add = [&](absl::string_view spelling) {
    const std::int64_t id = tokenizer.FindSpecial(spelling);
    if (id >= 0) ends.push_back(static_cast<std::uint32_t>(id));
  };
  for (const absl::string_view spelling : kTurnEnds) add(spelling);
  add("</s>");  // also an ordinary word of HTML, so not among those that are never normal
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
}

}  // namespace

absl::StatusOr<Vocabulary> ReadVocabulary(const gguf::File& file) {
  const absl::string_view model = file.GetString("tokenizer.ggml.model").value_or("");
  if (model != "gpt2" && model != "llama" && model != "t5")
    return Unsupported(file, absl::StrCat("tokenizer model \"", model, "\" is not supported"));
  RAGMESH_ASSIGN_OR_RETURN(Tokens tokens, ReadTokens(file));
  Vocabulary vocabulary;
  RAGMESH_RETURN_IF_ERROR(model == "gpt2"
                              ? ReadBpe(file, std::move(tokens), &vocabulary)
                              : ReadSentencePiece(file, std::move(tokens), &vocabulary));
  ReadEnds(file, &vocabulary);
  return vocabulary;
}

}  // namespace ragmesh::generation
