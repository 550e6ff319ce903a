#include "libs/vector_index/coding.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "libs/base/check.h"

namespace ragmesh::vector_index {
namespace {

using linalg::kSignDimensions;
using linalg::kSignLanes;

// Values of a turned vector of length 1 are spread like a normal distribution of deviation
// 1 / sqrt(size). Bytes reach so many deviations: four of a hundred million values are cut.
constexpr double kByteReach = 5.5;

// Largest whole number a query's value is rounded to in tables: two groups of six fill a byte.
constexpr std::size_t kMaxLevel = 10;

std::uint16_t ToBf16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  // To nearest, ties to even; an infinity stays one, and there is no NaN here.
  return static_cast<std::uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

constexpr std::uint16_t kEmptyOffset = 0xFF80;  // -infinity: below every bar

// Fills the 64 entries of a group of six values: the sum of those whose bit is set less that of the
// others, raised by the sum of all magnitudes so that it is not negative.
void FillTable(const int* values, std::uint8_t* table) {
  int lowest = 0;
  for (int i = 0; i < 6; ++i) lowest += std::abs(values[i]) - values[i];
  table[0] = static_cast<std::uint8_t>(lowest);
  for (int i = 0; i < 6; ++i) {
    const auto twice = static_cast<std::uint8_t>(2 * values[i]);
    for (int entry = 0; entry < 1 << i; ++entry)
      table[(1 << i) + entry] = static_cast<std::uint8_t>(table[entry] + twice);
  }
}

}  // namespace

Frame::Frame(std::size_t dimension, absl::Span<const float> mean)
    : rotation_(dimension),
      turned_mean_(rotation_.size()),
      byte_step_(
          static_cast<float>(kByteReach / std::sqrt(static_cast<double>(rotation_.size())) / 127)) {
  RAGMESH_CHECK(mean.size() == dimension, "a mean has the frame's dimension");
  rotation_.Apply(mean.data(), turned_mean_.data());
}

// Both roundings, the vector's and the query's, are off by up to half a step, on average by a
// 12th of its square; a query's steps are finer. Together 0.0145 / sqrt(size).
float Frame::byte_slack() const {
  return static_cast<float>(0.1 / std::sqrt(static_cast<double>(size())));
}

void Frame::ToBytes(const float* turned, std::int8_t* bytes) const {
  const float scale = 1 / byte_step_;
  for (std::size_t i = 0; i < size(); ++i) {
    const float value = std::clamp(turned[i] * scale, -127.0f, 127.0f);
    bytes[i] = static_cast<std::int8_t>(std::lrintf(value));
  }
}

SignBlock::SignBlock(const Frame& frame, std::uint8_t* memory) : frame_(frame), memory_(memory) {
  std::memset(memory, 0, frame.block_bytes());
  std::uint8_t* const offsets = memory + frame.triples() * 3 * kSignLanes + 2 * kSignLanes;
  for (std::size_t lane = 0; lane < kSignLanes; ++lane)
    std::memcpy(offsets + 2 * lane, &kEmptyOffset, sizeof(kEmptyOffset));
}

void SignBlock::Set(std::size_t lane, const float* turned, const float* turned_centre) {
  double squares = 0, magnitudes = 0, with_mean = 0;
  const float* const mean = frame_.turned_mean().data();
  std::uint8_t* line = memory_ + lane;
  for (std::size_t first = 0; first < frame_.size(); first += kSignDimensions) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < kSignDimensions; ++i) {
      const float rest = turned[first + i] - turned_centre[first + i];
      squares += static_cast<double>(rest) * rest;
      magnitudes += std::fabs(rest);
      with_mean += static_cast<double>(rest) * mean[first + i];
      bits |= static_cast<std::uint32_t>(rest > 0) << i;
    }
    const std::uint32_t tops = bits >> 18;  // the first line takes the highest two
    for (int i = 0; i < 3; ++i, line += kSignLanes) {
      *line = static_cast<std::uint8_t>((bits >> (6 * i) & 63) | (tops >> (4 - 2 * i) & 3) << 6);
    }
  }
  const auto factor = magnitudes > 0 ? static_cast<float>(squares / magnitudes) : 0.0f;
  const std::uint16_t numbers[2] = {ToBf16(factor), ToBf16(static_cast<float>(with_mean))};
  std::uint8_t* const factors = memory_ + frame_.triples() * 3 * kSignLanes;
  std::memcpy(factors + 2 * lane, &numbers[0], sizeof(std::uint16_t));
  std::memcpy(factors + 2 * kSignLanes + 2 * lane, &numbers[1], sizeof(std::uint16_t));
}

CodedQuery::CodedQuery(const Frame& frame, const float* query, double margin)
    : bytes_(frame.size()) {
  std::vector<float> turned(frame.size());
  frame.rotation().Apply(query, turned.data());
  float largest = 0;
  for (const float value : turned) largest = std::max(largest, std::fabs(value));
  const float step = std::max(largest / 127, std::numeric_limits<float>::min());
  for (std::size_t i = 0; i < turned.size(); ++i)
    bytes_[i] = static_cast<std::int8_t>(std::lrintf(turned[i] / step));
  byte_scale_ = step * frame.byte_step();

  // Estimates are of the product with what the query has beside the mean; a vector's offset is its
  // product with the mean.
  double squares = 0, with_mean = 0;
  largest = 0;
  for (std::size_t i = 0; i < turned.size(); ++i) {
    with_mean += static_cast<double>(turned[i]) * frame.turned_mean()[i];
    turned[i] -= frame.turned_mean()[i];
    squares += static_cast<double>(turned[i]) * turned[i];
    largest = std::max(largest, std::fabs(turned[i]));
  }
  mean_product_ = static_cast<float>(with_mean);
  const auto level = static_cast<float>(std::min(kMaxLevel, 65535 / (2 * frame.size())));
  const float table_step = std::max(largest / level, std::numeric_limits<float>::min());
  tables_.Reserve(frame.triples() * 4 * 64);
  auto* const tables = reinterpret_cast<std::uint8_t*>(tables_.data());
  int magnitudes = 0;
  for (std::size_t group = 0; group < frame.triples() * 4; ++group) {
    int values[6];
    for (int i = 0; i < 6; ++i) {
      values[i] = static_cast<int>(std::lrintf(turned[6 * group + i] / table_step));
      magnitudes += std::abs(values[i]);
    }
    FillTable(values, tables + 64 * group);
  }
  scan_ = {tables, frame.triples(), table_step,
           static_cast<float>(margin * std::sqrt(squares)) -
               table_step * static_cast<float>(magnitudes)};
}

}  // namespace ragmesh::vector_index
