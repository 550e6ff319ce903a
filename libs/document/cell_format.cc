#include "libs/document/cell_format.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"

namespace ragmesh::document {
namespace {

constexpr double kMaxDateSerial = 2'958'466;  // 1 January 10000

std::string TimeOfDay(std::int64_t seconds) {
  const std::string minutes = absl::StrFormat("%02d:%02d", seconds / 3600, seconds / 60 % 60);
  return seconds % 60 == 0 ? minutes
                           : absl::StrCat(minutes, absl::StrFormat(":%02d", seconds % 60));
}

}  // namespace

CellFormat BuiltInCellFormat(std::uint32_t id) {
  if (id == 9 || id == 10) return CellFormat::kPercent;
  if (id >= 14 && id <= 17) return CellFormat::kDate;
  if ((id >= 18 && id <= 21) || (id >= 45 && id <= 47)) return CellFormat::kTime;
  if (id == 22) return CellFormat::kDateTime;
  if ((id >= 27 && id <= 31) || (id >= 50 && id <= 58)) return CellFormat::kDate;
  return CellFormat::kPlain;
}

CellFormat CellFormatOf(absl::string_view code) {
  bool date = false;
  bool time = false;
  bool percent = false;
  for (std::size_t i = 0; i < code.size(); ++i) {
    switch (absl::ascii_tolower(static_cast<unsigned char>(code[i]))) {
      case '"':
        i = std::min(code.find('"', i + 1), code.size());
        break;
      case '[':  // colours and conditions; [h] is elapsed time
        if (i + 1 < code.size() && (code[i + 1] == 'h' || code[i + 1] == 'm' || code[i + 1] == 's'))
          time = true;
        i = std::min(code.find(']', i), code.size());
        break;
      case '\\':
      case '_':
      case '*':
        ++i;
        break;
      case ';':
        i = code.size();
        break;  // the section for negative numbers
      case 'y':
      case 'd':
        date = true;
        break;
      case 'h':
      case 's':
        time = true;
        break;
      case '%':
        percent = true;
        break;
      default:
        break;
    }
  }
  if (date && time) return CellFormat::kDateTime;
  if (date) return CellFormat::kDate;
  if (time) return CellFormat::kTime;
  return percent ? CellFormat::kPercent : CellFormat::kPlain;
}

std::string FormatNumber(absl::string_view raw, CellFormat format, bool dates_from_1904) {
  double value = 0;
  if (!absl::SimpleAtod(raw, &value) || !std::isfinite(value)) return std::string(raw);
  // Files hold 17 digits; 15 are what the program shows, and 0.1 stays 0.1.
  if (format == CellFormat::kPercent) return absl::StrFormat("%.13g%%", value * 100);
  if (format == CellFormat::kPlain || value < 0 || value >= kMaxDateSerial)
    return absl::StrFormat("%.15g", value);
  std::int64_t days = static_cast<std::int64_t>(std::floor(value));
  std::int64_t seconds = std::llround((value - std::floor(value)) * 86400);
  if (seconds == 86400) {
    ++days;
    seconds = 0;
  }
  if (format == CellFormat::kTime) return TimeOfDay(days * 86400 + seconds);
  // Day 60 of the 1900 system is 29 February 1900, which never was; before it, days count from one
  // later.
  const absl::CivilDay epoch = dates_from_1904 ? absl::CivilDay(1904, 1, 1)
                               : days < 60     ? absl::CivilDay(1899, 12, 31)
                                               : absl::CivilDay(1899, 12, 30);
  const std::string date = absl::FormatCivilTime(epoch + days);
  if (format == CellFormat::kDate && seconds == 0) return date;
  return seconds == 0 ? date : absl::StrCat(date, " ", TimeOfDay(seconds));
}

}  // namespace ragmesh::document
