// An immutable part of a collection: some of its chunks, with all that searches need of them, in
// three mapped files. docs/formats/segments.md has their sections.
#ifndef RAGMESH_LIBS_SEGMENT_SEGMENT_H_
#define RAGMESH_LIBS_SEGMENT_SEGMENT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/lexical/postings_image.h"
#include "libs/lexical/postings_writer.h"
#include "libs/segment/catalog.h"
#include "libs/segment/columns.h"
#include "libs/segment/section_file.h"
#include "libs/vector_index/list_index.h"

namespace ragmesh::segment {

// What chunks of a new segment are taken from. Rows count from 0. Const methods may run at the same
// time.
class SegmentSource {
 public:
  virtual ~SegmentSource() = default;
  virtual std::uint32_t rows() const = 0;
  virtual CatalogChunk chunk(std::uint32_t row) const = 0;
  // Copies the vectors of the numbered rows, one behind the other, to `out`.
  virtual absl::Status ReadVectors(absl::Span<const std::uint32_t> rows, float* out) const = 0;
  // With a slot for each row, and without new slots.
  virtual lexical::PostingsSource postings() const = 0;
};

// The files of a segment; all or none of them are of use.
std::string SegmentPath(const std::string& stem);  // catalog, columns, postings, lists
std::string BytesPath(const std::string& stem);    // vectors as bytes; only where there are any
std::string VectorsPath(const std::string& stem);  // vectors as floats; only where there are any

// Thread-safe.
class Segment final : public SegmentSource {
 public:
  // `dimension` 0: without vectors. Reads all of it, to hold it against its digests, but for
  // vectors as floats, records of documents and positions, which are checked as they are read.
  // DATA_LOSS / CORRUPT_DATA when a file is damaged, NOT_FOUND when one is missing,
  // FAILED_PRECONDITION / NEWER_FORMAT when a later release wrote it.
  static absl::StatusOr<std::shared_ptr<const Segment>> Open(const std::string& stem,
                                                             std::uint32_t dimension);

  std::uint32_t rows() const override { return catalog_.chunks(); }
  CatalogChunk chunk(std::uint32_t row) const override { return catalog_.chunk(row); }
  // DATA_LOSS / CORRUPT_DATA when they are damaged. They are read, not mapped: searches want few,
  // from anywhere, and each would bring its neighbours into this process.
  absl::Status ReadVectors(absl::Span<const std::uint32_t> rows, float* out) const override;
  lexical::PostingsSource postings() const override { return {.image = &*terms_}; }

  std::uint32_t dimension() const { return dimension_; }  // Open's

  // Reads what Open did not, to hold it against its digests.
  absl::Status Check() const;

  const Catalog& catalog() const { return catalog_; }
  const Columns& columns() const { return columns_; }  // what filters may name
  const Columns& labels() const { return labels_; }    // kLabels
  const lexical::PostingsImage& terms() const { return *terms_; }
  const vector_index::ListIndex* lists() const { return lists_.has_value() ? &*lists_ : nullptr; }
  std::uint64_t disk_bytes() const;
  // Of all its files: which segment this is.
  std::uint64_t digest() const;
  // Of the files, what searches read all the time: everything but vectors as floats, records and
  // positions.
  std::uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  Segment() = default;
  absl::Status OpenVectors(const std::string& stem, std::uint32_t dimension);

  std::shared_ptr<const SectionFile> file_, bytes_file_, vectors_file_;
  std::uint32_t dimension_ = 0;
  Catalog catalog_;
  Columns columns_, labels_;
  std::optional<lexical::PostingsImage> terms_;
  std::optional<vector_index::ListIndex> lists_;
  absl::string_view vectors_;
  std::uint64_t memory_bytes_ = 0;
};

// The name of the only column of Segment::labels().
inline constexpr char kLabels[] = "labels";

}  // namespace ragmesh::segment

#endif  // RAGMESH_LIBS_SEGMENT_SEGMENT_H_
