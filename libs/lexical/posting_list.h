// One term's postings in an image: blocks of packed slots and counts, and what bounds them.
#ifndef RAGMESH_LIBS_LEXICAL_POSTING_LIST_H_
#define RAGMESH_LIBS_LEXICAL_POSTING_LIST_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "libs/lexical/bm25.h"
#include "libs/lexical/byte_codec.h"
#include "libs/lexical/fields.h"
#include "libs/linalg/postings_kernels.h"

namespace ragmesh::lexical {

inline constexpr std::uint32_t kBlockPostings = linalg::kPackedBlock;
// Slots are bounded so that a block's slots cannot wrap around while they are summed up: 128 gaps
// of 24 bits and a first slot stay below 2^32.
inline constexpr std::uint32_t kMaxSlots = 1u << 24;
// Slots that share one upper bound. A word of the bitmap of allowed slots is one range.
inline constexpr std::uint32_t kRangeSlots = 64;
// Bounds of a range's postings come in this many levels; code 0 stands for no posting.
inline constexpr std::size_t kLevels = 15;

inline std::uint32_t RangeCount(std::uint32_t slots) {
  return (slots + kRangeSlots - 1) / kRangeSlots;
}
// As many as linalg's kernels take.
inline std::uint32_t PaddedRangeCount(std::uint32_t slots) {
  constexpr auto kStep = static_cast<std::uint32_t>(linalg::kCodesPerStep);
  return (RangeCount(slots) + kStep - 1) / kStep * kStep;
}

// Up to kBlockPostings postings, unpacked.
struct PostingBlock {
  std::array<std::uint32_t, kBlockPostings> slots;
  std::array<std::uint32_t, kBlockPostings> counts;
  std::array<std::uint32_t, kBlockPostings> titles;    // only where has_fields
  std::array<std::uint32_t, kBlockPostings> headings;  // only where has_fields
  std::uint32_t size = 0;
  bool has_fields = false;  // false: all occurrences are in bodies

  Occurrences At(std::uint32_t i) const {
    Occurrences occurrences{static_cast<std::uint16_t>(counts[i]), 0, 0};
    if (has_fields) {
      occurrences.title = static_cast<std::uint8_t>(titles[i]);
      occurrences.heading = static_cast<std::uint8_t>(headings[i]);
    }
    return occurrences;
  }
};

// A view; the bytes outlive it. Bytes that follow no layout are found where they are used: nothing
// outside of them is read, and no slot that is given out is beyond the image's.
class PostingList {
 public:
  // `record` is followed by kPackedReadBytes readable bytes. nullopt: it follows no layout.
  static std::optional<PostingList> Parse(absl::string_view record, std::uint32_t documents,
                                          std::uint32_t slots);

  std::uint32_t documents() const { return documents_; }
  std::uint32_t block_count() const { return (documents_ + kBlockPostings - 1) / kBlockPostings; }
  std::uint32_t BlockSize(std::uint32_t block) const {
    return std::min(kBlockPostings, documents_ - block * kBlockPostings);
  }
  // The last slot of a block, as the directory has it; where there is but one block, any slot.
  std::uint32_t LastSlot(std::uint32_t block) const {
    return block_count() == 1 ? slots_ - 1 : Directory(block);
  }
  // The first block from `from` on whose last slot is not before `slot`; block_count(): none.
  std::uint32_t Seek(std::uint32_t from, std::uint32_t slot) const;

  // False when the block follows no layout; its slots are ascending and in the image otherwise.
  bool Unpack(std::uint32_t block, const linalg::PostingsKernels& kernels, PostingBlock* out) const;

  // Whether each range of slots has a code that says how much its postings are worth at most.
  bool has_codes() const { return codes_ != nullptr; }
  // PaddedRangeCount codes, as PostingsKernels::add_codes takes them.
  const std::uint8_t* codes() const { return codes_; }
  // What the postings of a range with code i can add at most, for each i; [0] is 0. False when the
  // levels follow no layout.
  bool LevelBounds(const Scorer& scorer, double weight, std::array<double, kLevels + 1>* out) const;

 private:
  std::uint32_t Directory(std::uint32_t i) const {
    return LoadLittle<std::uint32_t>(directory_ + 4 * std::size_t{i});
  }

  absl::string_view record_;  // from where offsets count
  std::uint32_t documents_ = 0;
  std::uint32_t slots_ = 0;
  const char* directory_ = nullptr;  // last slots, then offsets; null: one block
  const std::uint8_t* codes_ = nullptr;
  absl::string_view levels_;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_POSTING_LIST_H_
