#include "libs/wire/field.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::wire {

std::string Field::ToString() const {
  std::string path = parent_ == nullptr ? "" : parent_->ToString();
  absl::StrAppend(&path, path.empty() || name_.empty() ? "" : ".", name_);
  if (index_ >= 0) absl::StrAppend(&path, "[", index_, "]");
  return path;
}

absl::Status Field::Invalid(absl::string_view problem, absl::string_view next_step) const {
  return InvalidField(ToString(), problem, next_step);
}

absl::Status CheckBytes(absl::string_view value, std::size_t min, std::size_t max,
                        const Field& field) {
  if (value.empty() && min > 0) return field.Invalid("must not be empty");
  if (value.size() >= min && value.size() <= max) return absl::OkStatus();
  return field.Invalid(
      absl::StrCat("has ", value.size(), " bytes; allowed are ", min, " to ", max));
}

absl::Status CheckCount(std::size_t count, std::size_t min, std::size_t max, absl::string_view what,
                        const Field& field) {
  if (count >= min && count <= max) return absl::OkStatus();
  return field.Invalid(absl::StrCat("has ", count, " ", what, "; allowed are ", min, " to ", max));
}

absl::Status CheckRange(double value, double min, double max, const Field& field) {
  if (value >= min && value <= max) return absl::OkStatus();
  return field.Invalid(absl::StrCat("is ", value, "; allowed is ", min, " to ", max));
}

absl::Status CheckFinite(double value, const Field& field) {
  return std::isfinite(value) ? absl::OkStatus() : field.Invalid("is not a finite number");
}

absl::Status Required(bool present, const Field& field) {
  return present ? absl::OkStatus() : field.Invalid("is required");
}

absl::Status CheckName(absl::string_view value, bool underscore, const Field& field) {
  const bool good = std::all_of(value.begin(), value.end(), [underscore](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || (underscore && c == '_');
  });
  if (good && !value.empty() && value.size() <= 63) return absl::OkStatus();
  return field.Invalid(value.empty() ? "must not be empty" : "is not a name",
                       absl::StrCat("Use 1 to 63 of a-z, 0-9", underscore ? ", _" : "", " and -."));
}

absl::Status CheckDigest(absl::string_view value, const Field& field) {
  const bool hex = std::all_of(value.begin(), value.end(), [](char c) {
    return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
  });
  if (value.empty() || (hex && value.size() == 64)) return absl::OkStatus();
  return field.Invalid("is not a SHA-256",
                       "Give 64 lower-case hexadecimal digits, as Info states them.");
}

}  // namespace ragmesh::wire
