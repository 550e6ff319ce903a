#include "services/splitter/splitter_service.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/run_stream.h"
#include "libs/rpc/run_unary.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/splitter_wire.h"

namespace ragmesh::services {

namespace v1 = ::ragmesh::splitter::v1;
namespace {

// The options must come first; an empty stream has neither options nor blocks.
absl::StatusOr<stages::SplitOptions> ReadOptions(rpc::RequestReader<v1::SplitRequest>& reader) {
  const wire::Field root, field(root, "options");
  RAGMESH_ASSIGN_OR_RETURN(const std::optional<v1::SplitRequest> first, reader.Read());
  if (!first.has_value() || !first->has_options()) {
    return field.Invalid("is required", "Send the options as the first message, then the blocks.");
  }
  return wire::FromProto(first->options(), field);
}

// Blocks must be in order, so that chunks can be cut while they come.
class BlockReader {
 public:
  explicit BlockReader(rpc::RequestReader<v1::SplitRequest>& reader) : reader_(reader) {}

  absl::StatusOr<std::optional<stages::Block>> Next() {
    const wire::Field root, field(root, "block");
    RAGMESH_ASSIGN_OR_RETURN(const std::optional<v1::SplitRequest> request, reader_.Read());
    if (!request.has_value()) return std::nullopt;
    if (!request->has_block()) return field.Invalid("is required in every message after the first");
    RAGMESH_ASSIGN_OR_RETURN(stages::Block block, wire::FromProto(request->block(), field));
    if (block.range.begin < end_) {
      return wire::Field(field, "range")
          .Invalid("begins before the end of the block before it",
                   "Send the blocks in document order.");
    }
    end_ = block.range.end;
    return block;
  }

 private:
  rpc::RequestReader<v1::SplitRequest>& reader_;
  std::uint64_t end_ = 0;
};

}  // namespace

grpc::ServerBidiReactor<v1::SplitRequest, v1::SplitResponse>* SplitterService::Split(
    grpc::CallbackServerContext* context) {
  return rpc::RunBidi<v1::SplitRequest, v1::SplitResponse>(
      runtime_, "Split", context,
      [this](auto& reader, auto& writer, const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto splitter, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::SplitOptions options, ReadOptions(reader));
        BlockReader blocks(reader);
        const auto on_chunk = [&writer](stages::Chunk chunk) {
          v1::SplitResponse response;
          wire::ToProto(chunk, response.mutable_chunk());
          return writer.Write(std::move(response));
        };
        return splitter->Split(
            options, [&blocks] { return blocks.Next(); }, on_chunk, call);
      });
}

grpc::ServerUnaryReactor* SplitterService::Info(grpc::CallbackServerContext* context,
                                                const v1::InfoRequest*,
                                                v1::InfoResponse* response) {
  return rpc::RunUnary(runtime_, "Info", context,
                       [=, this](const CallContext& call) -> absl::Status {
                         RAGMESH_ASSIGN_OR_RETURN(const stages::StageInfo info, slot_.Info(call));
                         wire::ToProto(info, response->mutable_info());
                         return absl::OkStatus();
                       });
}

}  // namespace ragmesh::services
