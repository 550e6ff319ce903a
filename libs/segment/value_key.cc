#include "libs/segment/value_key.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <variant>

#include "absl/time/time.h"
#include "libs/base/check.h"

namespace ragmesh::segment {
namespace {

void AppendBigEndian(std::uint64_t value, int bytes, std::string* out) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out->push_back(static_cast<char>(value >> shift));
}

// Bits that sort as the numbers do: negative ones turned over, others above them.
std::uint64_t Ordered(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value + 0.0);  // one zero for both
  return (bits >> 63) != 0 ? ~bits : bits | std::uint64_t{1} << 63;
}

// The nearest double, and how far a whole number lies from it: at most 512, so 16 bits hold it.
std::string NumberKey(double nearest, std::int64_t beyond) {
  std::string key;
  AppendBigEndian(Ordered(nearest), 8, &key);
  AppendBigEndian(static_cast<std::uint64_t>(beyond + 0x8000), 2, &key);
  return key;
}

std::string WholeKey(std::int64_t value) {
  const auto nearest = static_cast<double>(value);
  // 2^63 is a double that no int64 holds.
  const std::int64_t beyond =
      nearest >= 0x1p63 ? value - INT64_MAX - 1 : value - static_cast<std::int64_t>(nearest);
  return NumberKey(nearest, beyond);
}

std::string TimeKey(absl::Time time) {
  std::string key;
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  const std::int64_t nanos = (time - absl::FromUnixSeconds(seconds)) / absl::Nanoseconds(1);
  AppendBigEndian(static_cast<std::uint64_t>(seconds) ^ std::uint64_t{1} << 63, 8, &key);
  AppendBigEndian(static_cast<std::uint64_t>(nanos), 4, &key);
  return key;
}

}  // namespace

ValueKind KindOf(const stages::MetadataValue& value) {
  switch (value.index()) {
    case 0:
      return ValueKind::kString;
    case 1:
    case 2:
      return ValueKind::kNumber;
    case 3:
      return ValueKind::kBool;
    case 4:
      return ValueKind::kTime;
    default:
      return ValueKind::kList;
  }
}

std::string KeyOf(const stages::MetadataValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return WholeKey(*whole);
  if (const auto* number = std::get_if<double>(&value))
    return std::isnan(*number) ? "" : NumberKey(*number, 0);
  if (const auto* truth = std::get_if<bool>(&value)) return std::string(1, *truth ? '\1' : '\0');
  if (const auto* time = std::get_if<absl::Time>(&value)) return TimeKey(*time);
  RAGMESH_CHECK(false, "a list has a key for each element");
  return "";
}

}  // namespace ragmesh::segment
