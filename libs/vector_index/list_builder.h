// Makes a ListIndex of vectors that lie anywhere.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_LIST_BUILDER_H_
#define RAGMESH_LIBS_VECTOR_INDEX_LIST_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/linalg/kernels.h"
#include "libs/vector_index/list_index.h"
#include "libs/vector_index/margins.h"

namespace ragmesh::vector_index {

// Copies the vectors of the numbered rows, one behind the other, to `out`.
using ReadVectors =
    absl::FunctionRef<absl::Status(absl::Span<const std::uint32_t> rows, float* out)>;
// Takes the next bytes of a file.
using AppendBytes = absl::FunctionRef<absl::Status(absl::string_view bytes)>;

// The two steps of making one index: Plan decides which list each vector goes to, and with that the
// order of rows, which everything else about them has to follow; Write makes the files. Memory is
// one byte for each eight values of the vectors, a sample of them, and some lines; the vectors are
// read twice. One thread.
class ListBuilder {
 public:
  // `rows` vectors of `dimension` values and length 1, at least one; `lists` of them, at most
  // `rows`; 0: as many as suit their number. Errors of `read`, and CANCELLED or DEADLINE_EXCEEDED
  // when `call` ends first.
  static absl::StatusOr<ListBuilder> Plan(const linalg::Kernels& kernels, std::size_t dimension,
                                          std::uint32_t rows, std::uint32_t lists, ReadVectors read,
                                          const CallContext& call);

  // order()[n] is the row, as `read` numbers them, that row n of the index will be.
  absl::Span<const std::uint32_t> order() const { return order_; }

  // Writes what ListIndex::Open takes, and to `exact` the vectors themselves, as floats. The
  // margins of the index are measured on the way, for `queries`, vectors that were searched for
  // lately, when there are kFewestQueries or more, and else for some of the vectors.
  static constexpr std::size_t kFewestQueries = 128;
  absl::Status Write(ReadVectors read, absl::Span<const float> queries, AppendBytes lists,
                     AppendBytes bytes, AppendBytes exact, const CallContext& call) const;

 private:
  ListBuilder(const linalg::Kernels& kernels, std::size_t dimension, std::uint32_t rows);
  void Arrange(absl::Span<const std::uint32_t> assigned);
  absl::StatusOr<NearestRows> Sample(ReadVectors read, absl::Span<const float> queries) const;

  const linalg::Kernels* kernels_;
  std::size_t dimension_;
  std::uint32_t rows_, blocks_ = 0;
  std::vector<float> mean_;
  std::vector<ListEntry> entries_;
  std::vector<float> directions_;  // a row for each list, of length 1
  std::vector<std::uint32_t> order_;
};

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_LIST_BUILDER_H_
