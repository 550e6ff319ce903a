// The parts that the word rules of byte-level BPE are made of, each a regular expression matched by
// hand. Internal to bpe_pretokenizer.cc.
#ifndef RAGMESH_LIBS_TEXT_BPE_MATCHERS_H_
#define RAGMESH_LIBS_TEXT_BPE_MATCHERS_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace ragmesh::text {

// Sets of characters, by Unicode category; every character is in exactly one of the single ones.
using Kinds = std::uint16_t;
inline constexpr Kinds kUpper = 1;         // Lu, Lt
inline constexpr Kinds kLower = 2;         // Ll
inline constexpr Kinds kOtherLetter = 4;   // Lm, Lo
inline constexpr Kinds kMark = 8;          // M
inline constexpr Kinds kNumber = 16;       // N
inline constexpr Kinds kSpace = 32;        // White_Space
inline constexpr Kinds kPunctuation = 64;  // P
inline constexpr Kinds kSymbol = 128;      // S
inline constexpr Kinds kRest = 256;        // controls, formats, private, unassigned
inline constexpr Kinds kLetter = kUpper | kLower | kOtherLetter;
inline constexpr Kinds kNoWord = kMark | kPunctuation | kSymbol | kRest;  // [^\s\p{L}\p{N}]

struct Character {
  Kinds kind = 0;  // 0: the end
  std::uint32_t code = 0;
  std::size_t size = 0;  // bytes
};

struct CodeRange {
  std::uint32_t first, last;
};

// How a rule of the newer kind, from GPT-4's on, differs from others.
struct WordRule {
  enum class Tail { kNone, kLineEnds, kLineEndsAndSlashes };

  Kinds letters = kLetter;        // of a word; symbols are kNoWord without them
  bool cased = false;             // a word ends before a capital letter that follows a small one
  bool contraction_first = true;  // 's and so on are words of their own
  bool contraction_last = false;  // or end the word before them
  std::size_t digits = 1;         // most of a number
  Tail tail = Tail::kLineEnds;    // what symbols take with them
};

// One piece of valid UTF-8 under a matcher. Every Match* returns where the match that begins at
// `at` ends, `at` itself when there is none, and takes time linear in what it reads.
class Piece {
 public:
  // `text` up to `end`, so that places are those of the whole text.
  Piece(absl::string_view text, std::size_t end) : text_(text.substr(0, end)) {}

  Character At(std::size_t at) const;
  std::size_t Run(std::size_t at, Kinds kinds, std::size_t most = SIZE_MAX) const;
  std::size_t RunOfBytes(std::size_t at, absl::string_view bytes) const;

  // 's|'t|'re|'ve|'m|'ll|'d
  std::size_t MatchContraction(std::size_t at, bool any_case) const;

  // \s+(?!\S)|\s+ : a run of spaces leaves its last one to the word that follows.
  std::size_t MatchSpaces(std::size_t at) const;

  // The whole rule of GPT-2; see BpePretokenizer::kGpt2.
  std::size_t MatchGpt2(std::size_t at) const;

  // A whole rule of the newer kind; see BpePretokenizer::kLlama3.
  std::size_t MatchNewer(std::size_t at, const WordRule& rule) const;

  // The last of DeepSeek V3's rules.
  std::size_t MatchDeepSeekV3(std::size_t at) const;

  // \s? and then a run of `kinds`, or of what is in the sorted `ranges`.
  std::size_t MatchAfterSpace(std::size_t at, Kinds kinds) const;
  template <std::size_t n>
  std::size_t MatchAfterSpace(std::size_t at, const CodeRange (&ranges)[n]) const {
    const Character first = At(at);
    const std::size_t word = first.kind == kSpace ? at + first.size : at;
    const std::size_t end = RunOfRanges(word, ranges, n);
    return end > word ? end : RunOfRanges(at, ranges, n);
  }
  template <std::size_t n>
  std::size_t MatchRanges(std::size_t at, const CodeRange (&ranges)[n]) const {
    return RunOfRanges(at, ranges, n);
  }

  // <sentinel:[0-9]+>|(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z, tokens that Chameleon's rule names.
  std::size_t MatchChameleonToken(std::size_t at) const;

 private:
  std::size_t RunOfRanges(std::size_t at, const CodeRange* ranges, std::size_t count) const;
  std::size_t MatchLineOrSpaces(std::size_t at) const;
  std::size_t MatchWord(std::size_t at, const WordRule& rule) const;
  std::size_t MatchCasedWord(std::size_t at) const;

  const absl::string_view text_;
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_BPE_MATCHERS_H_
