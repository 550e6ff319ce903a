// The tokenizer of BERT-family encoders, read from the model's tokenizer.json.
#ifndef RAGMESH_LIBS_TEXT_WORDPIECE_TOKENIZER_H_
#define RAGMESH_LIBS_TEXT_WORDPIECE_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/text/tokenizer.h"
#include "libs/text/wordpiece_config.h"

namespace ragmesh::text {

// Gives the ids the model was trained with: words as ForEachBertWord sees them, each cut greedily
// into the longest pieces of the vocabulary; a word that cannot be cut, or is longer than the
// model's limit, is one unknown token. A token's byte range covers the characters its piece came
// from. Immutable and thread-safe; about 4 MB for 30 thousand pieces.
class WordPieceTokenizer final : public EncoderTokenizer {
 public:
  // See ParseWordPieceConfig for what is read and refused.
  static absl::StatusOr<std::unique_ptr<WordPieceTokenizer>> FromJson(absl::string_view json);
  static absl::StatusOr<std::unique_ptr<WordPieceTokenizer>> FromFile(const std::string& path);

  void Encode(absl::string_view text, std::vector<Token>* tokens) const override;
  std::size_t Count(absl::string_view text) const override;

  std::uint32_t cls_id() const override { return config_.cls_id; }
  std::uint32_t sep_id() const override { return config_.sep_id; }
  std::uint32_t max_id() const override { return config_.max_id; }
  std::uint32_t unknown_id() const { return config_.unknown_id; }
  std::size_t vocabulary_size() const { return config_.vocabulary.size(); }

 private:
  explicit WordPieceTokenizer(WordPieceConfig config);

  // The pieces of one word, or one unknown token.
  void EncodeWord(const BertWord& word, std::vector<Token>* tokens) const;

  const WordPieceConfig config_;
  // Pieces that continue a word, without their prefix; views into the keys of config_.vocabulary.
  absl::flat_hash_map<absl::string_view, std::uint32_t> continuing_;
  std::size_t longest_bytes_ = 0;  // of any piece
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_WORDPIECE_TOKENIZER_H_
