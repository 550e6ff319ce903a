// The arithmetic of a decoder on one processor core: products of packed weights with activations,
// and the small vector operations between them. A table of functions per instruction set, chosen at
// run time.
//
// Every output value is computed in an order that depends only on its own row and its own
// activations, never on how many rows or activations share the call. So one token's result does not
// change with its company in a batch.
#ifndef RAGMESH_LIBS_QUANT_KERNELS_H_
#define RAGMESH_LIBS_QUANT_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "libs/quant/kv_block.h"
#include "libs/quant/matrix.h"

namespace ragmesh::quant {

// Activation rows that stand together.
inline constexpr std::size_t kTileRows = 16;
// The most that vectors take through the weights at a time: a product of more reads them again.
inline constexpr std::size_t kVectorRows = 8;

// A run of 32 columns of sixteen activation rows, rounded to 8 bits: x ~ scale * q, |q| <= 127.
// What a product needs of a row stands in two lines, at the same place for all.
struct alignas(64) Q8Tile {
  struct Sums {
    float scale;
    float sum;           // scale times the sum of q
    std::int32_t whole;  // minus the sum of q
    std::int32_t first;  // minus that of the first half
  };
  std::int8_t q[kTileRows][kRunValues];
  Sums of[kTileRows];
};

// Run i of row r is in tile r / 16 * columns / 32 + i, at r % 16. Tiles are whole in memory.
struct Q8Rows {
  const Q8Tile* tiles = nullptr;
  std::size_t rows = 0;
};

// What the largest value of a run may be rounded to.
inline constexpr float kQ8Tops[] = {127, 125};

struct QuantKernels {
  const char* name;

  // Rounds `columns` activations, a multiple of 32, into the places of row `slot` of as many tiles
  // as there are runs. The largest of a run becomes 127 or 125, whichever leaves less error in all;
  // every table gives the same bits.
  void (*quantize_q8)(const float* x, std::size_t columns, std::size_t slot, Q8Tile* tiles);

  // out[a * out_stride + r] = weight row r . activation row a, for `count` activation rows of
  // `columns` floats. Sums run by run, column by column within a run, by fused multiply-adds; every
  // table gives the same bits.
  void (*mul_f32)(const QuantMatrix& weights, const float* x, std::size_t count, float* out,
                  std::size_t out_stride);

  // The same with rounded activations. Weights must be quantised. Integer inside a run, f32 fused
  // multiply-adds from run to run in order; every table gives the same bits.
  void (*mul_q8)(const QuantMatrix& weights, const Q8Rows& x, float* out, std::size_t out_stride);

  // Softmax attention; sums are f32. Results of a query do not depend on the others.
  void (*attend)(const KvAttention& work);
  // Writes key and value of the position at `slot` of a block of that layer and head.
  void (*store_kv)(KvType type, const float* key, const float* value, std::size_t head_dim,
                   std::size_t slot, std::uint8_t* block);
  void (*load_kv)(KvType type, const std::uint8_t* block, std::size_t slot, std::size_t head_dim,
                  float* key, float* value);
  // to += x
  void (*add)(float* to, const float* x, std::size_t n);
  // Turns `half` pairs of a head by their angles: (i, i + half) when `halves`, else (2i, 2i + 1).
  void (*rotate)(const float* cosines, const float* sines, std::size_t half, bool halves,
                 float* head);
  // out = x / rms(x) * weight
  void (*rms_norm)(const float* x, const float* weight, std::size_t n, float epsilon, float* out);
  // gate = silu(gate) * up
  void (*silu_mul)(float* gate, const float* up, std::size_t n);
  // gate = gelu(gate) * up, gelu by its tanh form: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))
  void (*gelu_mul)(float* gate, const float* up, std::size_t n);

  KvType kv_type = KvType::kF16;  // of 16 bits, the one that `attend` is fastest with
  // What CopyTurned does, for bf16 whose pairs turn together; null where it does as well without.
  void (*copy_pairs)(const KvCopy& copy) = nullptr;
};

const QuantKernels& ScalarQuantKernels();
// nullptr where the processor or the build lacks it.
const QuantKernels* Avx2QuantKernels();
const QuantKernels* Avx512QuantKernels();      // with VNNI
const QuantKernels* Avx512Bf16QuantKernels();  // and dot products of bf16
const QuantKernels* AmxQuantKernels();         // and tile registers

// Has the bits that load_kv, rotate and store_kv of `table` give each position.
void CopyTurned(const QuantKernels& table, const KvCopy& copy);

// "" gives the best table for this machine; "scalar", "avx2", "avx512-vnni", "avx512-bf16" and
// "amx" that one, nullptr when it cannot run here.
const QuantKernels* FindQuantKernels(absl::string_view name);

}  // namespace ragmesh::quant

#endif  // RAGMESH_LIBS_QUANT_KERNELS_H_
