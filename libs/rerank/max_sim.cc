#include "libs/rerank/max_sim.h"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace ragmesh::rerank {

using linalg::QuantizedRow;

MaxSim::MaxSim(const linalg::Kernels& kernels, std::size_t width, bool special_tokens,
               const embedding::TokenVectors& query)
    : width_(width), special_tokens_(special_tokens), query_(kernels, linalg::Precision::kInt8) {
  absl::Span<const QuantizedRow> rows = query.rows;
  const linalg::Int8Rows compared = Compared(query.bytes, &rows);
  linalg::Int8Matrix matrix{.outputs = rows.size(), .inputs = width};
  matrix.values.assign(compared.values, compared.values + rows.size() * width);
  for (const QuantizedRow& row : rows) matrix.scales.push_back(row.scale);
  query_.Pack(matrix);
}

linalg::Int8Rows MaxSim::Compared(absl::string_view bytes,
                                  absl::Span<const QuantizedRow>* rows) const {
  const std::size_t skipped = !special_tokens_ && rows->size() > 2 ? 1 : 0;
  *rows = rows->subspan(skipped, rows->size() - 2 * skipped);
  return {.values = reinterpret_cast<const std::int8_t*>(bytes.data()) + skipped * width_,
          .width = width_,
          .rows = rows->data()};
}

double MaxSim::Score(absl::string_view bytes, absl::Span<const QuantizedRow> rows) const {
  const linalg::Int8Rows passage = Compared(bytes, &rows);
  const std::size_t queries = query_.outputs();
  std::vector<float> cosines(rows.size() * queries);
  query_.Multiply(passage, rows.size(), cosines.data(), queries);
  std::vector<float> best(cosines.begin(), cosines.begin() + static_cast<std::ptrdiff_t>(queries));
  for (std::size_t first = queries; first < cosines.size(); first += queries) {
    for (std::size_t q = 0; q < queries; ++q) best[q] = std::max(best[q], cosines[first + q]);
  }
  return std::accumulate(best.begin(), best.end(), 0.0) / static_cast<double>(queries);
}

}  // namespace ragmesh::rerank
