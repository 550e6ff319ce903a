#include "libs/wire/splitter_wire.h"

#include "libs/base/status_macros.h"

namespace ragmesh::wire {
namespace {

namespace v1 = ::ragmesh::splitter::v1;

constexpr double kMinTokens = 16;
constexpr double kMaxTokens = 1 << 20;  // the model's own limit is checked by the core

}  // namespace

void ToProto(const stages::SplitOptions& options, v1::SplitOptions* out) {
  const auto& recursive = std::get<stages::RecursiveSplit>(options.strategy);
  out->mutable_recursive()->set_max_tokens(recursive.max_tokens);
  out->mutable_recursive()->set_overlap_tokens(recursive.overlap_tokens);
  out->mutable_recursive()->set_omit_headings(!recursive.carry_headings);
  out->mutable_recursive()->set_counter(recursive.counter == stages::TokenCounter::kEstimate
                                            ? v1::TOKEN_COUNTER_ESTIMATE
                                            : v1::TOKEN_COUNTER_EMBEDDER);
}

absl::StatusOr<stages::SplitOptions> FromProto(const v1::SplitOptions& in, const Field& field) {
  const Field at(field, "recursive");
  stages::RecursiveSplit recursive;
  if (in.recursive().max_tokens() != 0) {
    RAGMESH_RETURN_IF_ERROR(
        CheckRange(in.recursive().max_tokens(), kMinTokens, kMaxTokens, Field(at, "max_tokens")));
    RAGMESH_RETURN_IF_ERROR(CheckRange(in.recursive().overlap_tokens(), 0,
                                       in.recursive().max_tokens() / 2,
                                       Field(at, "overlap_tokens")));
  }
  recursive.max_tokens = in.recursive().max_tokens();
  recursive.overlap_tokens = in.recursive().overlap_tokens();
  recursive.carry_headings = !in.recursive().omit_headings();
  switch (in.recursive().counter()) {
    case v1::TOKEN_COUNTER_UNSPECIFIED:
    case v1::TOKEN_COUNTER_EMBEDDER:
      break;
    case v1::TOKEN_COUNTER_ESTIMATE:
      recursive.counter = stages::TokenCounter::kEstimate;
      break;
    default:
      return Field(at, "counter").Invalid("is not a known value");
  }
  return stages::SplitOptions{recursive};
}

}  // namespace ragmesh::wire
