// Any bytes as what the embedder, the reranker and the generator get and answer. The first byte
// chooses the message. What they answer comes from a peer and must not crash its caller either.
#include "libs/wire/common_wire.h"
#include "libs/wire/embedder_wire.h"
#include "libs/wire/generator_wire.h"
#include "libs/wire/reranker_wire.h"
#include "tests/fuzz/wire/round_trip.h"

namespace ragmesh::wire {
namespace {

constexpr EmbedLimits kLimits = {.max_texts = 16, .max_bytes = 1 << 10};  // reached by small inputs
constexpr std::size_t kCandidates = 4;

// A message whose reading refuses nothing.
template <typename Message>
void Answer(absl::string_view bytes) {
  RoundTrip<Message>(
      bytes,
      [](const Message& message) {
        return absl::StatusOr<decltype(FromProto(message))>(FromProto(message));
      },
      [](const auto& value, Message* out) { ToProto(value, out); });
}

void RerankAnswer(absl::string_view bytes) {
  reranker::v1::RerankResponse message;
  if (!Parse(bytes, &message)) return;
  const auto results = FromProto(message, kCandidates);
  if (!results.ok()) return;
  for (const stages::Reranked& result : *results)
    RAGMESH_CHECK(result.index < kCandidates, "a result names a candidate");
  reranker::v1::RerankResponse written;
  ToProto(*results, &written);
  const auto again = FromProto(OverTheWire(written), kCandidates);
  RAGMESH_CHECK(again.ok() && Same(*results, *again), "results survive the wire");
}

// Durations are seconds in a double inside, so only the rest comes back as it was.
void GenerateSummary(absl::string_view bytes) {
  generator::v1::Summary message;
  if (!Parse(bytes, &message)) return;
  const stages::GenerateResult result = FromProto(message);
  generator::v1::Summary written;
  ToProto(result, &written);
  stages::GenerateResult again = FromProto(OverTheWire(written));
  again.queue_seconds = result.queue_seconds;
  again.prefill_seconds = result.prefill_seconds;
  again.decode_seconds = result.decode_seconds;
  RAGMESH_CHECK(Same(result, again), "a summary survives the wire");
}

void Try(std::uint8_t choice, absl::string_view bytes) {
  const Field root;
  switch (choice % 8) {
    case 0:
      return RoundTrip<embedder::v1::EmbedRequest>(
          bytes, [&](const auto& message) { return FromProto(message, kLimits, root); },
          [](const auto& request, auto* out) { ToProto(request, out); });
    case 1:
      return Answer<embedder::v1::EmbedResponse>(bytes);
    case 2:
      return RoundTrip<reranker::v1::RerankRequest>(
          bytes, [&](const auto& message) { return FromProto(message, root); },
          [](const auto& request, auto* out) { ToProto(request, out); });
    case 3:
      return RerankAnswer(bytes);
    case 4:
      return RoundTrip<generator::v1::GenerateRequest>(
          bytes, [&](const auto& message) { return FromProto(message, root); },
          [](const auto& request, auto* out) { ToProto(request, out); });
    case 5:
      return GenerateSummary(bytes);
    case 6:
      return Answer<generator::v1::TokenEvent>(bytes);
    default:
      return Answer<common::StageInfo>(bytes);
  }
}

}  // namespace
}  // namespace ragmesh::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0) ragmesh::wire::Try(data[0], ragmesh::wire::View(data + 1, size - 1));
  return 0;
}
