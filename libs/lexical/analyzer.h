// Text -> terms, the same way for documents and for queries.
//
// 1. Words are found by Unicode's word boundaries (ICU, with its dictionaries for Thai, Lao, Khmer
// and Burmese);
//    a word is cut again at '_', and at '.' or ':' unless digits stand on both sides.
// 2. Runs of Han, kana and Hangul become overlapping pairs of characters: words in these scripts
// have no spaces,
//    and a dictionary would cut queries and documents differently. A single character stays as it
//    is.
// 3. Compatibility forms and case are folded (NFKC case folding): "ﬁeld", "FIELD" and "field" are
// one term.
// 4. English drops Lucene's 33 stop words.
// 5. Languages that Snowball knows are stemmed.
#ifndef RAGMESH_LIBS_LEXICAL_ANALYZER_H_
#define RAGMESH_LIBS_LEXICAL_ANALYZER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/lexical/fields.h"

namespace ragmesh::lexical {

// The terms of one chunk.
struct ChunkTerms {
  struct Term {
    std::string term;
    PerField<std::uint32_t> counts = {};  // at least one is not 0

    std::uint64_t count() const { return std::uint64_t{counts[0]} + counts[1] + counts[2]; }
    bool operator==(const Term&) const = default;
  };
  std::vector<Term> terms;  // sorted, each once
  // Where each term stands, term after term, count() of each, ascending. Words are numbered through
  // the fields, those included that are dropped; between two fields 100 numbers are left out, so
  // that no phrase spans them.
  std::vector<std::uint32_t> positions;
  PerField<std::uint32_t> lengths = {};  // occurrences of all terms together

  bool operator==(const ChunkTerms&) const = default;
};

struct PlacedTerm {
  std::string term;
  std::uint32_t position = 0;  // numbered as in ChunkTerms
};

// Thread-safe: each call borrows its own ICU and Snowball state from a small pool.
class Analyzer {
 public:
  // Longer terms are cut at a character boundary, so that hostile text cannot make huge dictionary
  // entries.
  static constexpr std::size_t kMaxTermBytes = 128;

  // `language` is a BCP 47 primary tag, "en". Languages without a Snowball stemmer get everything
  // but stemming.
  explicit Analyzer(absl::string_view language);
  ~Analyzer();
  Analyzer(const Analyzer&) = delete;
  Analyzer& operator=(const Analyzer&) = delete;

  // Terms in order of occurrence. Bytes that are not UTF-8 separate words.
  std::vector<std::string> Terms(absl::string_view text) const;
  // The same with their places, which tell a phrase from its words.
  std::vector<PlacedTerm> PlacedTerms(absl::string_view text) const;
  // Words and pairs, folded, but neither dropped nor stemmed: what the beginnings of terms are
  // compared with.
  std::vector<std::string> Words(absl::string_view text) const;
  // The terms of the fields are those of the fields joined by line ends.
  ChunkTerms Analyze(absl::string_view title, absl::string_view heading,
                     absl::string_view body) const;

  // Changes whenever equal text may give other terms, so that stored terms can be known to be
  // stale. Names the rules above and the library versions.
  static std::string Version();

 private:
  class Session;
  struct Pool;
  const std::string language_;
  const std::unique_ptr<Pool> pool_;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_ANALYZER_H_
