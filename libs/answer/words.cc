#include "libs/answer/words.h"

#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "libs/lexical/analyzer.h"

namespace ragmesh::answer {
namespace {

const std::set<std::string>& QuestionWords() {
  static const auto& words = *new std::set<std::string>{
      "what",   "who",  "whom", "whose", "which", "when", "where", "why",  "how", "did",   "do",
      "doe",    "does", "has",  "have",  "had",   "were", "am",    "been", "can", "could", "would",
      "should", "many", "much", "i",     "you",   "we",   "he",    "she",  "his", "her",   "him",
      "its",    "them", "our",  "my",    "your",  "from", "about", "than", "so"};
  return words;
}

const std::map<std::string, std::string>& NumberWords() {
  static const auto& words = *new std::map<std::string, std::string>{
      {"two", "2"},          {"three", "3"},         {"four", "4"},
      {"five", "5"},         {"six", "6"},           {"seven", "7"},
      {"eight", "8"},        {"nine", "9"},          {"ten", "10"},
      {"eleven", "11"},      {"twelve", "12"},       {"thirteen", "13"},
      {"fourteen", "14"},    {"fifteen", "15"},      {"sixteen", "16"},
      {"seventeen", "17"},   {"eighteen", "18"},     {"nineteen", "19"},
      {"twenty", "20"},      {"thirty", "30"},       {"forty", "40"},
      {"fifty", "50"},       {"sixty", "60"},        {"seventy", "70"},
      {"eighty", "80"},      {"ninety", "90"},       {"hundred", "100"},
      {"thousand", "1000"},  {"million", "1000000"}, {"billion", "1000000000"},
      {"second", "2"},       {"third", "3"},         {"fourth", "4"},
      {"fifth", "5"},        {"sixth", "6"},         {"seventh", "7"},
      {"eighth", "8"},       {"ninth", "9"},         {"tenth", "10"},
      {"eleventh", "11"},    {"twelfth", "12"},      {"thirteenth", "13"},
      {"fourteenth", "14"},  {"fifteenth", "15"},    {"sixteenth", "16"},
      {"seventeenth", "17"}, {"eighteenth", "18"},   {"nineteenth", "19"},
      {"twentieth", "20"}};
  return words;
}

// What turns a statement round, exceptions included.
bool IsNegation(absl::string_view word) {
  return word == "not" || word == "no" || word == "never" || word == "none" || word == "neither" ||
         word == "nor" || word == "cannot" || word == "without" || word == "nobody" ||
         word == "nothing" || word == "except" || word == "excluding" || word == "unless" ||
         word == "hardly" || absl::EndsWith(word, "n't") || absl::EndsWith(word, "n\xe2\x80\x99t");
}

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }
bool InWord(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
         (static_cast<unsigned char>(c) & 0x80) != 0 || c == '\'';
}

// "1,234.50": digits with separators between digits; the commas go, and zeros after the point.
std::string TakeNumber(absl::string_view text, std::size_t* at) {
  std::string number;
  bool fraction = false;
  while (*at < text.size()) {
    const char c = text[*at];
    const bool between = *at + 1 < text.size() && IsDigit(text[*at + 1]) && !number.empty();
    if (IsDigit(c)) {
      number.push_back(c);
    } else if (c == '.' && between && !fraction) {
      number.push_back(c);
      fraction = true;
    } else if (!(c == ',' && between && text.substr(*at + 1).substr(0, 3).size() == 3)) {
      break;
    }
    ++*at;
  }
  if (fraction) {
    while (number.back() == '0') number.pop_back();
    if (number.back() == '.') number.pop_back();
  }
  return number;
}

}  // namespace

Words ReadWords(absl::string_view text) {
  static const auto& analyzer = *new lexical::Analyzer("en");
  Words words;
  for (std::string& term : analyzer.Terms(text)) {
    if (QuestionWords().count(term) != 0) continue;
    words.terms.insert(term);
    words.order.push_back(std::move(term));
  }
  bool first = true;
  for (std::size_t at = 0; at < text.size();) {
    if (IsDigit(text[at])) {
      words.numbers.insert(TakeNumber(text, &at));
      first = false;
      continue;
    }
    if (!InWord(text[at])) {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    while (at < text.size() && InWord(text[at]) && !IsDigit(text[at])) ++at;
    absl::string_view word = text.substr(begin, at - begin);
    const bool capital = absl::ascii_isupper(static_cast<unsigned char>(word[0]));
    std::string lower = absl::AsciiStrToLower(word);
    if (IsNegation(lower)) words.negated = true;
    const auto number = NumberWords().find(lower);
    if (number != NumberWords().end()) words.numbers.insert(number->second);
    if (absl::EndsWith(lower, "'s")) lower.resize(lower.size() - 2);
    while (!lower.empty() && lower.back() == '\'') lower.pop_back();
    if (capital && !first && lower.size() > 1 && number == NumberWords().end())
      words.names.insert(lower);
    first = false;
  }
  return words;
}

void Merge(const Words& from, Words* into) {
  into->terms.insert(from.terms.begin(), from.terms.end());
  into->numbers.insert(from.numbers.begin(), from.numbers.end());
  into->names.insert(from.names.begin(), from.names.end());
}

}  // namespace ragmesh::answer
