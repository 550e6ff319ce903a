// A statement that is put together with its parameters.
#ifndef RAGMESH_LIBS_POSTGRES_STORE_STATEMENT_H_
#define RAGMESH_LIBS_POSTGRES_STORE_STATEMENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/postgres_store/values.h"

namespace ragmesh::postgres_store {

// Each function takes a value as the next parameter and gives its place in the text, "$7". No value
// ever becomes part of the text.
class Statement {
 public:
  std::string Int4(std::int32_t value) { return Next(params_.Int4(value)); }
  std::string Int8(std::int64_t value) { return Next(params_.Int8(value)); }
  std::string Uint(std::uint64_t value) { return Next(params_.Uint(value)); }
  std::string Float8(double value) { return Next(params_.Float8(value)); }
  std::string Text(absl::string_view value) { return Next(params_.Text(value)); }
  std::string Bytes(absl::string_view value) { return Next(params_.Bytes(value)); }
  std::string Int8s(absl::Span<const std::int64_t> values) { return Next(params_.Int8s(values)); }
  std::string Float4s(absl::Span<const float> values) { return Next(params_.Float4s(values)); }
  std::string Float8s(absl::Span<const double> values) { return Next(params_.Float8s(values)); }
  std::string ByteArrays(absl::Span<const std::string> values) {
    return Next(params_.ByteArrays(values));
  }

  template <typename... Pieces>
  Statement& Add(const Pieces&... pieces) {
    absl::StrAppend(&text_, pieces...);
    return *this;
  }
  const std::string& text() const { return text_; }
  const Params& params() const { return params_; }

 private:
  static std::string Next(const Params& params) { return absl::StrCat("$", params.size()); }

  std::string text_;
  Params params_;
};

}  // namespace ragmesh::postgres_store

#endif  // RAGMESH_LIBS_POSTGRES_STORE_STATEMENT_H_
