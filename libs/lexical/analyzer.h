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

namespace ragmesh::lexical {

// Terms of one text with how often each occurs, sorted by term.
struct TermCounts {
  std::vector<std::pair<std::string, std::uint32_t>> terms;
  std::uint32_t length = 0;  // occurrences of all terms together
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
  TermCounts Count(absl::string_view text) const;

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
