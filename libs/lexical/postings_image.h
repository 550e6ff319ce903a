// An immutable inverted index in one range of bytes, which may be a mapped file.
//
// docs/formats/postings.md gives every byte. Nothing is copied at open: what a search needs is read
// where it lies. Bytes need not be trusted: those that follow no layout give an error, at open or
// where they are met, and never a read outside; whether they are the bytes that were written is for
// the owner's checksum to say.
#ifndef RAGMESH_LIBS_LEXICAL_POSTINGS_IMAGE_H_
#define RAGMESH_LIBS_LEXICAL_POSTINGS_IMAGE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/lexical/bm25.h"
#include "libs/lexical/fields.h"
#include "libs/lexical/index_part.h"
#include "libs/lexical/posting_list.h"
#include "libs/lexical/term_dictionary.h"
#include "libs/linalg/postings_kernels.h"

namespace ragmesh::lexical {

inline constexpr std::uint32_t kPostingsVersion = 1;

// Where the bytes of an image went.
struct PostingsSizes {
  std::uint64_t postings = 0;  // with directories and bounds
  std::uint64_t positions = 0;
  std::uint64_t dictionary = 0;
  std::uint64_t lengths = 0;
};

// Thread-safe: const, over bytes that nobody changes.
class PostingsImage final : public IndexPart {
 public:
  // `bytes` is borrowed and outlives the image. DATA_LOSS / CORRUPT_DATA on bytes that follow no
  // layout, FAILED_PRECONDITION / NEWER_FORMAT on a later version.
  static absl::StatusOr<PostingsImage> Open(
      absl::string_view bytes,
      const linalg::PostingsKernels& kernels = linalg::DefaultPostingsKernels());

  std::uint64_t terms() const { return terms_; }
  std::uint64_t postings() const { return postings_; }
  bool has_positions() const { return has_positions_; }
  // Of all slots, those that were deleted since included.
  const CorpusStatistics& statistics() const override { return statistics_; }
  std::uint64_t size_bytes() const { return bytes_.size(); }
  // Memory besides the bytes themselves.
  std::uint64_t memory_bytes() const { return sizeof(*this); }
  const PostingsSizes& sizes() const { return sizes_; }
  // nullopt where no slot holds the term.
  std::optional<TermEntry> Find(absl::string_view term) const { return dictionary_.Find(term); }
  const TermDictionary& dictionary() const { return dictionary_; }

  // DATA_LOSS on bytes that follow no layout.
  absl::StatusOr<PostingList> List(const TermEntry& entry) const;
  // Positions of posting `index` of an unpacked block, as many as its count, appended to `out`.
  // FAILED_PRECONDITION / NO_POSITIONS where the image has none.
  absl::Status ReadPositions(const TermEntry& entry, const PostingList& list, std::uint32_t block,
                             const PostingBlock& postings, std::uint32_t index,
                             std::vector<std::uint32_t>* out) const;
  // The same of all postings of a block, one after the other.
  absl::Status ReadBlockPositions(const TermEntry& entry, const PostingList& list,
                                  std::uint32_t block, const PostingBlock& postings,
                                  std::vector<std::uint32_t>* out) const;

  std::uint32_t TotalAt(std::uint32_t slot) const {
    const char* at = totals_ + std::size_t{slot} * total_bytes_;
    return total_bytes_ == 2 ? LoadLittle<std::uint16_t>(at) : LoadLittle<std::uint32_t>(at);
  }
  Lengths LengthsAt(std::uint32_t slot) const {
    const auto part = [&](const char* from) -> std::uint16_t {
      return part_bytes_ == 1 ? static_cast<unsigned char>(from[slot])
                              : LoadLittle<std::uint16_t>(from + 2 * std::size_t{slot});
    };
    return {TotalAt(slot), part(titles_), part(headings_)};
  }
  // The lengths in all fields, two bytes each; null where they take more.
  const char* short_totals() const { return total_bytes_ == 2 ? totals_ : nullptr; }
  double NormAt(const Scorer& scorer, std::uint32_t slot) const {
    return scorer.plain() ? scorer.PlainNorm(TotalAt(slot)) : scorer.Norm(LengthsAt(slot));
  }
  const linalg::PostingsKernels& kernels() const { return *kernels_; }

  std::uint32_t slot_count() const override { return slots_; }
  std::uint32_t DocumentFrequency(absl::string_view term) const override {
    const auto entry = Find(term);
    return entry.has_value() ? entry->documents : 0;
  }
  absl::Status ForEachSlot(absl::string_view term,
                           absl::FunctionRef<void(std::uint32_t)> found) const override;
  absl::Status ForEachPositions(
      absl::string_view term, absl::Span<const std::uint32_t> slots,
      absl::FunctionRef<void(std::uint32_t, absl::Span<const std::uint32_t>)> found) const override;
  absl::Status ForEachOccurrence(
      absl::string_view term, absl::Span<const std::uint32_t> slots,
      absl::FunctionRef<void(std::size_t, const Occurrences&, const Lengths&)> found)
      const override;
  bool ForEachTerm(absl::string_view prefix, std::size_t limit,
                   absl::FunctionRef<void(absl::string_view)> found) const override;
  absl::Status Search(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                      absl::Span<const std::uint64_t> allowed, std::uint32_t base,
                      TopSlots* best) const override;
  absl::Status Score(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                     absl::Span<const std::uint32_t> slots,
                     absl::Span<double> scores) const override;

  // Reads everything: that the layout holds to the last byte, that terms and slots ascend, that
  // figures and bounds are those of the postings. Takes about as long as writing did.
  absl::Status Check() const;

 private:
  absl::StatusOr<absl::string_view> BlockPositions(const TermEntry& entry, const PostingList& list,
                                                   std::uint32_t block) const;
  absl::Status CheckList(const TermEntry& entry, const PostingList& list,
                         std::uint64_t* postings) const;

  absl::string_view bytes_;
  const linalg::PostingsKernels* kernels_ = nullptr;
  std::uint32_t slots_ = 0;
  std::uint64_t terms_ = 0;
  std::uint64_t postings_ = 0;
  bool has_positions_ = false;
  CorpusStatistics statistics_;
  PostingsSizes sizes_;
  absl::string_view postings_section_, positions_section_;
  TermDictionary dictionary_;
  const char* totals_ = nullptr;
  const char* titles_ = nullptr;
  const char* headings_ = nullptr;
  std::uint32_t total_bytes_ = 2;
  std::uint32_t part_bytes_ = 1;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_POSTINGS_IMAGE_H_
