#include "libs/document/language.h"

#include <unicode/uchar.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"

namespace ragmesh::document {
namespace {

constexpr std::size_t kMaxBytes = 32 << 10;
constexpr int kMinWords = 12;

struct CommonWords {
  const char* language;
  const char* words;
};

// Words that are frequent in one language and rare in the others.
constexpr CommonWords kCommonWords[] = {
    {"en", "the and of to is that with for was are this from by not have which it be an as or on"},
    {"de",
     "der die das und ist nicht mit den von zu ein eine auf für sich dem auch werden wird im des "
     "oder"},
    {"fr", "le les des et est une dans pour que qui sur pas avec du au par sont cette plus ce"},
    {"es", "el los las y es una que por con para del se como su al más pero sus lo"},
    {"it", "il che di è una per con del della non sono gli nel alla dei anche più come si lo"},
    {"pt", "o os que não uma para com por do da em dos das é ao mais como no na se"},
    {"nl", "de het een en van dat niet is met voor zijn op te aan ook bij door worden wordt"},
    {"sv", "och att det som är på för med den till av inte ett har om var kan"},
    {"da", "og at det som er på for med den til af ikke et har om kan ved fra"},
    {"pl", "i w na z się nie do że jest to od po przez oraz jak dla który są"},
};

std::string ByScript(const std::map<UScriptCode, int>& letters, int all) {
  const auto share = [&](UScriptCode script) {
    const auto found = letters.find(script);
    return all == 0 || found == letters.end() ? 0.0 : static_cast<double>(found->second) / all;
  };
  if (share(USCRIPT_HIRAGANA) + share(USCRIPT_KATAKANA) > 0.1) return "ja";
  constexpr std::pair<UScriptCode, const char*> kScripts[] = {
      {USCRIPT_HAN, "zh"},    {USCRIPT_HANGUL, "ko"},    {USCRIPT_CYRILLIC, "ru"},
      {USCRIPT_ARABIC, "ar"}, {USCRIPT_HEBREW, "he"},    {USCRIPT_GREEK, "el"},
      {USCRIPT_THAI, "th"},   {USCRIPT_DEVANAGARI, "hi"}};
  for (const auto& [script, language] : kScripts) {
    if (share(script) > 0.4) return language;
  }
  return "";
}

}  // namespace

std::string DetectLanguage(absl::string_view text) {
  text = text.substr(0, kMaxBytes);
  std::map<UScriptCode, int> letters;
  int all = 0;
  for (std::size_t i = 0; i < text.size();) {
    UChar32 c;
    std::int32_t offset = 0;
    const char* at = text.data() + i;
    U8_NEXT_OR_FFFD(at, offset,
                    static_cast<std::int32_t>(std::min<std::size_t>(text.size() - i, 8)), c);
    i += static_cast<std::size_t>(offset);
    if (!u_isalpha(c)) continue;
    UErrorCode error = U_ZERO_ERROR;
    ++letters[uscript_getScript(c, &error)];
    ++all;
  }
  if (all < 20) return "";
  if (std::string language = ByScript(letters, all); !language.empty()) return language;

  std::map<std::string, int> counts;
  int words = 0;
  for (const absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \n.,;:!?()\"'|"), absl::SkipEmpty())) {
    ++counts[absl::AsciiStrToLower(word)];
    ++words;
  }
  if (words < kMinWords) return "";
  std::string best;
  int best_hits = 0;
  int second_hits = 0;
  for (const CommonWords& common : kCommonWords) {
    int hits = 0;
    for (const absl::string_view word : absl::StrSplit(common.words, ' ')) {
      const auto found = counts.find(std::string(word));
      if (found != counts.end()) hits += found->second;
    }
    if (hits > best_hits) {
      second_hits = best_hits;
      best_hits = hits;
      best = common.language;
    } else {
      second_hits = std::max(second_hits, hits);
    }
  }
  // Running text has every eighth word or more from such a list; a list of names has few and from
  // several.
  if (best_hits * 12 < words || best_hits * 10 < second_hits * 13) return "";
  return best;
}

}  // namespace ragmesh::document
