#include "libs/generation/vocabulary.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::generation {
namespace {

absl::Status Unsupported(const gguf::File& file, absl::string_view what) {
  return MakeError(
      absl::StatusCode::kUnimplemented, absl::StrCat(file.name(), ": ", what),
      {.reason = "UNSUPPORTED_TOKENIZER",
       .next_step = "Use a model with a byte-level BPE vocabulary (tokenizer.ggml.model gpt2)."});
}

// As llama.cpp numbers them: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
text::TokenKind ToKind(std::int64_t type) {
  if (type == 1 || type == 6) return text::TokenKind::kNormal;
  return type == 4 ? text::TokenKind::kUserDefined : text::TokenKind::kControl;
}

// Spellings that end a turn in one family or another; files often name only one of theirs.
constexpr absl::string_view kTurnEnds[] = {
    "<|im_end|>",    "<|endoftext|>", "<|eot_id|>", "<|end_of_text|>", "<|end|>",
    "<end_of_turn>", "<|EOT|>",       "</s>",       "<|eom_id|>",      "<｜end▁of▁sentence｜>"};

}  // namespace

absl::StatusOr<Vocabulary> ReadVocabulary(const gguf::File& file) {
  const absl::string_view model = file.GetString("tokenizer.ggml.model").value_or("");
  if (model != "gpt2")
    return Unsupported(file, absl::StrCat("tokenizer model \"", model, "\" is not supported"));
  const absl::string_view pre = file.GetString("tokenizer.ggml.pre").value_or("gpt-2");
  const std::optional<text::BpePretokenizer> rule = text::FindBpePretokenizer(pre);
  if (!rule.has_value())
    return Unsupported(file, absl::StrCat("word rule \"", pre, "\" is not supported"));
  auto tokens = file.GetStrings("tokenizer.ggml.tokens");
  auto merges = file.GetStrings("tokenizer.ggml.merges");
  if (!tokens.has_value() || !merges.has_value()) {
    return Corrupt(file.name(), "has no tokenizer.ggml.tokens or no tokenizer.ggml.merges");
  }
  text::BpeVocabulary parts;
  parts.pretokenizer = *rule;
  parts.whole_words_first = *rule == text::BpePretokenizer::kLlama3;
  parts.tokens = *std::move(tokens);
  parts.merges = *std::move(merges);
  parts.kinds.resize(parts.tokens.size(), text::TokenKind::kNormal);
  if (const auto types = file.GetInts("tokenizer.ggml.token_type"); types.has_value()) {
    if (types->size() != parts.tokens.size()) {
      return Corrupt(file.name(), "tokenizer.ggml.token_type does not match the tokens");
    }
    std::transform(types->begin(), types->end(), parts.kinds.begin(), ToKind);
  }
  Vocabulary vocabulary;
  RAGMESH_ASSIGN_OR_RETURN(vocabulary.tokenizer, text::BpeTokenizer::Create(parts));
  const std::size_t size = vocabulary.tokenizer->size();
  const auto id_of = [&](absl::string_view key) -> std::optional<std::uint32_t> {
    const std::optional<std::uint64_t> id = file.GetUint(key);
    if (!id.has_value() || *id >= size) return std::nullopt;
    return static_cast<std::uint32_t>(*id);
  };
  vocabulary.bos = id_of("tokenizer.ggml.bos_token_id");
  vocabulary.eos = id_of("tokenizer.ggml.eos_token_id");
  vocabulary.adds_bos = file.GetBool("tokenizer.ggml.add_bos_token").value_or(false);
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                          "tokenizer.ggml.eom_token_id"}) {
    if (const auto id = id_of(key); id.has_value()) vocabulary.end_ids.push_back(*id);
  }
  for (const absl::string_view spelling : kTurnEnds) {
    const std::int64_t id = vocabulary.tokenizer->FindSpecial(spelling);
    if (id >= 0) vocabulary.end_ids.push_back(static_cast<std::uint32_t>(id));
  }
  std::sort(vocabulary.end_ids.begin(), vocabulary.end_ids.end());
  vocabulary.end_ids.erase(std::unique(vocabulary.end_ids.begin(), vocabulary.end_ids.end()),
                           vocabulary.end_ids.end());
  return vocabulary;
}

}  // namespace ragmesh::generation
