// The inner loops everything numeric is built from, one table of functions per instruction set.
//
// A table is chosen once, at start, and handed to what needs it; no loop dispatches inside. The
// scalar table defines what each function means; the others agree with it within the bound each
// comment states. A result depends on the arguments and the table alone: never on alignment, on the
// thread, or on what was computed before.
#ifndef RAGMESH_LIBS_LINALG_KERNELS_H_
#define RAGMESH_LIBS_LINALG_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ragmesh::linalg {

// How a row of bytes stands for floats: value b for offset + scale * b.
struct QuantizedRow {
  float scale = 0;
  float offset = 0;
  std::int32_t sum = 0;  // of the bytes
};

// Some rows of activations times one panel of packed weights. Rows may lie at any byte; a row is
// read up to `groups` whole groups, so it ends in zeros where the inputs do not fill the last one.
struct PanelProduct {
  const void* a = nullptr;         // float, bfloat16 or int8, as the kernel's precision says
  std::size_t a_stride_bytes = 0;  // from one row to the next
  std::size_t rows = 0;
  std::size_t groups = 0;
  const void* panel = nullptr;  // groups x width x group weights
  const void* next = nullptr;   // as many bytes that the next product will want near; may be null
  std::size_t columns = 0;      // how many of the panel's are wanted, 1 to width
  const float* bias = nullptr;  // one per column; null: zeros
  bool gelu = false;            // out takes the results' GELU, as Kernels::gelu makes it
  float* out = nullptr;
  std::size_t out_stride = 0;  // floats
  // int8 only: the values of row r stand for offset + scale * value, the weights of column c for
  // column_scales[c] * weight, and column_sums[c] is the sum of what they stand for.
  const QuantizedRow* quantized_rows = nullptr;
  const float* column_scales = nullptr;
  const float* column_sums = nullptr;
};

// A matrix product in one precision. Weights lie in panels of `width` columns; inside a panel,
// `group` successive inputs of one column lie together: four bytes, what one lane takes in one
// instruction. PackedMatrix in gemm.h makes panels and is what callers use.
struct PanelKernel {
  std::size_t width = 0;  // 0: the table has no product in this precision
  std::size_t group = 0;
  int weight_offset = 0;  // int8: what is added to a weight before it is stored, as a byte
  // out[r][c] = bias[c] + sum of products, for c < columns, each value one chain of operations in
  // the order of the inputs: it depends on its row and column alone. `groups` is at least 1. bf16
  // may take denormals for 0.
  // int8: the sums are exact, and with `sum` of row r and column c, the row's scale s and offset o
  // the result is fma(float(sum) * s, column_scales[c], fma(o, column_sums[c], bias[c])): the same
  // bits in every table.
  void (*multiply)(const PanelProduct& product) = nullptr;
};

// One head of attention over the tokens of one text:
// out[t] = sum over u of softmax over u (scale * queries[t] . keys[u]) * values[u].
struct Attention {
  const float* queries = nullptr;  // `tokens` rows of `width` values; so are keys and values
  const float* keys = nullptr;
  const float* values = nullptr;
  std::size_t stride = 0;  // of those three, in floats
  std::size_t tokens = 0;
  std::size_t width = 0;
  float scale = 1;  // positive
  float* out = nullptr;
  std::size_t out_stride = 0;  // floats
  void* scratch = nullptr;     // scratch_bytes(tokens, width) bytes at a multiple of 64
};

struct AttentionKernel {
  std::size_t (*scratch_bytes)(std::size_t tokens, std::size_t width) = nullptr;
  // Null: the table has no attention in this precision. A NaN in an operand spreads to the rows
  // that see it.
  void (*attend)(const Attention& head) = nullptr;
};

// Vectors as one bit a dimension, 64 of them to a block, and a query to estimate products with. A
// block has, for each 24 dimensions, three lines of 64 bytes, a byte for each vector; then 64
// bfloat16 factors, then 64 bfloat16 offsets. The low six bits of a vector's byte in line i index
// table i of the 24 dimensions; the top two bits of its bytes in all three lines, those of the
// first line as the highest, index table 3. An entry of a table is a sum
// over its six bits: of each the one of two numbers that is for its value, of which the lesser is 0
// and the greater at most 20.
struct SignScan {
  const std::uint8_t* tables = nullptr;  // triples x 4 x 64, at a multiple of 64 bytes
  std::size_t triples = 0;
  float step = 0, shift = 0;
};
inline constexpr std::size_t kSignLanes = 64;
inline constexpr std::size_t kSignDimensions = 24;  // in a triple of lines
constexpr std::size_t SignBlockBytes(std::size_t triples) {
  return triples * 3 * kSignLanes + 2 * kSignLanes * sizeof(std::uint16_t);
}

// Pointers need no alignment beyond their type's. Inputs and outputs must not overlap unless a
// comment allows it. NaN and infinity propagate as IEEE 754 says; denormals are not flushed.
struct Kernels {
  const char* name;  // as SelectKernels takes it

  // Sum of a[i] * b[i]. Error: at most n * 2^-23 times the sum of |a[i] * b[i]|. 0 for n == 0.
  float (*dot)(const float* a, const float* b, std::size_t n);

  // out[r] = dot(query, rows + r * stride, n) for r < count, equal bit for bit to that call and
  // faster: the query stays in registers and the next rows are on their way from memory. `stride`
  // counts floats.
  void (*dot_rows)(const float* query, const float* rows, std::size_t stride, std::size_t count,
                   std::size_t n, float* out);

  // Sum of a[i] * b[i], exact. n is at most kMaxDotInt8.
  std::int32_t (*dot_i8)(const std::int8_t* a, const std::int8_t* b, std::size_t n);

  // out[i] = dot_i8(query, rows + which[i] * stride, n) for i < count. `stride` counts bytes. Rows
  // may lie anywhere: the next ones are on their way from memory while one is read.
  void (*dot_listed_i8)(const std::int8_t* query, const std::int8_t* rows, std::size_t stride,
                        const std::uint32_t* which, std::size_t count, std::size_t n,
                        std::int32_t* out);

  // For each of `count` blocks, which begin at multiples of 64 bytes, and each of its 64 vectors v:
  // estimates[64 * b + v] = fma(factor, fma(float(sum), step, shift), offset + bases[b]), where sum
  // is of what v's bits take from the tables, and at most 65,535. maxima[b] is the largest of the
  // block; unspecified when one is NaN. The same bits in every table.
  void (*scan_signs)(const SignScan& scan, const std::uint8_t* const* blocks, const float* bases,
                     std::size_t count, float* estimates, float* maxima);

  // Bit v says whether values[v] > bar, of 64 values.
  std::uint64_t (*above)(const float* values, float bar);

  // y[i] += scale * x[i]. Error: one rounding, or two where the table has no fused multiply-add.
  void (*add_scaled)(float scale, const float* x, float* y, std::size_t n);

  // x[i] *= scale, exact to the last bit.
  void (*scale)(float scale, float* x, std::size_t n);

  // x[i] = x[i] * Phi(x[i]), the exact (erf) form of GELU. Error: 2^-21 * (1 + |x[i]|).
  void (*gelu)(float* x, std::size_t n);

  // x = (y - mean(y)) / sqrt(variance(y) + epsilon) * gain + offset for y = x + update, over n
  // values. `update` may be null, for zeros. Error: 2^-18 * (|gain| + |offset|) per value for y
  // whose deviation is not tiny beside its mean.
  void (*add_layer_norm)(const float* update, const float* gain, const float* offset, float epsilon,
                         float* x, std::size_t n);

  // Eight bits a value, of v[i] = x[i] * factors[i], or of x[i] when `factors` is null:
  // out[i] = fma(v[i], factor, -offset * factor) to the nearest integer, ties to even, where offset
  // is half of the largest plus half of the smallest v, spread their difference and factor 254 /
  // spread. So v[i] is about
  // offset + out[i] * scale with scale = spread / 254. When spread is below 2^-14 of the largest
  // magnitude, the row counts as constant: scale and every out[i] are 0. With a NaN or an infinity
  // in v, or a spread that overflows, scale and offset are NaN and out is 0. The same bits in every
  // table.
  void (*quantize)(const float* x, const float* factors, std::size_t n, std::int8_t* out,
                   QuantizedRow* row);

  // out[i] = x[i] rounded to bfloat16, ties to even; NaN stays NaN, denormals may become 0.
  void (*to_bf16)(const float* x, std::size_t n, std::uint16_t* out);

  // Matrix products by precision of both operands. f32 is in every table but the scalar one, which
  // leaves it to OpenBLAS or to dot; the others where the processor has instructions for them, and
  // in the scalar one.
  PanelKernel f32, bf16, int8;

  // Attention by precision of its operands; softmax is float32 in both. bf16 is in the tables
  // that have bf16 products.
  AttentionKernel f32_attention, bf16_attention;
};

// 2^31 / 128^2: more products of the largest magnitude would overflow 32 bits.
inline constexpr std::size_t kMaxDotInt8 = 131071;

// The fastest table this processor can run.
const Kernels& DefaultKernels();

// By name: "auto" or that of a table, slowest first: "scalar"; "avx2", "avx2-vnni", "avx512",
// "avx512-vnni", "avx512-bf16", "amx"; "neon", "neon-dotprod". INVALID_ARGUMENT on another name and
// on a table this processor cannot run. The table lives as long as the process.
absl::StatusOr<const Kernels*> SelectKernels(absl::string_view name);

// Every table this processor can run, scalar first, fastest last.
absl::Span<const Kernels* const> SupportedKernels();

}  // namespace ragmesh::linalg

#endif  // RAGMESH_LIBS_LINALG_KERNELS_H_
