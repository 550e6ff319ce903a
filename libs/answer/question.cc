#include "libs/answer/question.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/text/sentences.h"

namespace ragmesh::answer {
namespace {

constexpr std::size_t kMaxQueryBytes = 4096;

std::vector<std::string> LowerWords(absl::string_view text) {
  return absl::StrSplit(absl::AsciiStrToLower(text), absl::ByAnyChar(" \t\n,.;:?!\"()"),
                        absl::SkipEmpty());
}

bool IsOneOf(absl::string_view word, std::initializer_list<absl::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

// A word of the sentence as written, without punctuation around it.
struct Written {
  absl::string_view text;
  bool capital = false;
  bool digits = false;  // begins with a digit
  bool first = false;
  bool glued = false;  // nothing but white space stands between it and the word before
};

std::vector<Written> WordsOf(absl::string_view sentence) {
  std::vector<Written> words;
  std::size_t last_end = 0;
  for (std::size_t at = 0; at < sentence.size();) {
    const auto in_word = [&](std::size_t i) {
      const auto c = static_cast<unsigned char>(sentence[i]);
      const bool joins = (c == '.' || c == ',' || c == '-' || c == '\'') && i > at &&
                         i + 1 < sentence.size() &&
                         absl::ascii_isalnum(static_cast<unsigned char>(sentence[i + 1])) &&
                         (c == '-' || c == '\'' ||
                          absl::ascii_isdigit(static_cast<unsigned char>(sentence[i + 1])));
      return absl::ascii_isalnum(c) || (c & 0x80) != 0 || joins;
    };
    if (!in_word(at)) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < sentence.size() && in_word(end)) ++end;
    Written word;
    word.text = sentence.substr(at, end - at);
    const auto c = static_cast<unsigned char>(word.text[0]);
    word.capital = absl::ascii_isupper(c);
    word.digits = absl::ascii_isdigit(c);
    word.first = words.empty();
    word.glued = !words.empty() &&
                 absl::StripAsciiWhitespace(sentence.substr(last_end, at - last_end)).empty();
    words.push_back(word);
    last_end = end;
    at = end;
  }
  return words;
}

absl::string_view Join(absl::string_view sentence, const Written& first, const Written& last) {
  const std::size_t begin = static_cast<std::size_t>(first.text.data() - sentence.data());
  const std::size_t end =
      static_cast<std::size_t>(last.text.data() - sentence.data()) + last.text.size();
  return sentence.substr(begin, end - begin);
}

bool AskedFor(absl::string_view name, const Words& question) {
  const Words words = ReadWords(name);
  return !words.terms.empty() &&
         std::all_of(words.terms.begin(), words.terms.end(),
                     [&](const std::string& term) { return question.terms.count(term) != 0; });
}

// The first run of capitalised words the question does not hold; after a preposition of place when
// `place`.
std::string FindName(absl::string_view sentence, const Words& question, bool place) {
  const std::vector<Written> words = WordsOf(sentence);
  std::string fallback;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!words[i].capital || words[i].digits) continue;
    std::size_t last = i;
    while (last + 1 < words.size() && words[last + 1].capital && words[last + 1].glued) ++last;
    const absl::string_view name = Join(sentence, words[i], words[last]);
    const std::string before = i == 0 ? "" : absl::AsciiStrToLower(words[i - 1].text);
    const bool common = words[i].first && last == i && ReadWords(name).terms.empty();
    const bool pronoun = IsOneOf(absl::AsciiStrToLower(name),
                                 {"he", "she", "it", "they", "his", "her", "its", "i", "we",
                                  "after", "when", "while", "during", "although"});
    if (!common && !pronoun && !AskedFor(name, question)) {
      // Any word begins its sentence with a capital: a name there counts only when nothing better
      // follows.
      if (words[i].first && last == i) {
        if (!place) fallback = std::string(name);
        continue;
      }
      if (!place || IsOneOf(before, {"in", "at", "near", "to", "from", "of", "into", "on"}))
        return std::string(name);
      if (fallback.empty() && !words[i].first) fallback = std::string(name);
    }
    i = last;
  }
  return fallback;
}

bool IsMonth(absl::string_view word) {
  return IsOneOf(word, {"January", "February", "March", "April", "May", "June", "July", "August",
                        "September", "October", "November", "December"});
}

bool IsYear(const Written& word) {
  return word.digits && word.text.size() == 4 &&
         std::all_of(word.text.begin(), word.text.end(),
                     [](unsigned char c) { return absl::ascii_isdigit(c); });
}

// "7 January 1943", "January 1943", or "1943"; only the year when the question asks for that.
std::string FindTime(absl::string_view sentence, const Words& question, bool year_only) {
  const std::vector<Written> words = WordsOf(sentence);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool month = IsMonth(words[i].text);
    if (!month && !IsYear(words[i])) continue;
    if (IsYear(words[i]) && question.numbers.count(std::string(words[i].text)) != 0) continue;
    std::size_t first = i, last = i;
    if (month) {
      if (i > 0 && words[i - 1].digits && words[i - 1].text.size() <= 2) first = i - 1;
      if (last + 1 < words.size() && words[last + 1].digits && words[last + 1].text.size() <= 2)
        ++last;
      if (last + 1 < words.size() && IsYear(words[last + 1])) ++last;
      if (year_only && IsYear(words[last])) first = last;
      if (first == last && !IsYear(words[last])) continue;
    }
    return std::string(Join(sentence, words[first], words[last]));
  }
  return "";
}

std::string FindCount(absl::string_view sentence, const Words& question) {
  for (const Written& word : WordsOf(sentence)) {
    const Words alone = ReadWords(word.text);
    if (alone.numbers.empty() || IsYear(word)) continue;
    if (question.numbers.count(*alone.numbers.begin()) == 0) return std::string(word.text);
  }
  return "";
}

std::string YesOrNo(const Sentence& sentence, const Evidence& evidence) {
  const Words& question = evidence.question();
  const double coverage = evidence.Coverage(question.terms, sentence.words.terms,
                                            evidence.passage_words(sentence.passage).terms);
  if (coverage < 0.7) return "";
  // "Was he the 15th?" against "the 16th": the sentence has another number in its place.
  for (const std::string& number : question.numbers) {
    if (sentence.words.numbers.count(number) == 0)
      return sentence.words.numbers.empty() ? "" : "No";
  }
  return sentence.words.negated == question.negated ? "Yes" : "No";
}

}  // namespace

QuestionKind KindOf(absl::string_view question) {
  const std::vector<std::string> words = LowerWords(question);
  if (words.empty()) return QuestionKind::kOther;
  const std::string& first = words[0];
  if (IsOneOf(first, {"is", "are", "was", "were", "do", "does", "did", "has", "have", "had", "can",
                      "could", "will", "would", "should", "must", "may"})) {
    return absl::StrContains(question, " or ") ? QuestionKind::kOther : QuestionKind::kYesNo;
  }
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string next = i + 1 < words.size() ? words[i + 1] : "";
    if (IsOneOf(words[i], {"who", "whom", "whose"})) return QuestionKind::kPerson;
    if (words[i] == "when") return QuestionKind::kTime;
    if (words[i] == "where") return QuestionKind::kPlace;
    if (words[i] == "how" &&
        IsOneOf(next, {"many", "much", "old", "long", "tall", "far", "heavy", "high", "deep"})) {
      return QuestionKind::kCount;
    }
    if (IsOneOf(words[i], {"what", "which"})) {
      if (IsOneOf(next, {"year", "date", "day", "century", "month"})) return QuestionKind::kTime;
      if (IsOneOf(next, {"city", "country", "state", "town", "place"})) return QuestionKind::kPlace;
      if (IsOneOf(next, {"person", "president", "actor", "author", "king", "queen"}))
        return QuestionKind::kPerson;
      return QuestionKind::kOther;
    }
  }
  return QuestionKind::kOther;
}

std::string RetrievalQuery(absl::string_view question, absl::Span<const Turn> history) {
  std::string query(question);
  if (!history.empty()) {
    const std::vector<std::string> words = LowerWords(question);
    const bool refers = std::any_of(words.begin(), words.end(), [](const std::string& word) {
      return IsOneOf(word, {"it", "its", "he", "she", "him", "his", "her", "they", "them", "their",
                            "this", "that", "these", "those", "there", "former", "latter"});
    });
    if (refers || ReadWords(question).terms.size() < 3) {
      const Turn& last = history.back();
      const auto sentences = text::SplitSentences(last.answer);
      const std::string answer =
          sentences.empty()
              ? ""
              : last.answer.substr(sentences[0].begin, sentences[0].end - sentences[0].begin);
      query =
          absl::StrCat(last.question.substr(0, 1024), " ", answer.substr(0, 1024), " ", question);
    }
  }
  if (query.size() > kMaxQueryBytes) {
    std::size_t from = query.size() - kMaxQueryBytes;  // the question is at the end
    while (from < query.size() && (static_cast<unsigned char>(query[from]) & 0xC0) == 0x80) ++from;
    query.erase(0, from);
  }
  return query;
}

std::string ShortAnswer(absl::string_view question, const Sentence& sentence,
                        const Evidence& evidence) {
  switch (KindOf(question)) {
    case QuestionKind::kYesNo:
      return YesOrNo(sentence, evidence);
    case QuestionKind::kPerson:
      return FindName(sentence.text, evidence.question(), /*place=*/false);
    case QuestionKind::kPlace:
      return FindName(sentence.text, evidence.question(), /*place=*/true);
    case QuestionKind::kTime:
      return FindTime(sentence.text, evidence.question(),
                      absl::StrContains(absl::AsciiStrToLower(question), "year"));
    case QuestionKind::kCount:
      return FindCount(sentence.text, evidence.question());
    case QuestionKind::kOther:
      return "";
  }
  return "";
}

}  // namespace ragmesh::answer
