// The tile registers of AMX in software, as Intel's manual defines each instruction. What the
// processor would fault on ends the test program.
#ifndef RAGMESH_TESTS_UNIT_LINALG_EMULATED_TILES_H_
#define RAGMESH_TESTS_UNIT_LINALG_EMULATED_TILES_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

#include "libs/base/check.h"
#include "libs/linalg/tile_registers.h"

namespace ragmesh::linalg::amx {

// What an instruction multiplies: bytes of a by bytes of b, or floats of 16 bits.
enum class TileProduct { kSignedByUnsigned, kSigned, kBf16 };

// What the loops over tile registers take for a unit.
template <TileProduct product>
class EmulatedTiles {
 public:
  // ldtilecfg: all registers become zero.
  void Configure(const TileConfig& config) {
    RAGMESH_CHECK(config.palette == 1 && config.start_row == 0, "#GP: palette");
    for (const std::uint8_t byte : config.reserved) RAGMESH_CHECK(byte == 0, "#GP: reserved");
    for (int t = 0; t < 16; ++t) {
      const bool used = config.rows[t] != 0;
      RAGMESH_CHECK(config.rows[t] <= 16 && config.row_bytes[t] <= 64, "#GP: too large");
      RAGMESH_CHECK(used == (config.row_bytes[t] != 0), "#GP: half of a shape");
      RAGMESH_CHECK(t < 8 || !used, "#GP: no such register");
    }
    config_ = config;
    configured_ = true;
    ++configurations_;
    std::memset(tiles_, 0, sizeof(tiles_));
  }

  // tilerelease
  void Release() { configured_ = false; }

  template <int t>
  void Zero() {
    CheckUsable(t);
    std::memset(tiles_[t], 0, sizeof(tiles_[t]));
  }

  // tileloadd: what is beyond the register's shape becomes zero.
  template <int t>
  void Load(const void* from, std::size_t stride_bytes) {
    Zero<t>();
    for (std::size_t r = 0; r < config_.rows[t]; ++r) {
      std::memcpy(tiles_[t][r], static_cast<const std::byte*>(from) + r * stride_bytes,
                  config_.row_bytes[t]);
    }
  }

  // tilestored
  template <int t>
  void Store(void* to, std::size_t stride_bytes) {
    CheckUsable(t);
    for (std::size_t r = 0; r < config_.rows[t]; ++r) {
      std::memcpy(static_cast<std::byte*>(to) + r * stride_bytes, tiles_[t][r],
                  config_.row_bytes[t]);
    }
  }

  template <int c, int a, int b>
  void Dot() {
    static_assert(c != a && c != b && a != b, "#UD: registers must differ");
    CheckUsable(c), CheckUsable(a), CheckUsable(b);
    RAGMESH_CHECK(config_.rows[c] == config_.rows[a], "#UD: rows");
    RAGMESH_CHECK(config_.row_bytes[c] == config_.row_bytes[b], "#UD: columns");
    RAGMESH_CHECK(config_.row_bytes[a] == 4 * config_.rows[b], "#UD: inputs");
    RAGMESH_CHECK(config_.row_bytes[c] % 4 == 0, "#UD: lanes");
    for (std::size_t m = 0; m < config_.rows[c]; ++m) {
      if constexpr (product == TileProduct::kSigned) {
        AddBytes<std::int8_t>(tiles_[a][m], tiles_[b], tiles_[c][m], config_.rows[b],
                              config_.row_bytes[c] / 4);
      } else if constexpr (product == TileProduct::kSignedByUnsigned) {
        AddBytes<std::uint8_t>(tiles_[a][m], tiles_[b], tiles_[c][m], config_.rows[b],
                               config_.row_bytes[c] / 4);
      } else {
        AddBf16(tiles_[a][m], tiles_[b], tiles_[c][m], config_.rows[b], config_.row_bytes[c] / 4);
      }
    }
  }

  bool configured() const { return configured_; }
  int configurations() const { return configurations_; }

 private:
  using Row = std::byte[64];

  template <typename T>
  static T Get(const Row& row, std::size_t i) {
    T value;
    std::memcpy(&value, row + i * sizeof(T), sizeof(T));
    return value;
  }
  template <typename T>
  static void Set(Row& row, std::size_t i, T value) {
    std::memcpy(row + i * sizeof(T), &value, sizeof(T));
  }

  // One row of tdpbssd or tdpbsud: signed bytes of `a` by those of `b`.
  template <typename Byte>
  static void AddBytes(const Row& a, const Row* b, Row& c, std::size_t lanes, std::size_t columns) {
    for (std::size_t k = 0; k < lanes; ++k) {
      for (std::size_t n = 0; n < columns; ++n) {
        auto sum = Get<std::uint32_t>(c, n);  // wraps around
        for (std::size_t i = 0; i < 4; ++i) {
          sum += static_cast<std::uint32_t>(Get<std::int8_t>(a, 4 * k + i) *
                                            Get<Byte>(b[k], 4 * n + i));
        }
        Set(c, n, sum);
      }
    }
  }

  // One row of tdpbf16ps: even and odd inputs have sums of their own until the end.
  static void AddBf16(const Row& a, const Row* b, Row& c, std::size_t lanes, std::size_t columns) {
    float even[16] = {}, odd[16] = {};
    for (std::size_t k = 0; k < lanes; ++k) {
      for (std::size_t n = 0; n < columns; ++n) {
        even[n] = Flush(std::fma(Bf16(a, 2 * k), Bf16(b[k], 2 * n), even[n]));
        odd[n] = Flush(std::fma(Bf16(a, 2 * k + 1), Bf16(b[k], 2 * n + 1), odd[n]));
      }
    }
    for (std::size_t n = 0; n < columns; ++n)
      Set(c, n, Flush(Flush(Get<float>(c, n)) + Flush(even[n] + odd[n])));
  }

  static float Bf16(const Row& row, std::size_t i) {
    const std::uint32_t bits = std::uint32_t{Get<std::uint16_t>(row, i)} << 16;
    float value;
    std::memcpy(&value, &bits, sizeof(value));
    return Flush(value);
  }

  // Denormals count as zero.
  static float Flush(float value) {
    return std::fabs(value) < std::numeric_limits<float>::min() ? std::copysign(0.0f, value)
                                                                : value;
  }

  void CheckUsable(int t) const {
    RAGMESH_CHECK(configured_ && config_.rows[t] != 0, "#UD: not configured");
  }

  TileConfig config_;
  bool configured_ = false;
  int configurations_ = 0;
  Row tiles_[8][16] = {};
};

}  // namespace ragmesh::linalg::amx

#endif  // RAGMESH_TESTS_UNIT_LINALG_EMULATED_TILES_H_
