#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/flags/flag_set.h"

namespace ragmesh::flags {
namespace {

constexpr std::pair<absl::string_view, std::int64_t> kUnits[] = {{"KiB", std::int64_t{1} << 10},
                                                                 {"MiB", std::int64_t{1} << 20},
                                                                 {"GiB", std::int64_t{1} << 30},
                                                                 {"TiB", std::int64_t{1} << 40},
                                                                 {"kB", 1'000},
                                                                 {"KB", 1'000},
                                                                 {"MB", 1'000'000},
                                                                 {"GB", 1'000'000'000},
                                                                 {"TB", 1'000'000'000'000},
                                                                 {"B", 1},
                                                                 {"", 1}};

}  // namespace

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration)) {
    return InvalidField("duration", absl::StrCat("\"", text, "\" is not one"),
                        "Write for example 250ms, 5s or 1m30s.");
  }
  return duration;
}

absl::StatusOr<std::int64_t> ParseBytes(absl::string_view text) {
  const auto bad = [text] {
    return InvalidField("size", absl::StrCat("\"", text, "\" is not one"),
                        "Write for example 4096, 64KiB or 2GiB.");
  };
  std::size_t digits = 0;
  while (digits < text.size() && (absl::ascii_isdigit(text[digits]) || text[digits] == '.'))
    ++digits;
  double number = 0;
  if (digits == 0 || !absl::SimpleAtod(text.substr(0, digits), &number)) return bad();
  const absl::string_view unit = absl::StripLeadingAsciiWhitespace(text.substr(digits));
  for (const auto& [name, factor] : kUnits) {
    if (unit != name) continue;
    const double bytes = number * static_cast<double>(factor);
    if (!(bytes < 9.2e18) || bytes != std::floor(bytes)) return bad();
    return static_cast<std::int64_t>(bytes);
  }
  return bad();
}

std::string FormatBytes(std::int64_t bytes) {
  for (int i = 3; i >= 0; --i) {
    const auto& [name, factor] = kUnits[i];
    if (bytes != 0 && bytes % factor == 0) return absl::StrCat(bytes / factor, name);
  }
  return absl::StrCat(bytes, "B");
}

}  // namespace ragmesh::flags
