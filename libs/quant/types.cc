#include "libs/quant/types.h"

#include <bit>
#include <cstring>

namespace ragmesh::quant {
namespace {

template <typename T>
T Load(const std::uint8_t* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

void ReadNibbles(const std::uint8_t* bytes, int bias, std::int16_t* q) {
  for (std::size_t j = 0; j < 16; ++j) {
    q[j] = static_cast<std::int16_t>((bytes[j] & 15) - bias);
    q[j + 16] = static_cast<std::int16_t>((bytes[j] >> 4) - bias);
  }
}

// Bit j of `mask` is bit 4 of value j.
void AddFifthBits(std::uint32_t mask, std::int16_t* q) {
  for (std::size_t j = 0; j < kRunValues; ++j) {
    q[j] = static_cast<std::int16_t>(q[j] + static_cast<int>((mask >> j) & 1) * 16);
  }
}

void ReadQ2K(const std::uint8_t* block, std::size_t i, Run* run) {
  const std::uint8_t* low = block + 16 + 32 * (i / 4);
  for (std::size_t l = 0; l < 32; ++l) run->q[l] = (low[l] >> (2 * (i % 4))) & 3;
  for (std::size_t s = 0; s < 2; ++s) {
    run->multiple[s] = block[2 * i + s] & 15;
    run->minimum[s] = block[2 * i + s] >> 4;
  }
  run->d = Load<std::uint16_t>(block + 80);
  run->m = Load<std::uint16_t>(block + 82);
}

void ReadQ3K(const std::uint8_t* block, std::size_t i, Run* run) {
  const std::uint8_t* low = block + 32 + 32 * (i / 4);
  for (std::size_t l = 0; l < 32; ++l) {
    const int third = (block[l] >> i) & 1;
    run->q[l] = static_cast<std::int16_t>(((low[l] >> (2 * (i % 4))) & 3) + 4 * third - 4);
  }
  const std::uint8_t* scales = block + 96;
  for (std::size_t s = 0; s < 2; ++s) {
    const std::size_t g = 2 * i + s;
    const int nibble = g < 8 ? scales[g] & 15 : scales[g - 8] >> 4;
    const int top = (scales[8 + g % 4] >> (2 * (g / 4))) & 3;
    run->multiple[s] = static_cast<std::int16_t>((nibble | (top << 4)) - 32);
  }
  run->d = Load<std::uint16_t>(block + 108);
}

// d and m at the beginning of a block.
void ReadPair(const std::uint8_t* block, Run* run) {
  run->d = Load<std::uint16_t>(block);
  run->m = Load<std::uint16_t>(block + 2);
}

// Scales and offsets of Q4_K and Q5_K, whose blocks begin alike.
void ReadScalePairs(const std::uint8_t* block, std::size_t i, Run* run) {
  const std::uint8_t* s = block + 4;
  const int scale = i < 4 ? s[i] & 63 : (s[i + 4] & 15) | ((s[i - 4] >> 6) << 4);
  const int minimum = i < 4 ? s[i + 4] & 63 : (s[i + 4] >> 4) | ((s[i] >> 6) << 4);
  run->multiple[0] = run->multiple[1] = static_cast<std::int16_t>(scale);
  run->minimum[0] = run->minimum[1] = static_cast<std::int16_t>(minimum);
  ReadPair(block, run);
}

void ReadQ4K(const std::uint8_t* block, std::size_t i, Run* run) {
  const std::uint8_t* bytes = block + 16 + 32 * (i / 2);
  for (std::size_t l = 0; l < 32; ++l) run->q[l] = i % 2 == 0 ? bytes[l] & 15 : bytes[l] >> 4;
  ReadScalePairs(block, i, run);
}

void ReadQ5K(const std::uint8_t* block, std::size_t i, Run* run) {
  const std::uint8_t* fifth = block + 16;
  const std::uint8_t* bytes = block + 48 + 32 * (i / 2);
  for (std::size_t l = 0; l < 32; ++l) {
    const int low = i % 2 == 0 ? bytes[l] & 15 : bytes[l] >> 4;
    run->q[l] = static_cast<std::int16_t>(low | (((fifth[l] >> i) & 1) << 4));
  }
  ReadScalePairs(block, i, run);
}

void ReadQ6K(const std::uint8_t* block, std::size_t i, Run* run) {
  const std::size_t half = i / 4, part = i % 4;
  const std::uint8_t* low = block + 64 * half + 32 * (part & 1);
  const std::uint8_t* high = block + 128 + 32 * half;
  for (std::size_t l = 0; l < 32; ++l) {
    const int nibble = part < 2 ? low[l] & 15 : low[l] >> 4;
    run->q[l] = static_cast<std::int16_t>((nibble | (((high[l] >> (2 * part)) & 3) << 4)) - 32);
  }
  for (std::size_t s = 0; s < 2; ++s)
    run->multiple[s] = static_cast<std::int8_t>(block[192 + 2 * i + s]);
  run->d = Load<std::uint16_t>(block + 208);
}

}  // namespace

const char* ToString(QuantType type) {
  static constexpr const char* kNames[] = {"F32",    "F16",  "BF16", "Q4_0", "Q4_1",
                                           "Q5_0",   "Q8_0", "Q4_K", "Q6_K", "Q5_1",
                                           "IQ4_NL", "Q2_K", "Q3_K", "Q5_K"};
  return kNames[static_cast<int>(type)];
}

std::size_t BlockValues(QuantType type) {
  static constexpr std::size_t kValues[] = {1,   1,   1,  32, 32,  32,  32,
                                            256, 256, 32, 32, 256, 256, 256};
  return kValues[static_cast<int>(type)];
}

std::size_t BlockBytes(QuantType type) {
  static constexpr std::size_t kBytes[] = {4, 2, 2, 18, 20, 22, 34, 144, 210, 24, 18, 84, 110, 176};
  return kBytes[static_cast<int>(type)];
}

void ReadRun(QuantType type, const std::uint8_t* row, std::size_t index, Run* run) {
  const std::size_t runs = BlockValues(type) / kRunValues;
  const std::uint8_t* block = row + index / runs * BlockBytes(type);
  *run = Run{};
  switch (type) {
    case QuantType::kQ4_0:
      run->d = Load<std::uint16_t>(block);
      return ReadNibbles(block + 2, 8, run->q);
    case QuantType::kQ4_1:
      ReadPair(block, run);
      run->minimum[0] = run->minimum[1] = -1;
      return ReadNibbles(block + 4, 0, run->q);
    case QuantType::kQ5_0:
      run->d = Load<std::uint16_t>(block);
      ReadNibbles(block + 6, 16, run->q);
      return AddFifthBits(Load<std::uint32_t>(block + 2), run->q);
    case QuantType::kQ5_1:
      ReadPair(block, run);
      run->minimum[0] = run->minimum[1] = -1;
      ReadNibbles(block + 8, 0, run->q);
      return AddFifthBits(Load<std::uint32_t>(block + 4), run->q);
    case QuantType::kIQ4_NL:
      run->d = Load<std::uint16_t>(block);
      ReadNibbles(block + 2, 0, run->q);
      for (std::int16_t& q : run->q) q = kIq4Levels[q];
      return;
    case QuantType::kQ8_0:
      run->d = Load<std::uint16_t>(block);
      for (std::size_t j = 0; j < 32; ++j) run->q[j] = static_cast<std::int8_t>(block[2 + j]);
      return;
    case QuantType::kQ2_K:
      return ReadQ2K(block, index % runs, run);
    case QuantType::kQ3_K:
      return ReadQ3K(block, index % runs, run);
    case QuantType::kQ4_K:
      return ReadQ4K(block, index % runs, run);
    case QuantType::kQ5_K:
      return ReadQ5K(block, index % runs, run);
    case QuantType::kQ6_K:
      return ReadQ6K(block, index % runs, run);
    case QuantType::kF32:
    case QuantType::kF16:
    case QuantType::kBF16:
      return;
  }
}

float Run::Scale(std::size_t h) const { return HalfToFloat(d) * static_cast<float>(multiple[h]); }
float Run::Offset(std::size_t h) const {
  return -(HalfToFloat(m) * static_cast<float>(minimum[h]));
}

void ExpandRow(QuantType type, const std::uint8_t* row, std::size_t columns, float* out) {
  if (type == QuantType::kF32) {
    std::memcpy(out, row, columns * sizeof(float));
    return;
  }
  if (!IsQuantised(type)) {
    for (std::size_t i = 0; i < columns; ++i) {
      const auto bits = Load<std::uint16_t>(row + 2 * i);
      out[i] = type == QuantType::kF16 ? HalfToFloat(bits) : BFloatToFloat(bits);
    }
    return;
  }
  Run run;
  for (std::size_t r = 0; r < columns / kRunValues; ++r) {
    ReadRun(type, row, r, &run);
    for (std::size_t i = 0; i < kRunValues; ++i) {
      out[r * kRunValues + i] =
          run.Scale(i / 16) * static_cast<float>(run.q[i]) + run.Offset(i / 16);
    }
  }
}

float HalfToFloat(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 31;
  std::uint32_t mantissa = half & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0)
    return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float value = static_cast<float>(mantissa) * 0x1p-24f;  // subnormal
  return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(value));
}

std::uint16_t FloatToHalf(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // rounds to or beyond 65,520: infinity
  if (magnitude < 0x38800000u) {                        // below the smallest normal half
    // Adding 0.5 leaves the rounded count of 2^-24 steps in the low bits.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
  }
  const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1) - (112u << 23);
  return static_cast<std::uint16_t>(sign | (rounded >> 13));
}

std::uint16_t FloatToBFloat(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1)) >> 16);
}

}  // namespace ragmesh::quant
