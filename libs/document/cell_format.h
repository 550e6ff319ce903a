// How a spreadsheet shows a number: as a date, a time, a share, or plainly.
#ifndef RAGMESH_LIBS_DOCUMENT_CELL_FORMAT_H_
#define RAGMESH_LIBS_DOCUMENT_CELL_FORMAT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace ragmesh::document {

enum class CellFormat { kPlain, kDate, kTime, kDateTime, kPercent };

// Of a built-in number format.
CellFormat BuiltInCellFormat(std::uint32_t id);

// Of a format code, such as "yyyy\-mm\-dd" or "0.00%".
CellFormat CellFormatOf(absl::string_view code);

// `raw` as the file holds it. Dates come out as 2024-05-31, times as 13:45 or 13:45:10. What is no
// number stays as it is.
std::string FormatNumber(absl::string_view raw, CellFormat format, bool dates_from_1904);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_CELL_FORMAT_H_
