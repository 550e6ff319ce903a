#include "libs/lexical/term_dictionary.h"

#include <algorithm>

namespace ragmesh::lexical {
namespace {

// The first bytes of a term as a number that sorts as they do.
std::uint64_t Prefix(absl::string_view term) {
  std::uint64_t prefix = 0;
  for (std::size_t i = 0; i < 8; ++i)
    prefix = prefix << 8 | (i < term.size() ? static_cast<unsigned char>(term[i]) : 0u);
  return prefix;
}

std::size_t CommonPrefix(absl::string_view a, absl::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t i = 0;
  while (i < most && a[i] == b[i]) ++i;
  return i;
}

// What follows a term's bytes.
void ReadEntry(ByteReader* in, TermEntry* entry) {
  entry->postings_offset += entry->postings_bytes;
  entry->positions_offset += entry->positions_bytes;
  const std::uint64_t documents = in->Varint();
  entry->documents = static_cast<std::uint32_t>(std::min<std::uint64_t>(documents, 0xFFFFFFFF));
  entry->postings_bytes = in->Varint();
  entry->positions_bytes = in->Varint();
}

TermEntry ReadOffsets(ByteReader* in) {
  TermEntry entry;
  entry.postings_offset = in->Varint();
  entry.positions_offset = in->Varint();
  return entry;
}

}  // namespace

absl::string_view TermDictionary::Block(std::size_t block) const {
  const auto offset = [this](std::size_t i) -> std::size_t {
    if (i == block_count()) return blocks_.size();
    return std::min<std::size_t>(
        LoadLittle<std::uint32_t>(index_.data() + i * kIndexEntryBytes + 8), blocks_.size());
  };
  const std::size_t begin = offset(block), end = offset(block + 1);
  return begin < end ? blocks_.substr(begin, end - begin) : absl::string_view();
}

absl::string_view TermDictionary::FirstTerm(std::size_t block) const {
  ByteReader in(Block(block));
  ReadOffsets(&in);
  in.Varint();  // shares nothing
  return in.Bytes(in.Varint());
}

// The last block whose first term is not greater; 0 when there is none.
std::size_t TermDictionary::BlockOf(absl::string_view term) const {
  const std::uint64_t prefix = Prefix(term);
  std::size_t begin = 0, end = block_count();
  while (end - begin > 1) {
    const std::size_t middle = begin + (end - begin) / 2;
    const auto other = LoadLittle<std::uint64_t>(index_.data() + middle * kIndexEntryBytes);
    const bool greater = other != prefix ? other > prefix : FirstTerm(middle) > term;
    (greater ? end : begin) = middle;
  }
  return begin;
}

std::optional<TermEntry> TermDictionary::Find(absl::string_view term) const {
  if (block_count() == 0) return std::nullopt;
  ByteReader in(Block(BlockOf(term)));
  TermEntry entry = ReadOffsets(&in);
  std::size_t same = 0;  // bytes of `term` that the entry before begins with, being less
  for (std::size_t i = 0; i < kTermsPerBlock && in.left() > 0; ++i) {
    const std::uint64_t shared = in.Varint();
    const absl::string_view rest = in.Bytes(in.Varint());
    ReadEntry(&in, &entry);
    if (in.failed() || shared < same) return std::nullopt;  // greater than `term`
    if (shared > same) continue;                            // as the one before
    const absl::string_view wanted = term.substr(same);
    const std::size_t common = CommonPrefix(wanted, rest);
    if (common == wanted.size() && common == rest.size()) return entry;
    if (common == wanted.size() ||
        (common < rest.size() &&
         static_cast<unsigned char>(rest[common]) > static_cast<unsigned char>(wanted[common])))
      return std::nullopt;
    same += common;
  }
  return std::nullopt;
}

TermDictionary::Cursor TermDictionary::From(std::size_t block) const {
  Cursor cursor;
  cursor.dictionary_ = this;
  cursor.block_ = block;
  return cursor;
}

TermDictionary::Cursor TermDictionary::Near(absl::string_view term) const {
  return From(block_count() == 0 ? 0 : BlockOf(term));
}

bool TermDictionary::Cursor::Next() {
  if (failed_) return false;
  if (reader_.left() == 0) {
    if (block_ == dictionary_->block_count()) return false;
    reader_ = ByteReader(dictionary_->Block(block_++));
    entry_ = ReadOffsets(&reader_);
    term_.clear();
  }
  const std::uint64_t shared = reader_.Varint();
  const absl::string_view rest = reader_.Bytes(reader_.Varint());
  ReadEntry(&reader_, &entry_);
  failed_ =
      reader_.failed() || shared > term_.size() || shared + rest.size() > kMaxDictionaryTermBytes;
  if (failed_) return false;
  term_.resize(shared);
  term_.append(rest.data(), rest.size());
  return true;
}

void TermDictionaryWriter::Add(absl::string_view term, std::uint32_t documents,
                               std::uint64_t postings_bytes, std::uint64_t positions_bytes) {
  std::size_t shared = 0;
  if (terms_++ % kTermsPerBlock == 0) {
    AppendLittle(Prefix(term), &index_);
    AppendLittle(static_cast<std::uint32_t>(blocks_.size()), &index_);
    AppendVarint(postings_offset_, &blocks_);
    AppendVarint(positions_offset_, &blocks_);
  } else {
    shared = CommonPrefix(last_, term);
  }
  AppendVarint(shared, &blocks_);
  AppendVarint(term.size() - shared, &blocks_);
  blocks_.append(term.data() + shared, term.size() - shared);
  AppendVarint(documents, &blocks_);
  AppendVarint(postings_bytes, &blocks_);
  AppendVarint(positions_bytes, &blocks_);
  postings_offset_ += postings_bytes;
  positions_offset_ += positions_bytes;
  last_.assign(term.data(), term.size());
}

}  // namespace ragmesh::lexical
