// Random products of rows and one panel, laid out as kernels.h asks, in memory with guard pages.
#ifndef RAGMESH_TESTS_UNIT_LINALG_PANEL_CASE_H_
#define RAGMESH_TESTS_UNIT_LINALG_PANEL_CASE_H_

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "libs/linalg/gemm.h"
#include "libs/linalg/kernels.h"
#include "tests/unit/linalg/guarded_memory.h"

namespace ragmesh::linalg {

// The product of `table` in `precision`.
const PanelKernel& KernelOf(const Kernels& table, Precision precision);

// `value` rounded to bfloat16 by the scalar table, as a float.
float RoundToBf16(float value);

class PanelCase {
 public:
  explicit PanelCase(Precision precision) : precision_(precision) {}

  // New operands: normal values; for int8 any values, and the lowest and highest often.
  void Randomise(std::size_t rows, std::size_t columns, std::size_t inputs, std::mt19937& random);

  // The operands in `kernel`'s layout. Rows have odd distances and garbage between them, as have
  // rows of the result. Valid until the next call.
  const PanelProduct& LayOut(const PanelKernel& kernel);

  // Fails the test where the result is not within the rounding of float32 sums of the true one, or
  // something beside it was touched.
  void ExpectResultIsRight() const;

  std::vector<float> Result() const;

  std::vector<float> a;  // rows x inputs, as they are stored
  std::vector<float> w;  // columns x inputs
  std::vector<float> bias;

 private:
  void Encode(float value, int offset, std::byte* to) const;

  static constexpr std::size_t kCapacity = 1 << 21;

  Precision precision_;
  std::size_t rows_ = 0, columns_ = 0, inputs_ = 0;
  std::vector<QuantizedRow> quantized_rows_;        // neutral unless int8
  std::vector<float> column_scales_, column_sums_;  // likewise
  GuardedMemory a_memory_{kCapacity}, panel_memory_{kCapacity}, out_memory_{kCapacity};
  GuardedMemory bias_memory_{kCapacity}, quantized_row_memory_{kCapacity},
      column_scale_memory_{kCapacity}, column_sum_memory_{kCapacity};
  PanelProduct product_;
};

}  // namespace ragmesh::linalg

#endif  // RAGMESH_TESTS_UNIT_LINALG_PANEL_CASE_H_
