// Sorted terms with what is known of each, front-coded in blocks: the reading and the writing half.
#ifndef RAGMESH_LIBS_LEXICAL_TERM_DICTIONARY_H_
#define RAGMESH_LIBS_LEXICAL_TERM_DICTIONARY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "libs/lexical/byte_codec.h"

namespace ragmesh::lexical {

// What the dictionary says of a term. Offsets are those of the postings and positions sections, and
// not yet checked against them.
struct TermEntry {
  std::uint32_t documents = 0;  // chunks that hold the term
  std::uint64_t postings_offset = 0, postings_bytes = 0;
  std::uint64_t positions_offset = 0, positions_bytes = 0;
};

inline constexpr std::size_t kTermsPerBlock = 16;
inline constexpr std::size_t kIndexEntryBytes = 12;
inline constexpr std::size_t kMaxDictionaryTermBytes = 255;

// Over borrowed bytes. Bytes that follow no layout make terms be missing, never a read outside.
class TermDictionary {
 public:
  TermDictionary() = default;
  // `blocks` and `index` are the two sections; the index holds kIndexEntryBytes for each block.
  TermDictionary(absl::string_view blocks, absl::string_view index)
      : blocks_(blocks), index_(index) {}

  std::optional<TermEntry> Find(absl::string_view term) const;

  // Reads terms in order.
  class Cursor {
   public:
    // False at the end, and where the bytes follow no layout: then failed().
    bool Next();
    absl::string_view term() const { return term_; }
    const TermEntry& entry() const { return entry_; }
    bool failed() const { return failed_; }

   private:
    friend class TermDictionary;
    const TermDictionary* dictionary_ = nullptr;
    std::size_t block_ = 0;
    ByteReader reader_{absl::string_view()};
    std::string term_;
    TermEntry entry_;
    bool failed_ = false;
  };
  Cursor Begin() const { return From(0); }
  // Before the first term that is not less than `term`, or somewhat earlier.
  Cursor Near(absl::string_view term) const;

 private:
  std::size_t block_count() const { return index_.size() / kIndexEntryBytes; }
  absl::string_view Block(std::size_t block) const;
  absl::string_view FirstTerm(std::size_t block) const;
  std::size_t BlockOf(absl::string_view term) const;
  Cursor From(std::size_t block) const;

  absl::string_view blocks_, index_;
};

class TermDictionaryWriter {
 public:
  // Terms come sorted, at most kMaxDictionaryTermBytes each, their entries one after the other.
  void Add(absl::string_view term, std::uint32_t documents, std::uint64_t postings_bytes,
           std::uint64_t positions_bytes);

  const std::string& blocks() const { return blocks_; }
  const std::string& index() const { return index_; }
  std::uint64_t terms() const { return terms_; }

 private:
  std::string blocks_, index_, last_;
  std::uint64_t terms_ = 0;
  std::uint64_t postings_offset_ = 0, positions_offset_ = 0;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_TERM_DICTIONARY_H_
