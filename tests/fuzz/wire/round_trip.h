// What every converter of libs/wire owes to bytes from outside.
#ifndef RAGMESH_TESTS_FUZZ_WIRE_ROUND_TRIP_H_
#define RAGMESH_TESTS_FUZZ_WIRE_ROUND_TRIP_H_

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/delimited_message_util.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "tests/fuzz/wire/same.h"

namespace ragmesh::wire {

inline absl::string_view View(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// protobuf reports every string that is not UTF-8.
inline void SilenceProtobuf() {
  [[maybe_unused]] static const auto before = google::protobuf::SetLogHandler(nullptr);
}

template <typename Message>
bool Parse(absl::string_view bytes, Message* message) {
  SilenceProtobuf();
  return message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// The messages of a stream, each after its length as a varint; ends at the first broken one.
template <typename Message>
std::vector<Message> ParseStream(absl::string_view bytes) {
  SilenceProtobuf();
  google::protobuf::io::ArrayInputStream input(bytes.data(), static_cast<int>(bytes.size()));
  std::vector<Message> messages;
  for (Message message;
       google::protobuf::util::ParseDelimitedFromZeroCopyStream(&message, &input, nullptr);) {
    messages.push_back(message);
    message.Clear();
  }
  return messages;
}

// The message as a peer gets it.
template <typename Message>
Message OverTheWire(const Message& sent) {
  Message received;
  RAGMESH_CHECK(received.ParseFromString(sent.SerializeAsString()), "what is written can be read");
  return received;
}

// Whoever is refused learns what was wrong.
inline void CheckRefusal(const absl::Status& status) {
  RAGMESH_CHECK(absl::IsInvalidArgument(status) || absl::IsResourceExhausted(status),
                "a refusal blames the caller");
  RAGMESH_CHECK(GetErrorDetail(status).has_value() && !status.message().empty(),
                "a refusal says why");
}

// `bytes` as a Message: Read is refused with a reason, or what it answers survives being written,
// sent and read again. `read(message)` answers a StatusOr, `write(value, &message)` the way back.
template <typename Message, typename Read, typename Write>
void RoundTrip(absl::string_view bytes, Read read, Write write) {
  Message message;
  if (!Parse(bytes, &message)) return;
  const auto value = read(message);
  if (!value.ok()) return CheckRefusal(value.status());
  Message written;
  write(*value, &written);
  const auto again = read(OverTheWire(written));
  RAGMESH_CHECK(again.ok(), std::string(again.status().message()).c_str());
  RAGMESH_CHECK(Same(*value, *again), "a value survives the wire");
}

}  // namespace ragmesh::wire

#endif  // RAGMESH_TESTS_FUZZ_WIRE_ROUND_TRIP_H_
