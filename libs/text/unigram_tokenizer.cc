#include "libs/text/unigram_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/text/tokenizer_json.h"
#include "libs/text/utf8.h"

namespace ragmesh::text {

using nlohmann::json;

namespace {

constexpr absl::string_view kWordBegin = "\xE2\x96\x81";  // U+2581
constexpr double kUnknownPenalty =
    10;  // below the lowest score of a piece, as the reference has it

bool IsSpace(char32_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

std::string TypeOf(const json& object) { return StringOr(Member(object, "type"), ""); }

// The members of a Sequence, or the object alone.
std::vector<const json*> PartsOf(const json& object, const char* list) {
  std::vector<const json*> parts;
  if (TypeOf(object) != "Sequence") return {&object};
  for (const json& part : Member(object, list)) parts.push_back(&part);
  return parts;
}

}  // namespace

absl::StatusOr<std::unique_ptr<UnigramTokenizer>> UnigramTokenizer::FromJson(const json& root) {
  std::unique_ptr<UnigramTokenizer> tokenizer(new UnigramTokenizer);
  RAGMESH_RETURN_IF_ERROR(tokenizer->ReadNormalizer(Member(root, "normalizer")));
  RAGMESH_RETURN_IF_ERROR(tokenizer->ReadPreTokenizer(Member(root, "pre_tokenizer")));
  RAGMESH_RETURN_IF_ERROR(tokenizer->ReadModel(root));
  return tokenizer;
}

absl::Status UnigramTokenizer::ReadNormalizer(const json& normalizer) {
  if (normalizer.is_null()) return absl::OkStatus();
  for (const json* part : PartsOf(normalizer, "normalizers")) {
    if (TypeOf(*part) == "Precompiled") {
      std::string map;
      if (!absl::Base64Unescape(StringOr(Member(*part, "precompiled_charsmap"), ""), &map))
        return BadTokenizer("normalizer.precompiled_charsmap", "must be base64");
      RAGMESH_ASSIGN_OR_RETURN(characters_, CharacterMap::Parse(map));
    } else if (TypeOf(*part) == "Replace" &&
               StringOr(Member(Member(*part, "pattern"), "Regex"), "") == " {2,}" &&
               StringOr(Member(*part, "content"), "") == " ") {
      join_spaces_ = true;
    } else {
      return BadTokenizer("normalizer",
                          R"(must be Precompiled, and perhaps a Replace of " {2,}" by " ")");
    }
  }
  return absl::OkStatus();
}

absl::Status UnigramTokenizer::ReadPreTokenizer(const json& pre_tokenizer) {
  const auto parts = PartsOf(pre_tokenizer, "pretokenizers");
  split_at_any_space_ = parts.size() == 2 && TypeOf(*parts[0]) == "WhitespaceSplit";
  if (parts.empty() || parts.size() > (split_at_any_space_ ? 2 : 1) ||
      TypeOf(*parts.back()) != "Metaspace") {
    return BadTokenizer("pre_tokenizer", "must be Metaspace, or WhitespaceSplit and Metaspace");
  }
  const json& prefix = Member(*parts.back(), "add_prefix_space");
  const std::string scheme = StringOr(Member(*parts.back(), "prepend_scheme"), "always");
  const bool split =
      !Member(*parts.back(), "split").is_boolean() || Member(*parts.back(), "split").get<bool>();
  if (StringOr(Member(*parts.back(), "replacement"), kWordBegin) != kWordBegin ||
      (prefix.is_boolean() && !prefix.get<bool>()) || !split ||
      (scheme != "always" && (scheme != "first" || split_at_any_space_))) {
    return BadTokenizer("pre_tokenizer", "must put U+2581 before every word and split there");
  }
  return absl::OkStatus();
}

absl::Status UnigramTokenizer::ReadModel(const json& root) {
  const json& model = Member(root, "model");
  const json& vocabulary = Member(model, "vocab");
  if (!vocabulary.is_array() || vocabulary.empty() || vocabulary.size() > kMaxVocabulary)
    return BadTokenizer("model.vocab", "must be an array of 1 to 4 million pieces");
  absl::flat_hash_set<std::string> special;
  for (const json& token : Member(root, "added_tokens"))
    special.insert(StringOr(Member(token, "content"), ""));
  std::string first = "<s>", last = "</s>";
  RAGMESH_RETURN_IF_ERROR(ReadEnds(Member(root, "post_processor"), &first, &last));
  const json& unknown = Member(model, "unk_id");
  if (!unknown.is_number_unsigned() || unknown.get<std::uint64_t>() >= vocabulary.size())
    return BadTokenizer("model.unk_id", "must be the place of a piece in model.vocab");
  unknown_id_ = unknown.get<std::uint32_t>();
  max_id_ = static_cast<std::uint32_t>(vocabulary.size() - 1);

  bool has_first = false, has_last = false;
  double lowest = std::numeric_limits<double>::infinity();
  std::vector<UnigramLattice::Piece> pieces;
  pieces.reserve(vocabulary.size());
  for (std::uint32_t id = 0; id <= max_id_; ++id) {
    const json& entry = vocabulary[id];
    if (!entry.is_array() || entry.size() != 2 || !entry[0].is_string() || !entry[1].is_number() ||
        !std::isfinite(entry[1].get<double>())) {
      return BadTokenizer(absl::StrCat("model.vocab[", id, "]"), "must be a piece and its score");
    }
    const std::string piece = entry[0].get<std::string>();
    const double score = entry[1].get<double>();
    lowest = std::min(lowest, score);
    if (piece == first) cls_id_ = id, has_first = true;
    if (piece == last) sep_id_ = id, has_last = true;
    // No text may spell a token of structure.
    if (id == unknown_id_ || piece == first || piece == last || special.contains(piece)) continue;
    pieces.push_back({piece, id, score});
  }
  if (!has_first || !has_last) {
    return BadTokenizer("post_processor",
                        absl::StrCat("names \"", (has_first ? last : first).substr(0, 100),
                                     "\", which model.vocab does not have"));
  }
  pieces_ = UnigramLattice(std::move(pieces), lowest - kUnknownPenalty);
  return absl::OkStatus();
}

TracedText UnigramTokenizer::Rewrite(absl::string_view text) const {
  TracedText mapped = characters_.Rewrite(text);
  if (!join_spaces_) return mapped;
  TracedText out;
  for (std::size_t i = 0; i < mapped.bytes.size(); ++i) {
    if (mapped.bytes[i] == ' ' && !out.bytes.empty() && out.bytes.back() == ' ') continue;
    out.Append(mapped.bytes.substr(i, 1), mapped.origins[i]);
  }
  return out;
}

void UnigramTokenizer::Encode(absl::string_view text, std::vector<Token>* tokens) const {
  const TracedText all = Rewrite(text);
  TracedText word;
  const auto finish = [&] {
    if (!word.bytes.empty()) EncodeWord(word, tokens);
    word = {};
  };
  for (std::size_t at = 0; at < all.bytes.size();) {
    const CodePoint c = DecodeUtf8(all.bytes, at);
    const TracedText::Origin origin = all.origins[at];
    const absl::string_view bytes = absl::string_view(all.bytes).substr(at, c.size);
    at += c.size;
    if (split_at_any_space_ && IsSpace(c.value)) {
      finish();
      continue;
    }
    const bool begins = !split_at_any_space_ && (c.value == ' ' || bytes == kWordBegin);
    if (begins) finish();
    if (word.bytes.empty() && bytes != kWordBegin)
      word.Append(kWordBegin, {origin.begin, begins ? origin.end : origin.begin});
    if (!begins || bytes == kWordBegin) word.Append(bytes, origin);
  }
  finish();
}

void UnigramTokenizer::EncodeWord(const TracedText& word, std::vector<Token>* tokens) const {
  bool after_unknown = false;
  for (const UnigramLattice::Segment& segment : pieces_.Cut(word.bytes)) {
    const bool unknown = segment.id < 0;
    const std::uint32_t end = word.origins[segment.end - 1].end;
    if (unknown && after_unknown) {
      tokens->back().end = end;
    } else {
      tokens->push_back({unknown ? unknown_id_ : static_cast<std::uint32_t>(segment.id),
                         word.origins[segment.begin].begin, end});
    }
    after_unknown = unknown;
  }
}

}  // namespace ragmesh::text
