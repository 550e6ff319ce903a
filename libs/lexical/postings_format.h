// The frame of a postings image: what its writer and its reader must agree on, besides the records
// in posting_list.h and term_dictionary.h.
#ifndef RAGMESH_LIBS_LEXICAL_POSTINGS_FORMAT_H_
#define RAGMESH_LIBS_LEXICAL_POSTINGS_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "libs/lexical/bm25.h"
#include "libs/lexical/byte_codec.h"

namespace ragmesh::lexical {

inline constexpr absl::string_view kPostingsMagic = "RMPOSTNG";
inline constexpr std::size_t kHeaderBytes = 16;
inline constexpr std::size_t kTrailerBytes = 112;

// The last bytes of an image. Sections lie one after the other from kHeaderBytes on.
struct PostingsTrailer {
  std::uint64_t postings_end = 0;
  std::uint64_t positions_end = 0;
  std::uint64_t dictionary_end = 0;
  std::uint64_t index_end = 0;
  std::uint64_t lengths_end = 0;
  std::uint64_t terms = 0;
  std::uint64_t postings = 0;
  CorpusStatistics statistics;
  std::uint32_t slots = 0;
  std::uint8_t has_positions = 0;
  std::uint8_t total_bytes = 2;  // of a length in all fields: 2 or 4
  std::uint8_t part_bytes = 1;   // of a length of title or heading: 1 or 2
  std::uint8_t zero = 0;
  std::uint64_t size = 0;  // of the whole image

  std::string Encode() const {
    std::string out;
    for (const std::uint64_t number :
         {postings_end, positions_end, dictionary_end, index_end, lengths_end, terms, postings,
          statistics.documents, statistics.total_length, statistics.title_length,
          statistics.heading_length})
      AppendLittle(number, &out);
    AppendLittle(slots, &out);
    for (const std::uint8_t byte : {has_positions, total_bytes, part_bytes, zero})
      AppendLittle(byte, &out);
    AppendLittle(size, &out);
    out.append(kPostingsMagic.data(), kPostingsMagic.size());
    return out;
  }
  // `bytes` are kTrailerBytes. Checks nothing; the magic is left.
  static PostingsTrailer Decode(absl::string_view bytes) {
    ByteReader in(bytes);
    PostingsTrailer trailer;
    for (std::uint64_t* number :
         {&trailer.postings_end, &trailer.positions_end, &trailer.dictionary_end,
          &trailer.index_end, &trailer.lengths_end, &trailer.terms, &trailer.postings,
          &trailer.statistics.documents, &trailer.statistics.total_length,
          &trailer.statistics.title_length, &trailer.statistics.heading_length})
      *number = in.Little<std::uint64_t>();
    trailer.slots = in.Little<std::uint32_t>();
    for (std::uint8_t* byte :
         {&trailer.has_positions, &trailer.total_bytes, &trailer.part_bytes, &trailer.zero})
      *byte = in.Little<std::uint8_t>();
    trailer.size = in.Little<std::uint64_t>();
    return trailer;
  }
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_POSTINGS_FORMAT_H_
