// The sentences an answer may be made from, and how well each answers the question.
#ifndef RAGMESH_LIBS_ANSWER_EVIDENCE_H_
#define RAGMESH_LIBS_ANSWER_EVIDENCE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/answer/words.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::answer {

// One sentence of a passage; one that ends with a colon holds the list after it.
struct Sentence {
  std::size_t passage = 0;  // index of its passage
  stages::ByteRange range;  // in the document's normalised text
  std::string text;         // exactly the bytes there
  std::string heading;      // that it stands under, innermost; empty when there is none
  Words words;
  std::vector<float> vector;  // of TextToEmbed, unit length; empty without an embedder
  double relevance = 0;       // to the question, about 0 to 1
};

// A sentence as part of running text: the items of its list follow one another, "; " between them.
std::string OnOneLine(absl::string_view text);

// What the embedder reads of a sentence: it means more under its heading.
std::string TextToEmbed(const Sentence& sentence);

// Sentences of the passages with the question's view on them. Immutable after Score; reads are
// thread-safe.
class Evidence {
 public:
  // Bounds, so that one question costs one embedding call of known size.
  static constexpr std::size_t kMaxSentences = 96;
  static constexpr std::size_t kMaxSentenceBytes = 1200;

  // Takes sentences from the passages in order, best passage first.
  Evidence(absl::string_view question, absl::Span<const stages::StoredChunk> passages);

  // Sets each sentence's relevance: half meaning (cosine), half words (share of the question's
  // terms, weighted by how rare they are here). `vectors` is one per sentence, of its TextToEmbed,
  // or empty without an embedder: then words alone count.
  void Score(std::vector<std::vector<float>> vectors, const std::vector<float>& question_vector);

  const std::vector<Sentence>& sentences() const { return sentences_; }
  const Words& question() const { return question_; }
  // Words of a whole passage with its headings and document name.
  const Words& passage_words(std::size_t passage) const { return passage_words_[passage]; }
  bool has_vectors() const { return has_vectors_; }
  // Sentence indices, best to answer with first: by relevance, less for headings, table rows and
  // lines of code, and for what adds few words to the question; ties in order of the passages.
  const std::vector<std::size_t>& by_relevance() const { return by_relevance_; }

  // Weight of a term: high when few of the sentences hold it.
  double Weight(const std::string& term) const;
  // Share of `wanted` that `direct` holds, by weight; what only `nearby` holds counts half. 1 for
  // no terms.
  double Coverage(const std::set<std::string>& wanted, const std::set<std::string>& direct,
                  const std::set<std::string>& nearby) const;

 private:
  Words question_;
  std::vector<Sentence> sentences_;
  std::vector<Words> passage_words_;
  std::map<std::string, int> sentence_counts_;  // by term
  std::vector<std::size_t> by_relevance_;
  bool has_vectors_ = false;
};

double Cosine(const std::vector<float>& a, const std::vector<float>& b);

}  // namespace ragmesh::answer

#endif  // RAGMESH_LIBS_ANSWER_EVIDENCE_H_
