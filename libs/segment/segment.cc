#include "libs/segment/segment.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::segment {
namespace {

absl::StatusOr<absl::string_view> CheckedSection(const SectionFile& file, absl::string_view name) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view bytes, file.Section(name));
  RAGMESH_RETURN_IF_ERROR(file.Check(bytes));
  return bytes;
}

}  // namespace

std::string SegmentPath(const std::string& stem) { return stem + ".segment"; }
std::string BytesPath(const std::string& stem) { return stem + ".bytes"; }
std::string VectorsPath(const std::string& stem) { return stem + ".vectors"; }

absl::StatusOr<std::shared_ptr<const Segment>> Segment::Open(const std::string& stem,
                                                             std::uint32_t dimension) {
  std::shared_ptr<Segment> segment(new Segment());
  RAGMESH_ASSIGN_OR_RETURN(segment->file_, SectionFile::Open(SegmentPath(stem)));
  const SectionFile& file = *segment->file_;
  segment->dimension_ = dimension;
  RAGMESH_ASSIGN_OR_RETURN(segment->catalog_, Catalog::Open(file));
  const std::uint32_t rows = segment->catalog_.chunks();
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view columns, CheckedSection(file, "columns"));
  RAGMESH_ASSIGN_OR_RETURN(segment->columns_, Columns::Open(columns, rows));
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view labels, CheckedSection(file, "labels"));
  RAGMESH_ASSIGN_OR_RETURN(segment->labels_, Columns::Open(labels, rows));
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view terms, CheckedSection(file, "postings"));
  RAGMESH_ASSIGN_OR_RETURN(segment->terms_, lexical::PostingsImage::Open(terms));
  if (segment->terms_->slot_count() != rows)
    return Corrupt(file.path(), "has postings of other chunks");
  segment->memory_bytes_ = file.size_bytes() - segment->terms_->sizes().positions;
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view records, file.Section("records"));
  segment->memory_bytes_ -= records.size();
  if (dimension > 0 && rows > 0) RAGMESH_RETURN_IF_ERROR(segment->OpenVectors(stem, dimension));
  // Read for its digests. What searches need comes back from the system's cache, 64 KiB at a time.
  file.ReleaseAll();
  if (segment->bytes_file_ != nullptr) segment->bytes_file_->ReleaseAll();
  return std::shared_ptr<const Segment>(std::move(segment));
}

absl::Status Segment::OpenVectors(const std::string& stem, std::uint32_t dimension) {
  RAGMESH_ASSIGN_OR_RETURN(bytes_file_, SectionFile::Open(BytesPath(stem)));
  RAGMESH_ASSIGN_OR_RETURN(vectors_file_, SectionFile::Open(VectorsPath(stem)));
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view lists, CheckedSection(*file_, "lists"));
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view bytes, CheckedSection(*bytes_file_, "bytes"));
  RAGMESH_ASSIGN_OR_RETURN(lists_, vector_index::ListIndex::Open(lists, bytes));
  RAGMESH_ASSIGN_OR_RETURN(vectors_, vectors_file_->Section("vectors"));
  if (lists_->rows() != rows() || lists_->dimension() != dimension ||
      vectors_.size() != std::uint64_t{rows()} * dimension * sizeof(float))
    return Corrupt(stem, "has vectors of other chunks, or of another dimension");
  memory_bytes_ += bytes_file_->size_bytes();
  return absl::OkStatus();
}

absl::Status Segment::Check() const {
  for (const char* const section : {"records", "postings"}) {
    RAGMESH_RETURN_IF_ERROR(CheckedSection(*file_, section).status());
  }
  RAGMESH_RETURN_IF_ERROR(terms_->Check());
  return vectors_file_ == nullptr ? absl::OkStatus() : vectors_file_->Check(vectors_);
}

absl::Status Segment::ReadVectors(absl::Span<const std::uint32_t> rows, float* out) const {
  const std::uint64_t size = dimension_ * sizeof(float);
  while (!rows.empty()) {
    std::size_t count = 1;  // that lie one behind the other
    while (count < rows.size() && rows[count] == rows[0] + count) ++count;
    RAGMESH_RETURN_IF_ERROR(vectors_file_->Read(vectors_.substr(rows[0] * size, count * size),
                                                reinterpret_cast<char*>(out)));
    out += count * dimension_;
    rows.remove_prefix(count);
  }
  return absl::OkStatus();
}

std::uint64_t Segment::digest() const {
  std::uint64_t digest = file_->digest();
  for (const auto& file : {bytes_file_, vectors_file_}) {
    // Boost's hash_combine: files that change places are another segment.
    if (file != nullptr)
      digest ^= file->digest() + 0x9e3779b97f4a7c15u + (digest << 6) + (digest >> 2);
  }
  return digest;
}

std::uint64_t Segment::disk_bytes() const {
  return file_->size_bytes() + (bytes_file_ == nullptr ? 0 : bytes_file_->size_bytes()) +
         (vectors_file_ == nullptr ? 0 : vectors_file_->size_bytes());
}

}  // namespace ragmesh::segment
