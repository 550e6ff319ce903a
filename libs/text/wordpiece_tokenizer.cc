#include "libs/text/wordpiece_tokenizer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "libs/base/error.h"
#include "libs/base/mapped_file.h"
#include "libs/base/status_macros.h"

namespace ragmesh::text {

absl::StatusOr<std::unique_ptr<WordPieceTokenizer>> WordPieceTokenizer::FromJson(
    absl::string_view json) {
  RAGMESH_ASSIGN_OR_RETURN(WordPieceConfig config, ParseWordPieceConfig(json));
  return std::unique_ptr<WordPieceTokenizer>(new WordPieceTokenizer(std::move(config)));
}

absl::StatusOr<std::unique_ptr<WordPieceTokenizer>> WordPieceTokenizer::FromFile(
    const std::string& path) {
  RAGMESH_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  auto tokenizer = FromJson(file->bytes());
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), path);
  return tokenizer;
}

WordPieceTokenizer::WordPieceTokenizer(WordPieceConfig config) : config_(std::move(config)) {
  for (const auto& [piece, id] : config_.vocabulary) {
    longest_bytes_ = std::max(longest_bytes_, piece.size());
    if (absl::StartsWith(piece, config_.continuing_prefix)) {
      continuing_.emplace(absl::string_view(piece).substr(config_.continuing_prefix.size()), id);
    }
  }
}

void WordPieceTokenizer::Encode(absl::string_view text, std::vector<Token>* tokens) const {
  ForEachBertWord(text, config_.words,
                  [this, tokens](const BertWord& word) { EncodeWord(word, tokens); });
}

std::size_t WordPieceTokenizer::Count(absl::string_view text) const {
  std::size_t count = 0;
  std::vector<Token> tokens;
  ForEachBertWord(text, config_.words, [&](const BertWord& word) {
    tokens.clear();
    EncodeWord(word, &tokens);
    count += tokens.size();
  });
  return count;
}

void WordPieceTokenizer::EncodeWord(const BertWord& word, std::vector<Token>* tokens) const {
  const std::size_t before = tokens->size();
  const auto characters = word.characters;
  std::size_t first = 0;  // character at which the next piece begins
  while (first < characters.size()) {
    const std::size_t begin = first == 0 ? 0 : characters[first - 1].word_end;
    std::size_t last = characters.size();
    bool found = false;
    for (; last > first && !found; --last) {
      const absl::string_view piece =
          word.bytes.substr(begin, characters[last - 1].word_end - begin);
      if (piece.size() > longest_bytes_) continue;
      std::uint32_t id = 0;
      if (first == 0) {
        const auto it = config_.vocabulary.find(piece);
        found = it != config_.vocabulary.end();
        if (found) id = it->second;
      } else {
        const auto it = continuing_.find(piece);
        found = it != continuing_.end();
        if (found) id = it->second;
      }
      if (found) tokens->push_back({id, characters[first].begin, characters[last - 1].end});
    }
    if (!found) break;
    first = last + 1;
  }
  if (first >= characters.size() && !word.too_long) return;
  tokens->resize(before);
  tokens->push_back({config_.unknown_id, word.begin, word.end});
}

}  // namespace ragmesh::text
