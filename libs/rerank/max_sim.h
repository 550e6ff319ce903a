// The comparison of late interaction: token by token, in exact integer products.
#ifndef RAGMESH_LIBS_RERANK_MAX_SIM_H_
#define RAGMESH_LIBS_RERANK_MAX_SIM_H_

#include <cstddef>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/embedding/token_vectors.h"

namespace ragmesh::rerank {

// Scores passages against one query: the mean, over the query's tokens, of the highest cosine to a
// token of the passage. Its bits depend on the bytes of both alone, whatever the instructions.
// Immutable and thread-safe.
class MaxSim {
 public:
  // `width` is of the token vectors, a multiple of 4. Without `special_tokens` the first and last
  // row of query and passage are left out, unless nothing else is there to compare.
  MaxSim(const linalg::Kernels& kernels, std::size_t width, bool special_tokens,
         const embedding::TokenVectors& query);

  // `rows` are those of `bytes`; at least one.
  double Score(absl::string_view bytes, absl::Span<const linalg::QuantizedRow> rows) const;

 private:
  linalg::Int8Rows Compared(absl::string_view bytes,
                            absl::Span<const linalg::QuantizedRow>* rows) const;

  const std::size_t width_;
  const bool special_tokens_;
  linalg::PackedMatrix query_;
};

}  // namespace ragmesh::rerank

#endif  // RAGMESH_LIBS_RERANK_MAX_SIM_H_
