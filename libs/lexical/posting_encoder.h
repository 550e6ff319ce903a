// Postings of one term -> its records in an image. posting_list.h reads them.
#ifndef RAGMESH_LIBS_LEXICAL_POSTING_ENCODER_H_
#define RAGMESH_LIBS_LEXICAL_POSTING_ENCODER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "libs/lexical/bm25.h"
#include "libs/lexical/fields.h"

namespace ragmesh::lexical {

struct EncodedPosting {
  std::uint32_t slot = 0;
  Occurrences occurrences;
  std::uint32_t first_position = 0;  // where in the positions of the term its own begin
};

// Makes the records of an image with these lengths, by slot. Not thread-safe.
class PostingEncoder {
 public:
  PostingEncoder(absl::Span<const Lengths> lengths, const CorpusStatistics& statistics);

  // Slots ascend.
  void AppendRecord(absl::Span<const EncodedPosting> postings, std::string* out);
  static void AppendPositions(absl::Span<const EncodedPosting> postings,
                              absl::Span<const std::uint32_t> positions, std::string* out);

 private:
  void AppendCodes(absl::Span<const EncodedPosting> postings, std::string* out);
  void AppendLevels(std::string* out);

  const absl::Span<const Lengths> lengths_;
  const Scorer scorer_;  // with the usual settings, which levels are made for
  struct Level {
    // The shortest chunk with so many occurrences; the last entry is for more than it says.
    std::vector<std::uint32_t> shortest;
    std::uint8_t title = 0, heading = 0;  // most occurrences there
  };
  std::vector<Level> levels_;
  std::vector<double> worth_;  // by range: the most that a posting of it adds, of weight 1
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_POSTING_ENCODER_H_
