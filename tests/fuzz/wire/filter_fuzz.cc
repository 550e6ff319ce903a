// Any bytes as a filter, as the metadata of a document, and as one value of either. The first byte
// chooses.
#include "libs/wire/common_wire.h"
#include "libs/wire/filter_wire.h"
#include "tests/fuzz/wire/round_trip.h"

namespace ragmesh::wire {
namespace {

template <typename Message>
void RoundTripAt(absl::string_view bytes, const char* name) {
  const Field root, field(root, name);
  RoundTrip<Message>(
      bytes, [&](const Message& message) { return FromProto(message, field); },
      [](const auto& value, Message* out) { ToProto(value, out); });
}

void Try(std::uint8_t choice, absl::string_view bytes) {
  switch (choice % 3) {
    case 0:
      return RoundTripAt<common::Filter>(bytes, "filter");
    case 1:
      return RoundTripAt<google::protobuf::Struct>(bytes, "metadata");
    default:
      return RoundTripAt<google::protobuf::Value>(bytes, "value");
  }
}

}  // namespace
}  // namespace ragmesh::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0) ragmesh::wire::Try(data[0], ragmesh::wire::View(data + 1, size - 1));
  return 0;
}
