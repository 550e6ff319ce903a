// Where every parser puts what it finds. Turns pieces of a document into blocks: normalises them,
// gives them their place in the normalised text, their heading path and table, and counts what came
// out.
#ifndef RAGMESH_LIBS_DOCUMENT_BLOCK_WRITER_H_
#define RAGMESH_LIBS_DOCUMENT_BLOCK_WRITER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/document/normalise.h"
#include "libs/document/parse_limits.h"
#include "libs/stages/document.h"

namespace ragmesh::document {

// Blank pieces are left out. Texts are raw; the writer normalises. Any error is final: the parser
// returns it. Not thread-safe.
class BlockWriter {
 public:
  BlockWriter(const ParseLimits& limits, absl::FunctionRef<absl::Status(stages::Block)> on_block);

  // Pages, slides or sheets, counted from 1; closes an open table.
  absl::Status BeginPage();

  // `level` is cut to 1-6. A heading over kMaxHeadingBytes becomes a paragraph.
  absl::Status Heading(std::uint32_t level, absl::string_view text);
  absl::Status Paragraph(absl::string_view text);
  absl::Status ListItem(std::uint32_t level, absl::string_view text);
  absl::Status Code(absl::string_view text);

  // Rows between BeginTable and EndTable share a table number. The row given as header, if any,
  // comes first.
  void BeginTable();
  absl::Status Row(const std::vector<std::string>& cells, bool is_header = false);
  void EndTable();

  // Shown in the coverage report; the first 100 are kept.
  void Warn(std::string warning);

  const ParseLimits& limits() const { return limits_; }
  const std::string& first_heading() const { return first_heading_; }
  // Start of the normalised text, for finding the language.
  const std::string& sample() const { return sample_; }
  // Without bytes_in.
  stages::Coverage TakeCoverage();

 private:
  absl::Status Write(stages::BlockKind kind, std::uint32_t level, TextForm form,
                     absl::string_view text);
  absl::Status EmitRow(std::vector<std::string> cells);
  absl::Status Emit(stages::Block block);
  void EndPage();

  const ParseLimits limits_;
  const absl::FunctionRef<absl::Status(stages::Block)> on_block_;
  std::vector<std::pair<std::uint32_t, std::string>> headings_;  // level and text, outermost first
  std::string first_heading_;
  std::string sample_;
  std::uint64_t end_ = 0;         // of the last block
  std::uint32_t last_table_ = 0;  // of the last block
  std::uint32_t table_ = 0;       // number of the newest table
  bool in_table_ = false;
  std::vector<std::string> header_;
  std::uint32_t page_ = 0;
  bool page_has_text_ = false;
  stages::Coverage coverage_;
};

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_BLOCK_WRITER_H_
