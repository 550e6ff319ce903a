#include "libs/bridge/generic_call.h"

#include <algorithm>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/callback_queue.h"

namespace ragmesh::bridge {
namespace {

using grpc::ByteBuffer;

class ReactorCall final : public GenericCall,
                          public grpc::ClientBidiReactor<ByteBuffer, ByteBuffer> {
 public:
  ReactorCall(const std::shared_ptr<grpc::Channel>& channel, const CallParameters& parameters,
              Events events)
      : stub_(channel), events_(std::move(events)) {
    context_.set_deadline(absl::ToChronoTime(parameters.deadline));
    for (const auto& [key, value] : parameters.metadata) context_.AddMetadata(key, value);
    stub_.PrepareBidiStreamingCall(&context_, parameters.method, /*options=*/{}, this);
  }

  void Begin(std::shared_ptr<ReactorCall> self) {
    self_ = std::move(self);
    AddHold();  // reads and writes are started from outside the reactions
    // The first read is under way before the call is: gRPC 1.51's in-process transport can end a
    // call whose first message nobody waits for, and loses the message.
    {
      absl::MutexLock lock(&mutex_);
      reading_ = true;
    }
    StartRead(&incoming_);
    StartCall();
  }

  void Send(const google::protobuf::Message& message, bool last,
            absl::AnyInvocable<void(bool) &&> on_sent) override {
    bool open;
    {
      absl::MutexLock lock(&mutex_);
      open = !ended_ && !writing_;
      if (open) {
        writing_ = true;
        on_sent_ = std::move(on_sent);
      }
    }
    if (!open) {
      if (on_sent) std::move(on_sent)(false);
      return;
    }
    bool own = false;
    outgoing_.Clear();
    grpc::SerializationTraits<google::protobuf::Message>::Serialize(message, &outgoing_, &own);
    grpc::WriteOptions options;
    if (last) options.set_last_message();
    StartWrite(&outgoing_, options);
  }

  void Read() override {
    {
      absl::MutexLock lock(&mutex_);
      if (ended_ || reading_) return;
      reading_ = true;
    }
    StartRead(&incoming_);
  }

  void Cancel() override {
    {
      absl::MutexLock lock(&mutex_);
      cancelled_ = true;
    }
    context_.TryCancel();
    Read();
  }

 private:
  void OnReadDone(bool ok) override {
    bool deliver = false;
    {
      absl::MutexLock lock(&mutex_);
      reading_ = false;
      ended_ = !ok;
      deliver = ok && !cancelled_;
    }
    if (deliver) {
      events_.on_message(incoming_);
    } else if (ok) {
      Read();  // what came before the cancellation is dropped
    }
    if (!ok) ReleaseHoldWhenIdle();
  }

  void OnWriteDone(bool ok) override {
    absl::AnyInvocable<void(bool) &&> on_sent;
    {
      absl::MutexLock lock(&mutex_);
      writing_ = false;
      on_sent = std::move(on_sent_);
      on_sent_ = nullptr;
    }
    if (on_sent) std::move(on_sent)(ok);
    ReleaseHoldWhenIdle();
  }

  void OnDone(const grpc::Status& status) override {
    std::move(events_.on_done)(status);
    events_ = {};
    self_.reset();  // last: may destroy this
  }

  void ReleaseHoldWhenIdle() {
    {
      absl::MutexLock lock(&mutex_);
      if (!ended_ || writing_ || released_) return;
      released_ = true;
    }
    RemoveHold();
  }

  grpc::TemplatedGenericStub<ByteBuffer, ByteBuffer> stub_;
  grpc::ClientContext context_;
  Events events_;
  std::shared_ptr<ReactorCall> self_;
  ByteBuffer incoming_;
  ByteBuffer outgoing_;
  absl::Mutex mutex_;
  absl::AnyInvocable<void(bool) &&> on_sent_ ABSL_GUARDED_BY(mutex_);
  bool reading_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // no message will follow
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  bool released_ ABSL_GUARDED_BY(mutex_) = false;
};

bool IsMetadataText(absl::string_view text) {
  return text.size() <= 8192 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

bool IsHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f'); });
}

// "2.5", "2.5s", "500ms", and gRPC's "500m" (milliseconds), "2S", "1M", "1H".
absl::StatusOr<absl::Duration> ParseTimeout(absl::string_view name, absl::string_view text,
                                            bool grpc_units) {
  const auto bad = [&] {
    return InvalidField(name, "is not a time limit", "Send seconds, for example 30.");
  };
  if (grpc_units) {
    std::int64_t count = 0;
    if (text.size() < 2 || text.size() > 9 ||
        !absl::SimpleAtoi(text.substr(0, text.size() - 1), &count) || count < 0) {
      return bad();
    }
    switch (text.back()) {
      case 'H':
        return absl::Hours(count);
      case 'M':
        return absl::Minutes(count);
      case 'S':
        return absl::Seconds(count);
      case 'm':
        return absl::Milliseconds(count);
      case 'u':
        return absl::Microseconds(count);
      case 'n':
        return absl::Nanoseconds(count);
      default:
        return bad();
    }
  }
  double seconds = 0;
  if (absl::SimpleAtod(text, &seconds)) {
    if (!(seconds > 0)) return bad();
    return absl::Seconds(seconds);
  }
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration <= absl::ZeroDuration()) return bad();
  return duration;
}

std::string TraceParent(const http::RequestHead& head) {
  static thread_local absl::BitGen generator;
  const absl::string_view given = head.Find("Traceparent");
  if (given.size() >= 55 && given.size() <= 128 && IsMetadataText(given)) return std::string(given);
  // The request's own id is the trace's, so that one search finds both.
  const std::string trace =
      head.id.size() == 32 && IsHex(head.id)
          ? head.id
          : absl::StrFormat(
                "%016x%016x", absl::Uniform<std::uint64_t>(generator),
                absl::Uniform<std::uint64_t>(absl::IntervalClosed, generator, 1, ~0ull));
  return absl::StrCat("00-", trace, "-",
                      absl::StrFormat("%016x", absl::Uniform<std::uint64_t>(absl::IntervalClosed,
                                                                            generator, 1, ~0ull)),
                      "-01");
}

}  // namespace

std::shared_ptr<GenericCall> GenericCall::Start(const std::shared_ptr<grpc::Channel>& channel,
                                                const CallParameters& parameters, Events events) {
  rpc::KeepCallbackQueue();  // a call may end as the last owner of its channel
  auto call = std::make_shared<ReactorCall>(channel, parameters, std::move(events));
  call->Begin(call);
  return call;
}

bool ParseMessage(const ByteBuffer& bytes, google::protobuf::Message* message) {
  ByteBuffer copy = bytes;  // shares the slices; parsing takes them
  return grpc::SerializationTraits<google::protobuf::Message>::Deserialize(&copy, message).ok();
}

std::string MethodPath(const google::protobuf::MethodDescriptor* rpc) {
  return absl::StrCat("/", std::string(rpc->service()->full_name()), "/", std::string(rpc->name()));
}

absl::StatusOr<CallParameters> ParametersFor(const http::RequestHead& head,
                                             absl::string_view method,
                                             const TimeoutPolicy& policy) {
  absl::Duration timeout = policy.standard;
  if (const absl::string_view text = head.Find("Request-Timeout"); !text.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(timeout, ParseTimeout("Request-Timeout", text, /*grpc_units=*/false));
  } else if (const absl::string_view grpc_text = head.Find("Grpc-Timeout"); !grpc_text.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(timeout, ParseTimeout("Grpc-Timeout", grpc_text, /*grpc_units=*/true));
  }
  CallParameters parameters{
      std::string(method), absl::Now() + std::min(timeout, policy.longest), {}};
  parameters.metadata.emplace_back("traceparent", TraceParent(head));
  parameters.metadata.emplace_back("x-request-id", head.id);
  for (absl::string_view name : {"authorization", "tracestate"}) {
    const absl::string_view value = head.Find(name);
    if (value.empty()) continue;
    if (!IsMetadataText(value))
      return InvalidField(name, "has characters that are not printable ASCII");
    parameters.metadata.emplace_back(std::string(name), std::string(value));
  }
  return parameters;
}

}  // namespace ragmesh::bridge
