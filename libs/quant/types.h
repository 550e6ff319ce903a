// How decoder weights are stored: the block formats of GGUF files, and what each block means.
//
// A row is a sequence of blocks; all numbers little-endian, f16 is IEEE half precision. x is the
// expanded value.
//
//   F32, F16, BF16   one value per block.
//   Q4_0   32 values, 18 bytes: f16 d; 16 bytes, byte j holds value j low and value j+16 high.
//          x = d * (q - 8)
//   Q4_1   32 values, 20 bytes: f16 d, f16 m; 16 bytes as Q4_0.
//          x = d * q + m
//   Q5_0   32 values, 22 bytes: f16 d; u32 with bit j the fifth bit of value j; 16 bytes as Q4_0.
//          x = d * (q - 16)
//   Q5_1   32 values, 24 bytes: f16 d, f16 m; u32 and 16 bytes as Q5_0.
//          x = d * q + m
//   Q8_0   32 values, 34 bytes: f16 d; 32 signed bytes.
//          x = d * q
//   IQ4_NL 32 values, 18 bytes, as Q4_0, but each nibble names one of 16 levels that lie closer
//          together around 0 (kIq4Levels).
//          x = d * level[q]
//
// Blocks of 256 values are eight runs of 32 values, i = 0..7; h = i / 4 is the run's half.
//
//   Q2_K   84 bytes: 16 bytes, one per 16 values, with s low and n high; 64 bytes of q; f16 d,
//          f16 dmin. Bits 2*(i%4) of byte 32*h + l are value l of run i.
//          x = d * s * q - dmin * n
//   Q3_K   110 bytes: 32 bytes, of which bit i of byte l is the third bit of value l of run i;
//          64 bytes of low bits as in Q2_K; 12 bytes, sixteen 6-bit s; f16 d. For s[g]: the low 4
//          bits are the low (g < 8) or high nibble of byte g % 8, the top 2 are bits 2*(g/4) of
//          byte 8 + g%4.
//          x = d * (s - 32) * (q - 4)
//   Q4_K   144 bytes: f16 d, f16 dmin; 12 bytes with eight 6-bit pairs (s, n); 128 bytes, of which
//          each 32 hold two runs, the first low, the second high. s[i], n[i] for i < 4: the low 6
//          bits of bytes i and i+4; for i >= 4: low and high nibble of byte i+4, with the top 2
//          bits of bytes i-4 and i above them.
//          x = d * s * q - dmin * n
//   Q5_K   176 bytes: f16 d, f16 dmin; 12 bytes as Q4_K; 32 bytes, of which bit i of byte l is the
//          fifth bit of value l of run i; 128 bytes as Q4_K.
//          x = d * s * q - dmin * n
//   Q6_K   210 bytes: 128 bytes of low nibbles, 64 bytes of top bit pairs, 16 signed bytes s, f16
//          d. Value l of run i has nibble (i % 4 < 2 ? low : high) of byte 64*h + 32*(i & 1) + l
//          and top bits 2*(i%4) of byte 32*h + l; there is one s per 16 values.
//          x = d * s * (q - 32)
//
// A run of 32 values is the common unit of all kernels (`Run`).
#ifndef RAGMESH_LIBS_QUANT_TYPES_H_
#define RAGMESH_LIBS_QUANT_TYPES_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace ragmesh::quant {

enum class QuantType : std::uint8_t {
  kF32,
  kF16,
  kBF16,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ8_0,
  kQ4_K,
  kQ6_K,
  kQ5_1,
  kIQ4_NL,
  kQ2_K,
  kQ3_K,
  kQ5_K,
};

inline constexpr std::size_t kRunValues = 32;

const char* ToString(QuantType type);

// Values and bytes per block.
std::size_t BlockValues(QuantType type);
std::size_t BlockBytes(QuantType type);

constexpr bool IsQuantised(QuantType type) { return type >= QuantType::kQ4_0; }

template <QuantType kType>
using TypeConstant = std::integral_constant<QuantType, kType>;

// Calls `use` with the type as a constant.
template <typename Use>
void WithType(QuantType type, const Use& use) {
  switch (type) {
    case QuantType::kF32:
      return use(TypeConstant<QuantType::kF32>());
    case QuantType::kF16:
      return use(TypeConstant<QuantType::kF16>());
    case QuantType::kBF16:
      return use(TypeConstant<QuantType::kBF16>());
    case QuantType::kQ4_0:
      return use(TypeConstant<QuantType::kQ4_0>());
    case QuantType::kQ4_1:
      return use(TypeConstant<QuantType::kQ4_1>());
    case QuantType::kQ5_0:
      return use(TypeConstant<QuantType::kQ5_0>());
    case QuantType::kQ8_0:
      return use(TypeConstant<QuantType::kQ8_0>());
    case QuantType::kQ4_K:
      return use(TypeConstant<QuantType::kQ4_K>());
    case QuantType::kQ6_K:
      return use(TypeConstant<QuantType::kQ6_K>());
    case QuantType::kQ5_1:
      return use(TypeConstant<QuantType::kQ5_1>());
    case QuantType::kIQ4_NL:
      return use(TypeConstant<QuantType::kIQ4_NL>());
    case QuantType::kQ2_K:
      return use(TypeConstant<QuantType::kQ2_K>());
    case QuantType::kQ3_K:
      return use(TypeConstant<QuantType::kQ3_K>());
    case QuantType::kQ5_K:
      return use(TypeConstant<QuantType::kQ5_K>());
  }
}

// Bytes of a row of `columns` values, a whole number of blocks.
inline std::size_t RowBytes(QuantType type, std::size_t columns) {
  return columns / BlockValues(type) * BlockBytes(type);
}

// What the nibbles of IQ4_NL stand for.
inline constexpr std::int8_t kIq4Levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                               1,    13,   25,  38,  53,  69,  89,  113};

// Consecutive rows of a matrix as its file has them. Borrowed.
struct WeightRows {
  QuantType type = QuantType::kF32;
  const std::uint8_t* data = nullptr;
  std::size_t columns = 0;  // a whole number of blocks
  std::size_t rows = 0;
};

// 32 values of a quantised row in integer form. With h = i / 16,
//   x[i] = d * multiple[h] * q[i] - m * minimum[h].
struct Run {
  std::int16_t q[kRunValues] = {};  // |q| <= 128
  std::uint16_t d = 0;              // f16
  std::uint16_t m = 0;              // f16; 0 where the type has none
  std::int16_t multiple[2] = {1, 1};
  std::int16_t minimum[2] = {0, 0};  // -1 where m is added as it is

  // The factor of q, and what is added, in half `h`: exact, as products of two short numbers.
  float Scale(std::size_t h) const;
  float Offset(std::size_t h) const;
};

// Run `index` of a quantised row.
void ReadRun(QuantType type, const std::uint8_t* row, std::size_t index, Run* run);

// Expands a row of any type to f32: the definition of what the weights are.
void ExpandRow(QuantType type, const std::uint8_t* row, std::size_t columns, float* out);

float HalfToFloat(std::uint16_t half);
std::uint16_t FloatToHalf(float value);  // nearest, ties to even
// bfloat16: the upper half of a float.
inline float BFloatToFloat(std::uint16_t value) {
  return std::bit_cast<float>(std::uint32_t{value} << 16);
}
std::uint16_t FloatToBFloat(float value);  // nearest, ties to even

}  // namespace ragmesh::quant

#endif  // RAGMESH_LIBS_QUANT_TYPES_H_
