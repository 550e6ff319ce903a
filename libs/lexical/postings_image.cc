#include "libs/lexical/postings_image.h"

#include <array>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/lexical/postings_format.h"

namespace ragmesh::lexical {
namespace {

absl::Status Broken(absl::string_view problem) { return Corrupt("postings image", problem); }

}  // namespace

absl::StatusOr<PostingsImage> PostingsImage::Open(absl::string_view bytes,
                                                  const linalg::PostingsKernels& kernels) {
  if (bytes.size() < kHeaderBytes + kTrailerBytes ||
      bytes.substr(0, kPostingsMagic.size()) != kPostingsMagic ||
      bytes.substr(bytes.size() - kPostingsMagic.size()) != kPostingsMagic)
    return Broken("does not begin and end as one");
  const auto version = LoadLittle<std::uint32_t>(bytes.data() + kPostingsMagic.size());
  if (version > kPostingsVersion) {
    return WrongState("NEWER_FORMAT",
                      absl::StrCat("the postings image has version ", version,
                                   ", this build reads up to ", kPostingsVersion),
                      "Run the release that wrote it, or a later one.");
  }
  const auto t = PostingsTrailer::Decode(bytes.substr(bytes.size() - kTrailerBytes));
  if (t.size != bytes.size()) return Broken("is not as long as it says");
  if (t.postings_end < kHeaderBytes + linalg::kPackedReadBytes ||
      t.positions_end < t.postings_end || t.dictionary_end < t.positions_end ||
      t.index_end < t.dictionary_end || t.lengths_end < t.index_end ||
      t.lengths_end != bytes.size() - kTrailerBytes)
    return Broken("has sections out of order");
  if (t.slots > kMaxSlots || t.statistics.documents > t.slots || t.has_positions > 1 ||
      (t.total_bytes != 2 && t.total_bytes != 4) || (t.part_bytes != 1 && t.part_bytes != 2))
    return Broken("has figures out of range");
  if (t.lengths_end - t.index_end != std::uint64_t{t.slots} * (t.total_bytes + 2u * t.part_bytes))
    return Broken("has lengths for another number of slots");
  if (t.index_end - t.dictionary_end !=
      (t.terms / kTermsPerBlock + (t.terms % kTermsPerBlock != 0)) * kIndexEntryBytes)
    return Broken("has a dictionary of another size");
  const auto section = [&](std::uint64_t begin, std::uint64_t end) {
    return bytes.substr(begin, end - begin);
  };
  PostingsImage image;
  image.bytes_ = bytes;
  image.kernels_ = &kernels;
  image.slots_ = t.slots;
  image.terms_ = t.terms;
  image.postings_ = t.postings;
  image.has_positions_ = t.has_positions == 1;
  image.statistics_ = t.statistics;
  image.sizes_ = {t.postings_end - kHeaderBytes, t.positions_end - t.postings_end,
                  t.index_end - t.positions_end, t.lengths_end - t.index_end};
  // Kernels may read behind the last record, but not behind the section.
  image.postings_section_ = section(kHeaderBytes, t.postings_end - linalg::kPackedReadBytes);
  image.positions_section_ = section(t.postings_end, t.positions_end);
  image.dictionary_ = TermDictionary(section(t.positions_end, t.dictionary_end),
                                     section(t.dictionary_end, t.index_end));
  image.total_bytes_ = t.total_bytes;
  image.part_bytes_ = t.part_bytes;
  image.totals_ = bytes.data() + t.index_end;
  image.titles_ = image.totals_ + std::size_t{t.slots} * t.total_bytes;
  image.headings_ = image.titles_ + std::size_t{t.slots} * t.part_bytes;
  return image;
}

absl::StatusOr<PostingList> PostingsImage::List(const TermEntry& entry) const {
  if (entry.postings_offset > postings_section_.size() ||
      entry.postings_bytes > postings_section_.size() - entry.postings_offset)
    return Broken("has postings out of bounds");
  const auto list =
      PostingList::Parse(postings_section_.substr(entry.postings_offset, entry.postings_bytes),
                         entry.documents, slots_);
  if (!list.has_value()) return Broken("has postings that follow no layout");
  return *list;
}

absl::StatusOr<absl::string_view> PostingsImage::BlockPositions(const TermEntry& entry,
                                                                const PostingList& list,
                                                                std::uint32_t block) const {
  if (!has_positions_) {
    return WrongState("NO_POSITIONS", "the postings image was written without positions",
                      "Search without quoted phrases, or write it anew with positions.");
  }
  if (entry.positions_offset > positions_section_.size() ||
      entry.positions_bytes > positions_section_.size() - entry.positions_offset)
    return Broken("has positions out of bounds");
  const absl::string_view record =
      positions_section_.substr(entry.positions_offset, entry.positions_bytes);
  if (list.block_count() == 1) return record;
  if (record.size() < 4 * std::size_t{list.block_count()})
    return Broken("has a positions directory out of bounds");
  const auto offset = LoadLittle<std::uint32_t>(record.data() + 4 * std::size_t{block});
  if (offset > record.size()) return Broken("has positions out of bounds");
  return record.substr(offset);
}

absl::Status PostingsImage::ReadBlockPositions(const TermEntry& entry, const PostingList& list,
                                               std::uint32_t block, const PostingBlock& postings,
                                               std::vector<std::uint32_t>* out) const {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view bytes, BlockPositions(entry, list, block));
  ByteReader in(bytes);
  for (std::uint32_t i = 0; i < postings.size; ++i) {
    std::uint32_t position = 0xFFFFFFFF;
    for (std::uint32_t n = 0; n < postings.counts[i] && !in.failed(); ++n)
      out->push_back(position += static_cast<std::uint32_t>(in.Varint()) + 1);
  }
  return in.failed() ? Broken("has positions that follow no layout") : absl::OkStatus();
}

absl::Status PostingsImage::ReadPositions(const TermEntry& entry, const PostingList& list,
                                          std::uint32_t block, const PostingBlock& postings,
                                          std::uint32_t index,
                                          std::vector<std::uint32_t>* out) const {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view bytes, BlockPositions(entry, list, block));
  ByteReader in(bytes);
  for (std::uint32_t i = 0; i < index; ++i) {
    for (std::uint32_t n = 0; n < postings.counts[i] && !in.failed(); ++n) in.Varint();
  }
  std::uint32_t position = 0xFFFFFFFF;
  for (std::uint32_t n = 0; n < postings.counts[index] && !in.failed(); ++n)
    out->push_back(position += static_cast<std::uint32_t>(in.Varint()) + 1);
  return in.failed() ? Broken("has positions that follow no layout") : absl::OkStatus();
}

absl::Status PostingsImage::CheckList(const TermEntry& entry, const PostingList& list,
                                      std::uint64_t* postings) const {
  // At the settings bounds were made for, and at others, no posting is worth more than its range.
  const std::array<Scorer, 2> scorers = {Scorer({}, statistics_),
                                         Scorer({0.7, 0.3, {2.5, 1.5, 0.5}}, statistics_)};
  std::array<std::array<double, kLevels + 1>, 2> bounds = {};
  for (std::size_t i = 0; i < scorers.size() && list.has_codes(); ++i) {
    if (!list.LevelBounds(scorers[i], 1, &bounds[i]))
      return Broken("has bounds that follow no layout");
  }
  PostingBlock block;
  std::vector<std::uint32_t> positions;
  for (std::uint32_t b = 0; b < list.block_count(); ++b) {
    if (!list.Unpack(b, *kernels_, &block)) return Broken("has postings that follow no layout");
    *postings += block.size;
    for (std::uint32_t i = 0; i < block.size; ++i) {
      const Occurrences occurrences = block.At(i);
      const std::uint32_t slot = block.slots[i];
      if (TotalAt(slot) < occurrences.count) return Broken("has a chunk shorter than its terms");
      if (!list.has_codes()) continue;
      const std::uint32_t range = slot / kRangeSlots;
      const std::uint8_t pair = list.codes()[range / 64 * 32 + range % 32];
      const std::uint8_t code = range % 64 < 32 ? pair & 15 : pair >> 4;
      for (std::size_t s = 0; s < scorers.size(); ++s) {
        const double worth =
            Scorer::Contribution(1, scorers[s].Frequency(occurrences), NormAt(scorers[s], slot));
        if (worth > bounds[s][code]) return Broken("has a posting worth more than its bound");
      }
    }
    if (!has_positions_) continue;
    positions.clear();
    RAGMESH_RETURN_IF_ERROR(ReadBlockPositions(entry, list, b, block, &positions));
  }
  return absl::OkStatus();
}

absl::Status PostingsImage::Check() const {
  std::uint64_t terms = 0, postings = 0, postings_end = 0, positions_end = 0;
  std::string last;
  TermDictionary::Cursor cursor = dictionary_.Begin();
  while (cursor.Next()) {
    if (terms++ > 0 && cursor.term() <= last) return Broken("has terms out of order");
    last.assign(cursor.term().data(), cursor.term().size());
    if (cursor.entry().postings_offset != postings_end ||
        cursor.entry().positions_offset != positions_end)
      return Broken("has gaps between its postings");
    postings_end += cursor.entry().postings_bytes;
    positions_end += cursor.entry().positions_bytes;
    RAGMESH_ASSIGN_OR_RETURN(const PostingList list, List(cursor.entry()));
    if (const absl::Status status = CheckList(cursor.entry(), list, &postings); !status.ok())
      return Annotate(status, absl::StrCat("term ", terms));
  }
  if (cursor.failed() || terms != terms_ || postings != postings_)
    return Broken("has another number of terms or postings than it says");
  if (postings_end != postings_section_.size() || positions_end != positions_section_.size())
    return Broken("has bytes that belong to no term");
  CorpusStatistics sums;
  for (std::uint32_t slot = 0; slot < slots_; ++slot) sums.Add(LengthsAt(slot));
  sums.documents = statistics_.documents;
  return sums == statistics_ ? absl::OkStatus() : Broken("has lengths of another sum");
}

}  // namespace ragmesh::lexical
