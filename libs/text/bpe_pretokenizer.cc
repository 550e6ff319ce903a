#include "libs/text/bpe_pretokenizer.h"

#include <utility>

#include "libs/text/bpe_matchers.h"

namespace ragmesh::text {
namespace {

using Words = std::vector<WordRange>;

// Cuts every piece at the matches of `match`; what lies between matches stays as pieces of its own.
template <typename Match>
void Cut(absl::string_view text, Match match, Words* pieces) {
  Words words;
  for (const WordRange& range : *pieces) {
    const Piece piece(text, range.end);
    std::size_t unmatched = range.begin;
    for (std::size_t at = range.begin; at < range.end;) {
      const std::size_t end = match(piece, at);
      if (end == at) {
        at += piece.At(at).size;
        continue;
      }
      if (unmatched < at) words.push_back({unmatched, at});
      words.push_back({at, end});
      at = unmatched = end;
    }
    if (unmatched < range.end) words.push_back({unmatched, range.end});
  }
  *pieces = std::move(words);
}

// \s+$ ; Cut would try it anew at every space of a long run.
void CutSpacesAtEnd(absl::string_view text, Words* pieces) {
  Words words;
  for (const WordRange& range : *pieces) {
    const Piece piece(text, range.end);
    std::size_t spaces = range.begin;
    for (std::size_t at = range.begin; at < range.end;) {
      const Character c = piece.At(at);
      at += c.size;
      if (c.kind != kSpace) spaces = at;
    }
    if (range.begin < spaces) words.push_back({range.begin, spaces});
    if (spaces < range.end) words.push_back({spaces, range.end});
  }
  *pieces = std::move(words);
}

void CutGpt2(absl::string_view text, Words* words) {
  Cut(
      text, [](const Piece& p, std::size_t at) { return p.MatchGpt2(at); }, words);
}

void CutNewer(absl::string_view text, const WordRule& rule, Words* words) {
  Cut(
      text, [&](const Piece& p, std::size_t at) { return p.MatchNewer(at, rule); }, words);
}

void CutRuns(absl::string_view text, Kinds kinds, std::size_t most, Words* words) {
  Cut(
      text, [=](const Piece& p, std::size_t at) { return p.Run(at, kinds, most); }, words);
}

template <std::size_t n>
void CutRanges(absl::string_view text, const CodeRange (&ranges)[n], Words* words) {
  Cut(
      text, [&](const Piece& p, std::size_t at) { return p.MatchRanges(at, ranges); }, words);
}

void CutLineEnds(absl::string_view text, Words* words) {
  Cut(
      text,
      [text](const Piece&, std::size_t at) {
        return text[at] == '\r' || text[at] == '\n' ? at + 1 : at;
      },
      words);
}

// [\p{P}`symbols`]+
void CutPunctuation(absl::string_view text, absl::string_view symbols, Words* words) {
  Cut(
      text,
      [symbols](const Piece& p, std::size_t at) {
        for (std::size_t end = at;; at = end) {
          end = p.RunOfBytes(p.Run(at, kPunctuation), symbols);
          if (end == at) return at;
        }
      },
      words);
}

// [0-9][0-9][0-9]
void CutThreeDigits(absl::string_view text, Words* words) {
  const auto digit = [text](std::size_t at) { return text[at] >= '0' && text[at] <= '9'; };
  Cut(
      text,
      [&](const Piece& p, std::size_t at) {
        const bool three = p.At(at + 2).kind != 0 && digit(at) && digit(at + 1) && digit(at + 2);
        return three ? at + 3 : at;
      },
      words);
}

//  ?[^(\s|.,!?…。，、।۔،)]+ ; the parentheses and the bar are members of the class.
void CutBloom(absl::string_view text, Words* words) {
  static constexpr char32_t kEnds[] = U"(|.,!?\u2026\u3002\uFF0C\u3001\u0964\u06D4\u060C)";
  Cut(
      text,
      [](const Piece& p, std::size_t at) {
        const std::size_t word = p.At(at).code == ' ' ? at + 1 : at;
        std::size_t end = word;
        for (Character c = p.At(end); c.kind != 0 && c.kind != kSpace; c = p.At(end)) {
          bool ends = false;
          for (const char32_t code : kEnds) ends = ends || (code != 0 && code == c.code);
          if (ends) break;
          end += c.size;
        }
        return end > word ? end : at;
      },
      words);
}

void CutChameleon(absl::string_view text, Words* words) {
  Cut(
      text, [](const Piece& p, std::size_t at) { return p.MatchChameleonToken(at); }, words);
  Cut(
      text,
      [text](const Piece& p, std::size_t at) {
        if (text[at] == '\t' || text[at] == '\n') return at + 1;
        const std::size_t spaces = p.Run(at, kSpace, 4);
        for (const std::size_t size : {std::size_t{4}, std::size_t{2}}) {
          if (spaces >= at + size && text.substr(at, size) == absl::string_view("    ", size))
            return at + size;
        }
        return at;
      },
      words);
  CutRuns(text, kNumber, 1, words);
  Cut(
      text,
      [](const Piece& p, std::size_t at) {
        const Character c = p.At(at);
        const bool sign = c.kind == kPunctuation || (c.kind == kSymbol && c.code < 0x80);
        return sign ? at + c.size : at;
      },
      words);
  CutGpt2(text, words);
}

// Letters with case, as DeepSeek LLM's rule lists them.
constexpr CodeRange kCasedLetters[] = {
    {0x41, 0x5A},       {0x61, 0x7A},       {0xB5, 0xB5},       {0xC0, 0xD6},
    {0xD8, 0xF6},       {0xF8, 0x1BA},      {0x1BC, 0x1BF},     {0x1C4, 0x293},
    {0x295, 0x2AF},     {0x370, 0x373},     {0x376, 0x377},     {0x37B, 0x37D},
    {0x37F, 0x37F},     {0x386, 0x386},     {0x388, 0x38A},     {0x38C, 0x38C},
    {0x38E, 0x3A1},     {0x3A3, 0x3F5},     {0x3F7, 0x481},     {0x48A, 0x52F},
    {0x531, 0x556},     {0x10A0, 0x10C5},   {0x13A0, 0x13F5},   {0x13F8, 0x13FD},
    {0x1C90, 0x1CBA},   {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},   {0x1D6B, 0x1D77},
    {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},   {0x1F18, 0x1F1D},   {0x1F20, 0x1F45},
    {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},   {0x1F5B, 0x1F5B},
    {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},   {0x1FB6, 0x1FBC},
    {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},   {0x1FD0, 0x1FD3},
    {0x1FD6, 0x1FDB},   {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},   {0x1FF6, 0x1FFC},
    {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210A, 0x2113},   {0x2115, 0x2115},
    {0x2119, 0x211D},   {0x2124, 0x2124},   {0x2126, 0x2126},   {0x2128, 0x2128},
    {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},   {0x213C, 0x213F},
    {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2184},   {0x2C00, 0x2C7B},
    {0x2C7E, 0x2CE4},   {0x2CEB, 0x2CEE},   {0x2CF2, 0x2CF3},   {0xA640, 0xA66D},
    {0xA680, 0xA69B},   {0xA722, 0xA76F},   {0xA771, 0xA787},   {0xA78B, 0xA78E},
    {0xAB70, 0xABBF},   {0xFB00, 0xFB06},   {0xFB13, 0xFB17},   {0xFF21, 0xFF3A},
    {0xFF41, 0xFF5A},   {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB},
    {0x10C80, 0x10CB2}, {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943}};

// [!-/:-~！-／：-～‘-‟\u3000-。]; the second range does hold the letters.
constexpr CodeRange kDeepSeekPunctuation[] = {{0x21, 0x2F},     {0x3A, 0x7E},     {0x2018, 0x201F},
                                              {0x3000, 0x3002}, {0xFF01, 0xFF0F}, {0xFF1A, 0xFF5E}};

// [一-龥ࠀ-一가-퟿] and [一-龥぀-ゟ゠-ヿ]
constexpr CodeRange kEastAsian[] = {{0x800, 0x9FA5}, {0xAC00, 0xD7FF}};
constexpr CodeRange kHanAndKana[] = {{0x3040, 0x30FF}, {0x4E00, 0x9FA5}};

void CutDeepSeekLlm(absl::string_view text, Words* words) {
  CutLineEnds(text, words);
  Cut(
      text, [](const Piece& p, std::size_t at) { return p.MatchAfterSpace(at, kCasedLetters); },
      words);
  Cut(
      text,
      [](const Piece& p, std::size_t at) { return p.MatchAfterSpace(at, kDeepSeekPunctuation); },
      words);
  CutSpacesAtEnd(text, words);
  CutRanges(text, kEastAsian, words);
  CutRuns(text, kNumber, SIZE_MAX, words);
}

void CutDeepSeekCoder(absl::string_view text, Words* words) {
  CutLineEnds(text, words);
  for (const Kinds kinds : {kLetter, kPunctuation}) {
    Cut(
        text, [=](const Piece& p, std::size_t at) { return p.MatchAfterSpace(at, kinds); }, words);
  }
  CutRanges(text, kEastAsian, words);
  CutRuns(text, kNumber, 1, words);
}

void CutDeepSeekV3(absl::string_view text, Words* words) {
  CutRuns(text, kNumber, 3, words);
  CutRanges(text, kHanAndKana, words);
  Cut(
      text, [](const Piece& p, std::size_t at) { return p.MatchDeepSeekV3(at); }, words);
}

}  // namespace

std::vector<WordRange> SplitWords(BpePretokenizer rule, absl::string_view text) {
  using Rule = BpePretokenizer;
  Words words;
  if (text.empty()) return words;
  words.push_back({0, text.size()});
  switch (rule) {
    case Rule::kDefault:
      CutPunctuation(text, "$+<=>^~|", &words);
      CutGpt2(text, &words);
      CutRuns(text, kNumber, SIZE_MAX, &words);
      CutThreeDigits(text, &words);
      break;
    case Rule::kSmolLm:
      CutRuns(text, kNumber, 1, &words);
      CutGpt2(text, &words);
      break;
    case Rule::kGpt2:
      CutGpt2(text, &words);
      break;
    case Rule::kLlama3:
      CutNewer(text, {.digits = 3}, &words);
      break;
    case Rule::kQwen2:
      CutNewer(text, {}, &words);
      break;
    case Rule::kQwen35:
      CutNewer(text, {.letters = kLetter | kMark}, &words);
      break;
    case Rule::kSeedCoder:
      CutNewer(text, {.tail = WordRule::Tail::kNone}, &words);
      break;
    case Rule::kTekken:
      CutNewer(
          text,
          {.cased = true, .contraction_first = false, .tail = WordRule::Tail::kLineEndsAndSlashes},
          &words);
      break;
    case Rule::kGpt4o:
      CutNewer(text,
               {.cased = true,
                .contraction_first = false,
                .contraction_last = true,
                .digits = 3,
                .tail = WordRule::Tail::kLineEndsAndSlashes},
               &words);
      break;
    case Rule::kFalcon:
      CutPunctuation(text, "$+<=>^~|`", &words);
      CutGpt2(text, &words);
      CutThreeDigits(text, &words);
      break;
    case Rule::kChameleon:
      CutChameleon(text, &words);
      break;
    case Rule::kBloom:
      CutBloom(text, &words);
      break;
    case Rule::kViking:
      CutBloom(text, &words);
      CutRuns(text, kNumber, 1, &words);
      break;
    case Rule::kDeepSeekLlm:
      CutDeepSeekLlm(text, &words);
      break;
    case Rule::kDeepSeekCoder:
      CutDeepSeekCoder(text, &words);
      break;
    case Rule::kDeepSeekV3:
      CutDeepSeekV3(text, &words);
      break;
  }
  return words;
}

}  // namespace ragmesh::text
