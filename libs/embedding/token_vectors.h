// The token vectors of one text, a byte a number: what late interaction compares, caches and
// stores.
#ifndef RAGMESH_LIBS_EMBEDDING_TOKEN_VECTORS_H_
#define RAGMESH_LIBS_EMBEDDING_TOKEN_VECTORS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/linalg/gemm.h"

namespace ragmesh::embedding {

// A row stands for the vector of unit length along its bytes, so the bytes are all there is to
// store, and any bytes stand for something: a row of zeros for the zero vector. A component is
// within 1/254 of its vector's largest. On documents of SciFact, a token vector of MiniLM keeps a
// cosine of .99997 to its own on average and .9993 at least, and the mean of best cosines that late
// interaction scores by moves by .00015 on average and .0007 at most.
struct TokenVectors {
  std::string bytes;  // int8, row after row
  // Per row: the factor to unit length, and the sum that products need. A function of the bytes.
  std::vector<linalg::QuantizedRow> rows;
};

// Of the hidden states of one text, `tokens` rows.
TokenVectors RoundTokenVectors(const linalg::Kernels& kernels, std::size_t tokens,
                               absl::Span<const float> hidden);

// TokenVectors::rows of bytes that come from elsewhere. `width` divides their number.
std::vector<linalg::QuantizedRow> RowsOf(const linalg::Kernels& kernels, std::size_t width,
                                         absl::string_view bytes);

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_TOKEN_VECTORS_H_
