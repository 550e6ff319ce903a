// What of a sentence must be true: its content words, numbers, names and negations.
#ifndef RAGMESH_LIBS_ANSWER_WORDS_H_
#define RAGMESH_LIBS_ANSWER_WORDS_H_

#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::answer {

struct Words {
  std::set<std::string> terms;     // stemmed, without stop words and question words
  std::vector<std::string> order;  // the terms as they follow one another, repetitions included
  std::set<std::string> numbers;   // "1234" for "1,234", "4" for "four"
  std::set<std::string> names;     // lower case; capitalised words that do not begin the sentence
  bool negated = false;
};

// Thread-safe.
Words ReadWords(absl::string_view text);

// Everything but `order` and `negated` of both; a text's words are those of its sentences.
void Merge(const Words& from, Words* into);

}  // namespace ragmesh::answer

#endif  // RAGMESH_LIBS_ANSWER_WORDS_H_
