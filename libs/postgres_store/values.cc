#include "libs/postgres_store/values.h"

#include <cstring>

namespace ragmesh::postgres_store {
namespace {

// Types of pg_type.dat, which never change.
constexpr unsigned kBytea = 17, kInt8 = 20, kInt4 = 23, kText = 25, kFloat8 = 701;
constexpr unsigned kFloat4 = 700, kInt4Array = 1007, kInt8Array = 1016, kFloat4Array = 1021,
                   kFloat8Array = 1022, kByteaArray = 1001;

template <typename T>
void Put(T value, std::string* out) {
  for (int shift = (sizeof(T) - 1) * 8; shift >= 0; shift -= 8)
    out->push_back(static_cast<char>((static_cast<std::uint64_t>(value) >> shift) & 0xFF));
}

void PutFloat(float value, std::string* out) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  Put(bits, out);
}

void PutDouble(double value, std::string* out) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  Put(bits, out);
}

template <typename T>
T Take(absl::string_view field, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value = value << 8 | static_cast<unsigned char>(field[at + i]);
  return static_cast<T>(value);
}

// The head of an array of one dimension, or of none when it is empty.
void PutArrayHead(unsigned element, std::size_t size, std::string* out) {
  Put<std::int32_t>(size == 0 ? 0 : 1, out);
  Put<std::int32_t>(0, out);  // no nulls
  Put<std::uint32_t>(element, out);
  if (size == 0) return;
  Put<std::int32_t>(static_cast<std::int32_t>(size), out);
  Put<std::int32_t>(1, out);  // the first subscript
}

template <typename Values, typename PutValue>
std::string Array(unsigned element, std::size_t value_bytes, const Values& values,
                  const PutValue& put) {
  std::string out;
  out.reserve(20 + values.size() * (4 + value_bytes));
  PutArrayHead(element, values.size(), &out);
  for (const auto& value : values) {
    Put<std::int32_t>(static_cast<std::int32_t>(value_bytes), &out);
    put(value, &out);
  }
  return out;
}

constexpr char kCopyHead[] = "PGCOPY\n\377\r\n";

}  // namespace

Params& Params::Add(unsigned type, std::string value) {
  types_.push_back(type);
  values_.push_back(std::move(value));
  return *this;
}

Params& Params::Int4(std::int32_t value) {
  std::string out;
  Put(value, &out);
  return Add(kInt4, std::move(out));
}
Params& Params::Int8(std::int64_t value) {
  std::string out;
  Put(value, &out);
  return Add(kInt8, std::move(out));
}
Params& Params::Float8(double value) {
  std::string out;
  PutDouble(value, &out);
  return Add(kFloat8, std::move(out));
}
Params& Params::Text(absl::string_view value) { return Add(kText, std::string(value)); }
Params& Params::Bytes(absl::string_view value) { return Add(kBytea, std::string(value)); }
Params& Params::Int4s(absl::Span<const std::int32_t> values) {
  return Add(kInt4Array, Array(kInt4, 4, values, [](auto v, auto* out) { Put(v, out); }));
}
Params& Params::Int8s(absl::Span<const std::int64_t> values) {
  return Add(kInt8Array, Array(kInt8, 8, values, [](auto v, auto* out) { Put(v, out); }));
}
Params& Params::Float4s(absl::Span<const float> values) {
  return Add(kFloat4Array, Array(kFloat4, 4, values, PutFloat));
}
Params& Params::Float8s(absl::Span<const double> values) {
  return Add(kFloat8Array, Array(kFloat8, 8, values, PutDouble));
}
Params& Params::ByteArrays(absl::Span<const std::string> values) {
  std::string out;
  PutArrayHead(kBytea, values.size(), &out);
  for (const std::string& value : values) {
    Put<std::int32_t>(static_cast<std::int32_t>(value.size()), &out);
    out += value;
  }
  return Add(kByteaArray, std::move(out));
}

CopyRows::CopyRows() : out_(kCopyHead, sizeof(kCopyHead)) {  // its last byte is 0
  Put<std::int32_t>(0, &out_);                               // flags
  Put<std::int32_t>(0, &out_);                               // no extension
}

void CopyRows::Row(int fields) { Put(static_cast<std::int16_t>(fields), &out_); }
void CopyRows::Null() { Put<std::int32_t>(-1, &out_); }
void CopyRows::Int2(std::int16_t value) {
  Put<std::int32_t>(2, &out_);
  Put(value, &out_);
}
void CopyRows::Int4(std::int32_t value) {
  Put<std::int32_t>(4, &out_);
  Put(value, &out_);
}
void CopyRows::Int8(std::int64_t value) {
  Put<std::int32_t>(8, &out_);
  Put(value, &out_);
}
void CopyRows::Bytes(absl::string_view value) {
  Put<std::int32_t>(static_cast<std::int32_t>(value.size()), &out_);
  out_.append(value.data(), value.size());
}
void CopyRows::Int8s(absl::Span<const std::int64_t> values) {
  Bytes(Array(kInt8, 8, values, [](auto v, auto* out) { Put(v, out); }));
}
void CopyRows::Vector(absl::Span<const float> values) {
  Put<std::int32_t>(static_cast<std::int32_t>(4 + 4 * values.size()), &out_);
  Put(static_cast<std::int16_t>(values.size()), &out_);
  Put<std::int16_t>(0, &out_);
  for (const float value : values) PutFloat(value, &out_);
}
std::string CopyRows::Finish() {
  Put<std::int16_t>(-1, &out_);
  return std::move(out_);
}

std::int32_t ReadInt4(absl::string_view field) {
  return field.size() == 4 ? Take<std::int32_t>(field, 0) : 0;
}
std::int64_t ReadInt8(absl::string_view field) {
  return field.size() == 8 ? Take<std::int64_t>(field, 0) : 0;
}
double ReadFloat8(absl::string_view field) {
  if (field.size() != 8) return 0;
  const auto bits = Take<std::uint64_t>(field, 0);
  double value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
std::vector<float> ReadFloat4s(absl::string_view field) {
  constexpr std::size_t kHead = 20, kElement = 8;
  if (field.size() < kHead || Take<std::int32_t>(field, 0) != 1) return {};
  const auto size = Take<std::uint32_t>(field, 12);
  if (Take<std::int32_t>(field, 4) != 0 || field.size() != kHead + kElement * std::size_t{size})
    return {};
  std::vector<float> values(size);
  for (std::size_t i = 0; i < size; ++i) {
    const auto bits = Take<std::uint32_t>(field, kHead + kElement * i + 4);
    std::memcpy(&values[i], &bits, sizeof(bits));
  }
  return values;
}

}  // namespace ragmesh::postgres_store
