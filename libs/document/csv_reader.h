// Comma-separated values, RFC 4180, with the liberties of real files.
#ifndef RAGMESH_LIBS_DOCUMENT_CSV_READER_H_
#define RAGMESH_LIBS_DOCUMENT_CSV_READER_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::document {

// Of ',', ';', tab and '|': the one that cuts the first records into the most equal, wide rows; ','
// when none does.
char SniffCsvDelimiter(absl::string_view text);

// Reads records one by one. LF, CR LF and CR end a record; "" inside quotes is a quote; a quote
// inside an unquoted field and text after a closing quote are kept as they stand. Rows may differ
// in length. `text` must outlive the reader.
class CsvReader {
 public:
  CsvReader(absl::string_view text, char delimiter) : text_(text), delimiter_(delimiter) {}

  // False at the end. A blank line is skipped.
  bool Next(std::vector<std::string>* record);

  // The last record began a quoted field that nothing closed; what followed is in that field.
  bool unclosed_quote() const { return unclosed_quote_; }

 private:
  void ReadField(std::string* field);
  bool AtLineEnd() const { return text_[at_] == '\n' || text_[at_] == '\r'; }
  void SkipLineEnd();

  const absl::string_view text_;
  const char delimiter_;
  std::size_t at_ = 0;
  bool unclosed_quote_ = false;
};

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_CSV_READER_H_
