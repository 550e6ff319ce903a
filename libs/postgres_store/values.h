// Values in PostgreSQL's binary formats: parameters of statements, rows of COPY, and results.
#ifndef RAGMESH_LIBS_POSTGRES_STORE_VALUES_H_
#define RAGMESH_LIBS_POSTGRES_STORE_VALUES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ragmesh::postgres_store {

// Parameters $1, $2, ... of one statement. Types are those of the constants the server has built
// in; a statement casts where it needs another.
class Params {
 public:
  Params& Int4(std::int32_t value);
  Params& Int8(std::int64_t value);
  Params& Uint(std::uint64_t value) { return Int8(static_cast<std::int64_t>(value)); }
  Params& Float8(double value);
  Params& Text(absl::string_view value);   // no byte may be 0
  Params& Bytes(absl::string_view value);  // bytea
  Params& Int4s(absl::Span<const std::int32_t> values);
  Params& Int8s(absl::Span<const std::int64_t> values);
  Params& Float4s(absl::Span<const float> values);
  Params& Float8s(absl::Span<const double> values);
  Params& ByteArrays(absl::Span<const std::string> values);  // bytea[]

  std::size_t size() const { return values_.size(); }
  const std::vector<unsigned>& types() const { return types_; }
  const std::vector<std::string>& values() const { return values_; }

 private:
  Params& Add(unsigned type, std::string value);
  std::vector<unsigned> types_;
  std::vector<std::string> values_;
};

// Rows of COPY ... FROM STDIN (FORMAT binary). Append the fields of a row after Row().
class CopyRows {
 public:
  CopyRows();
  void Row(int fields);
  void Null();
  void Int2(std::int16_t value);
  void Int4(std::int32_t value);
  void Int8(std::int64_t value);
  void Bytes(absl::string_view value);                // bytea, text
  void Int8s(absl::Span<const std::int64_t> values);  // bigint[]
  void Vector(absl::Span<const float> values);        // pgvector's vector
  std::string Finish();                               // ends the rows and hands them over
  std::size_t size_bytes() const { return out_.size(); }

 private:
  std::string out_;
};

// Fields of binary results. A field that has another size than its type reads as 0, or empty.
std::int32_t ReadInt4(absl::string_view field);
std::int64_t ReadInt8(absl::string_view field);
double ReadFloat8(absl::string_view field);
std::vector<float> ReadFloat4s(absl::string_view field);  // real[] of one dimension

}  // namespace ragmesh::postgres_store

#endif  // RAGMESH_LIBS_POSTGRES_STORE_VALUES_H_
