// A loader of plain text: paragraphs are separated by blank lines, "# x" is a heading.
// "PASSWORD:x\n" at the start asks for the password x; "BROKEN" is malformed.
#ifndef RAGMESH_LIBS_TESTING_FAKE_LOADER_H_
#define RAGMESH_LIBS_TESTING_FAKE_LOADER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/stages/loader.h"
#include "libs/testing/stage_fault.h"

namespace ragmesh::testing {

class FakeLoader final : public stages::Loader {
 public:
  StageFault fault;
  std::string normalisation = "ragmesh-text-1";

  absl::StatusOr<stages::DocumentInfo> Load(const stages::LoadRequest& request,
                                            absl::FunctionRef<absl::Status(stages::Block)> on_block,
                                            const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(fault.Check(call));
    const auto& bytes = std::get<std::string>(request.source);
    absl::string_view text = bytes;
    if (absl::StartsWith(text, "BROKEN")) {
      return MakeError(absl::StatusCode::kInvalidArgument, "cannot be parsed",
                       {.reason = "MALFORMED_DOCUMENT"});
    }
    if (absl::ConsumePrefix(&text, "PASSWORD:")) {
      const std::size_t line = text.find('\n');
      if (request.password != text.substr(0, line)) {
        return MakeError(absl::StatusCode::kInvalidArgument, "needs a password",
                         {.reason = "PASSWORD_REQUIRED"});
      }
      text.remove_prefix(line + 1);
    }
    std::uint64_t at = 0;
    std::vector<std::string> headings;
    for (absl::string_view paragraph : absl::StrSplit(text, "\n\n", absl::SkipWhitespace())) {
      stages::Block block;
      if (at > 0) at += 2;
      if (absl::ConsumePrefix(&paragraph, "# ")) {
        block.kind = stages::BlockKind::kHeading;
        block.level = 1;
        headings = {std::string(paragraph)};
      } else {
        block.heading_path = headings;
      }
      block.text = std::string(paragraph);
      block.range = {at, at + paragraph.size()};
      block.page = 1;
      at = block.range.end;
      RAGMESH_RETURN_IF_ERROR(on_block(std::move(block)));
    }
    stages::DocumentInfo info;
    info.sha256 = Sha256Hex(bytes);
    info.media_type = "text/plain";
    info.title = request.name;
    info.parser = "fake 1";
    info.normalisation = normalisation;
    return info;
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    stages::StageInfo info;
    info.stage = "loader";
    info.ready = true;
    info.features["normalisation"] = normalisation;
    return info;
  }
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_LIBS_TESTING_FAKE_LOADER_H_
