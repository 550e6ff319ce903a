// A splitter that makes each block one chunk; headings become the context of what follows.
#ifndef RAGMESH_LIBS_TESTING_FAKE_SPLITTER_H_
#define RAGMESH_LIBS_TESTING_FAKE_SPLITTER_H_

#include <optional>
#include <utility>

#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "libs/stages/splitter.h"
#include "libs/testing/stage_fault.h"

namespace ragmesh::testing {

class FakeSplitter final : public stages::Splitter {
 public:
  StageFault fault;

  absl::Status Split(const stages::SplitOptions&,
                     absl::FunctionRef<absl::StatusOr<std::optional<stages::Block>>()> next_block,
                     absl::FunctionRef<absl::Status(stages::Chunk)> on_chunk,
                     const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(fault.Check(call));
    std::uint32_t ordinal = 0;
    while (true) {
      RAGMESH_ASSIGN_OR_RETURN(std::optional<stages::Block> block, next_block());
      if (!block.has_value()) return absl::OkStatus();
      stages::Chunk chunk;
      chunk.ordinal = ordinal++;
      chunk.range = block->range;
      chunk.overlap_begin = block->range.begin;
      chunk.text = block->text;
      chunk.context = absl::StrJoin(block->heading_path, " > ");
      chunk.heading_path = block->heading_path;
      chunk.page_begin = chunk.page_end = block->page;
      chunk.kind = block->kind;
      RAGMESH_RETURN_IF_ERROR(on_chunk(std::move(chunk)));
    }
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    stages::StageInfo info;
    info.stage = "splitter";
    info.ready = true;
    return info;
  }
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_LIBS_TESTING_FAKE_SPLITTER_H_
