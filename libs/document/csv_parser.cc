// A CSV file is one table. Its first record is the header when it looks like names: every field
// filled, none a number, all different.
#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/document/csv_reader.h"
#include "libs/document/document_parser.h"

namespace ragmesh::document {
namespace {

constexpr std::size_t kMaxColumns = 16'384;  // as many as a spreadsheet has

bool LooksLikeNames(const std::vector<std::string>& record) {
  std::set<std::string> seen;
  for (const std::string& field : record) {
    const std::string name(absl::StripAsciiWhitespace(field));
    double number;
    if (name.empty() || absl::SimpleAtod(name, &number) || !seen.insert(name).second) return false;
  }
  return true;
}

}  // namespace

absl::Status ParseCsv(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts) {
  facts->parser = "csv 1";
  CsvReader reader(input.bytes, SniffCsvDelimiter(input.bytes));
  writer.BeginTable();
  std::vector<std::string> record;
  std::size_t width = 0;
  std::size_t uneven = 0;
  for (std::size_t row = 1; reader.Next(&record); ++row) {
    if (record.size() > kMaxColumns) {
      return LimitExceeded(absl::StrCat("document.rows[", row, "]"),
                           static_cast<long long>(record.size()), kMaxColumns, "columns");
    }
    if (row == 1) width = record.size();
    if (record.size() != width) ++uneven;
    RAGMESH_RETURN_IF_ERROR(writer.Row(record, row == 1 && LooksLikeNames(record)));
  }
  writer.EndTable();
  if (uneven > 0) writer.Warn(absl::StrCat(uneven, " rows have not as many fields as the first"));
  if (reader.unclosed_quote())
    writer.Warn("a quoted field is never closed; the rest of the file is in it");
  return absl::OkStatus();
}

}  // namespace ragmesh::document
