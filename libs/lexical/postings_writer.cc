#include "libs/lexical/postings_writer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/lexical/posting_encoder.h"
#include "libs/lexical/postings_format.h"

namespace ragmesh::lexical {
namespace {

constexpr std::size_t kBytesPerWrite = 1u << 20;

// The terms of one source in order, and the postings of each under their new slots.
class SourceCursor {
 public:
  explicit SourceCursor(const PostingsSource& source) : source_(source) {
    if (source.image != nullptr) {
      cursor_ = source.image->dictionary().Begin();
    } else {
      terms_ = source.index->SortedTerms();
    }
  }

  // False at the end.
  absl::StatusOr<bool> Next() {
    if (source_.image == nullptr) {
      valid_ = next_ < terms_.size();
      if (valid_) term_ = terms_[next_++];
    } else {
      valid_ = cursor_.Next();
      if (cursor_.failed()) return Corrupt("postings image", "has a broken dictionary");
      if (valid_) term_ = cursor_.term();
    }
    return valid_;
  }
  bool valid() const { return valid_; }
  absl::string_view term() const { return term_; }

  // Appends the kept postings of the term; `positions` may be null.
  absl::Status Read(std::vector<EncodedPosting>* postings, std::vector<std::uint32_t>* positions) {
    return source_.image != nullptr ? ReadImage(postings, positions)
                                    : ReadIndex(postings, positions);
  }

 private:
  std::uint32_t NewSlot(std::uint32_t slot) const {
    return slot < source_.new_slots.size() ? source_.new_slots[slot] : InvertedIndex::kDropped;
  }

  absl::Status ReadImage(std::vector<EncodedPosting>* postings,
                         std::vector<std::uint32_t>* positions) {
    RAGMESH_ASSIGN_OR_RETURN(const PostingList list, source_.image->List(cursor_.entry()));
    for (std::uint32_t b = 0; b < list.block_count(); ++b) {
      if (!list.Unpack(b, source_.image->kernels(), &block_))
        return Corrupt("postings image", "has postings that follow no layout");
      std::uint32_t first = 0;
      if (positions != nullptr) {
        first = static_cast<std::uint32_t>(positions->size());
        RAGMESH_RETURN_IF_ERROR(
            source_.image->ReadBlockPositions(cursor_.entry(), list, b, block_, positions));
      }
      for (std::uint32_t i = 0; i < block_.size; ++i) {
        const std::uint32_t slot = NewSlot(block_.slots[i]);
        if (slot != InvertedIndex::kDropped) postings->push_back({slot, block_.At(i), first});
        first += block_.counts[i];
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadIndex(std::vector<EncodedPosting>* postings,
                         std::vector<std::uint32_t>* positions) {
    bool complete = true;
    source_.index->ForEachPosting(term_, [&](std::uint32_t slot, const Occurrences& occurrences,
                                             absl::Span<const std::uint32_t> at) {
      const std::uint32_t new_slot = NewSlot(slot);
      if (new_slot == InvertedIndex::kDropped) return;
      std::uint32_t first = 0;
      if (positions != nullptr) {
        first = static_cast<std::uint32_t>(positions->size());
        positions->insert(positions->end(), at.begin(), at.end());
        complete = complete && at.size() == occurrences.count;
      }
      postings->push_back({new_slot, occurrences, first});
    });
    return complete ? absl::OkStatus()
                    : InvalidField("sources", "must have positions where positions are written");
  }

  const PostingsSource& source_;
  TermDictionary::Cursor cursor_;
  std::vector<std::string> terms_;
  std::size_t next_ = 0;
  bool valid_ = false;
  absl::string_view term_;
  PostingBlock block_;
};

// Calls visit(term, postings, positions) for each term that a kept slot holds, in order.
template <typename Visit>
absl::Status MergeTerms(absl::Span<const PostingsSource> sources, bool with_positions,
                        const Visit& visit) {
  std::vector<SourceCursor> cursors;
  cursors.reserve(sources.size());
  for (const PostingsSource& source : sources) {
    cursors.emplace_back(source);
    RAGMESH_RETURN_IF_ERROR(cursors.back().Next().status());
  }
  std::vector<EncodedPosting> postings;
  std::vector<std::uint32_t> positions;
  std::string term;
  while (true) {
    const SourceCursor* least = nullptr;
    for (const SourceCursor& cursor : cursors) {
      if (cursor.valid() && (least == nullptr || cursor.term() < least->term())) least = &cursor;
    }
    if (least == nullptr) return absl::OkStatus();
    term.assign(least->term().data(), least->term().size());
    postings.clear();
    positions.clear();
    for (SourceCursor& cursor : cursors) {
      if (!cursor.valid() || cursor.term() != term) continue;
      RAGMESH_RETURN_IF_ERROR(cursor.Read(&postings, with_positions ? &positions : nullptr));
      RAGMESH_RETURN_IF_ERROR(cursor.Next().status());
    }
    if (postings.empty()) continue;
    const auto by_slot = [](const EncodedPosting& a, const EncodedPosting& b) {
      return a.slot < b.slot;
    };
    if (!std::is_sorted(postings.begin(), postings.end(), by_slot))
      std::sort(postings.begin(), postings.end(), by_slot);
    RAGMESH_RETURN_IF_ERROR(
        visit(term, absl::MakeConstSpan(postings), absl::MakeConstSpan(positions)));
  }
}

class PostingsWriter {
 public:
  PostingsWriter(absl::Span<const PostingsSource> sources, const PostingsLayout& layout,
                 ByteSink sink)
      : sources_(sources), layout_(layout), sink_(sink) {}

  absl::Status Write() {
    RAGMESH_RETURN_IF_ERROR(GatherLengths());
    buffer_.append(kPostingsMagic.data(), kPostingsMagic.size());
    AppendLittle(kPostingsVersion, &buffer_);
    AppendLittle(std::uint32_t{0}, &buffer_);
    RAGMESH_RETURN_IF_ERROR(WriteRecords());
    RAGMESH_RETURN_IF_ERROR(WritePositions());
    RAGMESH_RETURN_IF_ERROR(WriteDictionary());
    RAGMESH_RETURN_IF_ERROR(WriteLengths());
    trailer_.slots = layout_.slots;
    trailer_.has_positions = layout_.positions ? 1 : 0;
    trailer_.size = written() + kTrailerBytes;
    buffer_ += trailer_.Encode();
    return Flush();
  }

 private:
  std::uint64_t written() const { return flushed_ + buffer_.size(); }
  absl::Status Flush() {
    RAGMESH_RETURN_IF_ERROR(sink_(buffer_));
    flushed_ += buffer_.size();
    buffer_.clear();
    return absl::OkStatus();
  }
  absl::Status FlushWhenFull() {
    return buffer_.size() < kBytesPerWrite ? absl::OkStatus() : Flush();
  }

  absl::Status GatherLengths() {
    if (layout_.slots > kMaxSlots)
      return LimitExceeded("slots", layout_.slots, kMaxSlots, "slots", "Write several images.");
    lengths_.resize(layout_.slots);
    std::vector<bool> taken(layout_.slots, false);
    for (const PostingsSource& source : sources_) {
      const std::uint32_t slots =
          source.image != nullptr ? source.image->slot_count() : source.index->slot_count();
      for (std::uint32_t slot = 0; slot < std::min<std::size_t>(slots, source.new_slots.size());
           ++slot) {
        const std::uint32_t new_slot = source.new_slots[slot];
        if (new_slot == InvertedIndex::kDropped) continue;
        if (new_slot >= layout_.slots || taken[new_slot])
          return InvalidField("new_slots", absl::StrCat("map slot ", slot, " to ", new_slot,
                                                        ", which is taken or too large"));
        taken[new_slot] = true;
        lengths_[new_slot] =
            source.image != nullptr ? source.image->LengthsAt(slot) : source.index->LengthsAt(slot);
        trailer_.statistics.Add(lengths_[new_slot]);
        if (lengths_[new_slot].total > 0xFFFF) trailer_.total_bytes = 4;
        if (std::max(lengths_[new_slot].title, lengths_[new_slot].heading) > 0xFF)
          trailer_.part_bytes = 2;
      }
    }
    return absl::OkStatus();
  }

  absl::Status WriteRecords() {
    PostingEncoder encoder(lengths_, trailer_.statistics);
    RAGMESH_RETURN_IF_ERROR(
        MergeTerms(sources_, false,
                   [&](absl::string_view, absl::Span<const EncodedPosting> postings,
                       absl::Span<const std::uint32_t>) {
                     const std::uint64_t begin = written();
                     encoder.AppendRecord(postings, &buffer_);
                     record_bytes_.push_back(static_cast<std::uint32_t>(written() - begin));
                     trailer_.postings += postings.size();
                     return FlushWhenFull();
                   }));
    buffer_.append(linalg::kPackedReadBytes, '\0');
    trailer_.postings_end = written();
    return absl::OkStatus();
  }

  // Also makes the dictionary: by then the sizes of a term's records are known.
  absl::Status WritePositions() {
    RAGMESH_RETURN_IF_ERROR(
        MergeTerms(sources_, layout_.positions,
                   [&](absl::string_view term, absl::Span<const EncodedPosting> postings,
                       absl::Span<const std::uint32_t> positions) {
                     const std::uint64_t begin = written();
                     if (layout_.positions)
                       PostingEncoder::AppendPositions(postings, positions, &buffer_);
                     dictionary_.Add(term, static_cast<std::uint32_t>(postings.size()),
                                     record_bytes_[trailer_.terms++], written() - begin);
                     return FlushWhenFull();
                   }));
    trailer_.positions_end = written();
    return absl::OkStatus();
  }

  absl::Status WriteDictionary() {
    if (dictionary_.blocks().size() > 0xFFFFFFFFu)
      return LimitExceeded("terms", static_cast<long long>(trailer_.terms), 0, "terms",
                           "Write several images.");
    buffer_ += dictionary_.blocks();
    trailer_.dictionary_end = written();
    buffer_ += dictionary_.index();
    trailer_.index_end = written();
    return Flush();
  }

  absl::Status WriteLengths() {
    for (const Lengths& lengths : lengths_) {
      trailer_.total_bytes == 2 ? AppendLittle(static_cast<std::uint16_t>(lengths.total), &buffer_)
                                : AppendLittle(lengths.total, &buffer_);
    }
    for (const auto part : {&Lengths::title, &Lengths::heading}) {
      for (const Lengths& lengths : lengths_) {
        trailer_.part_bytes == 1 ? AppendLittle(static_cast<std::uint8_t>(lengths.*part), &buffer_)
                                 : AppendLittle(lengths.*part, &buffer_);
      }
    }
    trailer_.lengths_end = written();
    return absl::OkStatus();
  }

  const absl::Span<const PostingsSource> sources_;
  const PostingsLayout layout_;
  const ByteSink sink_;
  std::vector<Lengths> lengths_;
  std::vector<std::uint32_t> record_bytes_;  // by term
  TermDictionaryWriter dictionary_;
  PostingsTrailer trailer_;
  std::string buffer_;
  std::uint64_t flushed_ = 0;
};

}  // namespace

absl::Status WritePostings(absl::Span<const PostingsSource> sources, const PostingsLayout& layout,
                           ByteSink sink) {
  return PostingsWriter(sources, layout, sink).Write();
}

absl::StatusOr<std::string> WritePostings(absl::Span<const PostingsSource> sources,
                                          const PostingsLayout& layout) {
  std::string image;
  RAGMESH_RETURN_IF_ERROR(WritePostings(sources, layout, [&](absl::string_view bytes) {
    image.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }));
  return image;
}

}  // namespace ragmesh::lexical
