// The invariant of stages/document.h, as code: what a stream of blocks must look like.
#ifndef RAGMESH_LIBS_DOCUMENT_BLOCK_SEQUENCE_H_
#define RAGMESH_LIBS_DOCUMENT_BLOCK_SEQUENCE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/stages/document.h"

namespace ragmesh::document {

// Checks one block after another: not blank, range as long as the text, "\n\n" between two blocks
// or "\n" between two rows of one table, table rows joined from their cells, levels in bounds. Not
// thread-safe.
class BlockSequence {
 public:
  // INTERNAL with the rule that is broken.
  absl::Status Check(const stages::Block& block);

 private:
  std::uint64_t count_ = 0;
  std::uint64_t end_ = 0;
  std::uint32_t table_ = 0;
  std::uint32_t page_ = 0;
};

// The normalised text that `blocks` make.
std::string NormalisedText(const std::vector<stages::Block>& blocks);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_BLOCK_SEQUENCE_H_
