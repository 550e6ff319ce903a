#include "libs/lexical/posting_list.h"

namespace ragmesh::lexical {
namespace {

constexpr std::size_t kBlockHeaderBytes = 3;

std::size_t PackedBytes(std::size_t count, unsigned bits) { return (count * bits + 7) / 8; }

}  // namespace

std::optional<PostingList> PostingList::Parse(absl::string_view record, std::uint32_t documents,
                                              std::uint32_t slots) {
  if (documents == 0 || documents > slots || slots > kMaxSlots) return std::nullopt;
  PostingList list;
  list.documents_ = documents;
  list.slots_ = slots;
  ByteReader in(record);
  const auto has_codes = in.Little<std::uint8_t>();
  if (has_codes > 1) return std::nullopt;
  if (has_codes == 1) {
    list.levels_ = in.Bytes(in.Varint());
    list.codes_ =
        reinterpret_cast<const std::uint8_t*>(in.Bytes(PaddedRangeCount(slots) / 2).data());
  }
  list.record_ = record.substr(record.size() - in.left());
  if (list.block_count() > 1)
    list.directory_ = in.Bytes(std::uint64_t{list.block_count()} * 8).data();
  if (in.failed()) return std::nullopt;
  return list;
}

std::uint32_t PostingList::Seek(std::uint32_t from, std::uint32_t slot) const {
  const std::uint32_t blocks = block_count();
  if (from >= blocks || LastSlot(from) >= slot) return from;
  std::uint32_t begin = from, step = 1;  // LastSlot(begin) < slot
  while (begin + step < blocks && LastSlot(begin + step) < slot) {
    begin += step;
    step *= 2;
  }
  std::uint32_t end = std::min(begin + step, blocks);
  while (end - begin > 1) {
    const std::uint32_t middle = begin + (end - begin) / 2;
    (LastSlot(middle) < slot ? begin : end) = middle;
  }
  return end;
}

bool PostingList::Unpack(std::uint32_t block, const linalg::PostingsKernels& kernels,
                         PostingBlock* out) const {
  const std::uint32_t size = out->size = BlockSize(block);
  std::size_t offset = 0;
  std::uint32_t before = 0xFFFFFFFF, last = slots_ - 1;
  if (directory_ != nullptr) {
    offset = Directory(block_count() + block);
    last = Directory(block);
    if (block > 0) before = Directory(block - 1);
  }
  if (last >= slots_ || (block > 0 && before >= last)) return false;
  if (offset > record_.size() || record_.size() - offset < kBlockHeaderBytes) return false;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(record_.data()) + offset;
  const unsigned slot_bits = bytes[0], count_bits = bytes[1];
  const unsigned title_bits = bytes[2] & 15, heading_bits = bytes[2] >> 4;
  if (slot_bits > linalg::kMaxPackedBits || count_bits > 16 || title_bits > 8 || heading_bits > 8)
    return false;
  const std::size_t slot_bytes = PackedBytes(size, slot_bits);
  const std::size_t count_bytes = PackedBytes(size, count_bits);
  const std::size_t title_bytes = PackedBytes(size, title_bits);
  const std::size_t heading_bytes = PackedBytes(size, heading_bits);
  if (record_.size() - offset - kBlockHeaderBytes <
      slot_bytes + count_bytes + title_bytes + heading_bytes)
    return false;
  bytes += kBlockHeaderBytes;
  kernels.unpack_ascending(bytes, slot_bits, before, out->slots.data());
  // The sum of 128 gaps of 24 bits does not wrap, so that all slots are at most the last.
  if (directory_ != nullptr ? out->slots[size - 1] != last : out->slots[size - 1] > last)
    return false;
  bytes += slot_bytes;
  if (count_bits == 0) {
    out->counts.fill(1);
  } else {
    kernels.unpack(bytes, count_bits, out->counts.data());
    for (std::uint32_t& count : out->counts) ++count;
    if (count_bits == 16) {
      for (std::uint32_t& count : out->counts) count = std::min(count, 0xFFFFu);
    }
  }
  out->has_fields = title_bits + heading_bits > 0;
  if (out->has_fields) {
    bytes += count_bytes;
    kernels.unpack(bytes, title_bits, out->titles.data());
    kernels.unpack(bytes + title_bytes, heading_bits, out->headings.data());
  }
  return true;
}

bool PostingList::LevelBounds(const Scorer& scorer, double weight,
                              std::array<double, kLevels + 1>* out) const {
  ByteReader in(levels_);
  out->fill(0);
  for (std::size_t level = 1; level <= kLevels; ++level) {
    Occurrences most;
    most.title = in.Little<std::uint8_t>();
    most.heading = in.Little<std::uint8_t>();
    const auto points = in.Little<std::uint8_t>();
    for (std::size_t i = 0; i < points && !in.failed(); ++i) {
      most.count = static_cast<std::uint16_t>(std::min<std::uint64_t>(in.Varint(), 0xFFFF));
      const auto total =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(in.Varint(), 0xFFFFFFFF));
      if (most.count > 0)
        (*out)[level] = std::max((*out)[level], scorer.Bound(weight, most, total));
    }
  }
  return !in.failed();
}

}  // namespace ragmesh::lexical
