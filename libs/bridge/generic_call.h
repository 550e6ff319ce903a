// A gRPC call to a method known only at run time. Unary, server-streaming and client-streaming
// calls all have this form.
#ifndef RAGMESH_LIBS_BRIDGE_GENERIC_CALL_H_
#define RAGMESH_LIBS_BRIDGE_GENERIC_CALL_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/status.h"
#include "libs/http/message.h"

namespace ragmesh::bridge {

struct CallParameters {
  std::string method;  // "/package.Service/Method"
  absl::Time deadline;
  std::vector<std::pair<std::string, std::string>> metadata;
};

// Thread-safe. Keeps itself alive until it is done; dropping the handle neither cancels nor leaks
// it.
class GenericCall {
 public:
  struct Events {  // run on gRPC's threads, one at a time
    // One message; the next one comes after Read.
    absl::AnyInvocable<void(const grpc::ByteBuffer&)> on_message;
    // The end, once. Both callbacks are destroyed after it.
    absl::AnyInvocable<void(const grpc::Status&) &&> on_done;
  };

  static std::shared_ptr<GenericCall> Start(const std::shared_ptr<grpc::Channel>& channel,
                                            const CallParameters& parameters, Events events);
  virtual ~GenericCall() = default;

  // Sends `message`; the last one closes our side. `on_sent`, with false when the call has ended,
  // comes before the next Send.
  virtual void Send(const google::protobuf::Message& message, bool last,
                    absl::AnyInvocable<void(bool) &&> on_sent = nullptr) = 0;
  // Asks for the next message; the first one is asked for by Start. The end of a call is seen only
  // by reading, so each message is followed by a Read.
  virtual void Read() = 0;
  // Ends the call with CANCELLED. No message is delivered afterwards.
  virtual void Cancel() = 0;
};

// False when the bytes are not a message of this type.
bool ParseMessage(const grpc::ByteBuffer& bytes, google::protobuf::Message* message);

// "/package.Service/Method".
std::string MethodPath(const google::protobuf::MethodDescriptor* rpc);

struct TimeoutPolicy {
  absl::Duration standard = absl::Minutes(2);
  absl::Duration longest = absl::Minutes(30);
};

// Deadline and metadata of the call that serves an HTTP request: the caller's time limit
// (Request-Timeout in seconds, or Grpc-Timeout) bounded by `policy`; authorization, tracestate and
// traceparent passed on, a traceparent made when there is none. INVALID_ARGUMENT for a time limit
// that is no time.
absl::StatusOr<CallParameters> ParametersFor(const http::RequestHead& head,
                                             absl::string_view method, const TimeoutPolicy& policy);

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_GENERIC_CALL_H_
