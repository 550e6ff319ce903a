// Any bytes as what the loader and the splitter get and answer. The first byte chooses the message.
#include "libs/wire/common_wire.h"
#include "libs/wire/loader_wire.h"
#include "libs/wire/splitter_wire.h"
#include "tests/fuzz/wire/round_trip.h"

namespace ragmesh::wire {
namespace {

constexpr std::size_t kMaxDocumentBytes = 1 << 10;  // small, so that an input can be over it

absl::StatusOr<stages::LoadRequest> Load(const std::vector<loader::v1::LoadRequest>& messages) {
  LoadRequestReader reader(kMaxDocumentBytes);
  for (const auto& message : messages) {
    if (absl::Status status = reader.Add(message); !status.ok()) return status;
  }
  return std::move(reader).Finish();
}

void LoadStream(absl::string_view bytes) {
  const auto request = Load(ParseStream<loader::v1::LoadRequest>(bytes));
  if (!request.ok()) return CheckRefusal(request.status());
  std::vector<loader::v1::LoadRequest> sent;
  const absl::Status written = ToProto(*request, [&](const loader::v1::LoadRequest& message) {
    sent.push_back(OverTheWire(message));
    return absl::OkStatus();
  });
  RAGMESH_CHECK(written.ok(), "a request can be sent");
  const auto again = Load(sent);
  RAGMESH_CHECK(again.ok() && Same(*request, *again), "a request survives the wire");
}

template <typename Message>
void RoundTripAt(absl::string_view bytes, const char* name) {
  const Field root, field(root, name);
  RoundTrip<Message>(
      bytes, [&](const Message& message) { return FromProto(message, field); },
      [](const auto& value, Message* out) { ToProto(value, out); });
}

void Try(std::uint8_t choice, absl::string_view bytes) {
  switch (choice % 5) {
    case 0:
      return LoadStream(bytes);
    case 1:
      return RoundTripAt<common::Block>(bytes, "block");
    case 2:
      return RoundTripAt<splitter::v1::SplitOptions>(bytes, "options");
    case 3:
      return RoundTripAt<common::Chunk>(bytes, "chunk");
    default:
      return RoundTrip<common::DocumentInfo>(
          bytes,
          [](const auto& message) {
            return absl::StatusOr<stages::DocumentInfo>(FromProto(message));
          },
          [](const auto& info, auto* out) { ToProto(info, out); });
  }
}

}  // namespace
}  // namespace ragmesh::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0) ragmesh::wire::Try(data[0], ragmesh::wire::View(data + 1, size - 1));
  return 0;
}
