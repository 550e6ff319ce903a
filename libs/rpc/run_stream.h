// Runs streaming calls on the runtime's executor: RunServerStream, RunClientStream, RunBidi. `work`
// reads and writes with blocking calls that end at once when the caller goes or the deadline
// passes. A reader that stops reading blocks `work` for at most --max_write_stall. Otherwise as
// RunUnary. After an error, what was written before it is still delivered.
#ifndef RAGMESH_LIBS_RPC_RUN_STREAM_H_
#define RAGMESH_LIBS_RPC_RUN_STREAM_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <utility>

#include "absl/functional/any_invocable.h"
#include "libs/rpc/server_runtime.h"
#include "libs/rpc/stream_buffers.h"

namespace ragmesh::rpc {

template <typename Request>
class RequestReader {
 public:
  virtual ~RequestReader() = default;
  // Nothing when the caller has sent all.
  virtual absl::StatusOr<std::optional<Request>> Read() = 0;
};

template <typename Response>
class ResponseWriter {
 public:
  virtual ~ResponseWriter() = default;
  virtual absl::Status Write(Response response) = 0;
};

// Each reactor lives from the handler to OnDone. `Finish` is called once: by whoever comes last of
// the worker's end and the last write's.

template <typename Response>
class ServerStreamCall final : public grpc::ServerWriteReactor<Response>,
                               public ResponseWriter<Response> {
 public:
  using Work = absl::AnyInvocable<absl::Status(ResponseWriter<Response>&, const CallContext&) &&>;

  ServerStreamCall(ServerRuntime& runtime, const char* method,
                   const grpc::CallbackServerContext& context)
      : call_(runtime, method, context) {}

  void Run(Work work) {
    call_.Submit(
        [this, work = std::move(work)]() mutable { return std::move(work)(*this, call_.call()); },
        [this](absl::Status status) {
          final_ = call_.Complete(status, 1, writes_.taken());
          if (writes_.Close()) this->Finish(final_);
        });
  }

  absl::Status Write(Response response) override {
    return writes_.Push(std::move(response), call_.call(),
                        call_.runtime().options().max_write_stall,
                        [this](const Response* next) { this->StartWrite(next); });
  }

 private:
  void OnWriteDone(bool ok) override {
    bool finish = false;
    const Response* next = writes_.OnWritten(ok, &finish);
    if (next != nullptr) this->StartWrite(next);
    if (finish) this->Finish(final_);
  }
  void OnCancel() override {
    call_.Cancel();
    writes_.Break();
  }
  void OnDone() override { delete this; }

  ServerCall call_;
  WriteBuffer<Response> writes_;
  grpc::Status final_;
};

template <typename Request>
class ClientStreamCall final : public grpc::ServerReadReactor<Request>,
                               public RequestReader<Request> {
 public:
  using Work = absl::AnyInvocable<absl::Status(RequestReader<Request>&, const CallContext&) &&>;

  ClientStreamCall(ServerRuntime& runtime, const char* method,
                   const grpc::CallbackServerContext& context)
      : call_(runtime, method, context), context_(context) {}

  void Run(Work work) {
    call_.Submit(
        [this, work = std::move(work)]() mutable { return std::move(work)(*this, call_.call()); },
        [this](absl::Status status) {
          this->Finish(call_.Complete(status, reads_.given(), status.ok() ? 1 : 0));
        });
  }

  absl::StatusOr<std::optional<Request>> Read() override {
    return reads_.Pop(call_.call(), [this](Request* slot) { this->StartRead(slot); });
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok && context_.IsCancelled()) reads_.Break();  // not the end of a complete stream
    reads_.OnRead(ok);
  }
  void OnCancel() override {
    call_.Cancel();
    reads_.Break();
  }
  void OnDone() override { delete this; }

  ServerCall call_;
  const grpc::CallbackServerContext& context_;
  ReadBuffer<Request> reads_;
};

template <typename Request, typename Response>
class BidiCall final : public grpc::ServerBidiReactor<Request, Response>,
                       public RequestReader<Request>,
                       public ResponseWriter<Response> {
 public:
  using Work = absl::AnyInvocable<absl::Status(RequestReader<Request>&, ResponseWriter<Response>&,
                                               const CallContext&) &&>;

  BidiCall(ServerRuntime& runtime, const char* method, const grpc::CallbackServerContext& context)
      : call_(runtime, method, context), context_(context) {}

  void Run(Work work) {
    call_.Submit(
        [this, work = std::move(work)]() mutable {
          return std::move(work)(*this, *this, call_.call());
        },
        [this](absl::Status status) {
          final_ = call_.Complete(status, reads_.given(), writes_.taken());
          if (writes_.Close()) this->Finish(final_);
        });
  }

  absl::StatusOr<std::optional<Request>> Read() override {
    return reads_.Pop(call_.call(), [this](Request* slot) { this->StartRead(slot); });
  }
  absl::Status Write(Response response) override {
    return writes_.Push(std::move(response), call_.call(),
                        call_.runtime().options().max_write_stall,
                        [this](const Response* next) { this->StartWrite(next); });
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok && context_.IsCancelled()) reads_.Break();
    reads_.OnRead(ok);
  }
  void OnWriteDone(bool ok) override {
    bool finish = false;
    const Response* next = writes_.OnWritten(ok, &finish);
    if (next != nullptr) this->StartWrite(next);
    if (finish) this->Finish(final_);
  }
  void OnCancel() override {
    call_.Cancel();
    reads_.Break();
    writes_.Break();
  }
  void OnDone() override { delete this; }

  ServerCall call_;
  const grpc::CallbackServerContext& context_;
  ReadBuffer<Request> reads_;
  WriteBuffer<Response> writes_;
  grpc::Status final_;
};

template <typename Response>
grpc::ServerWriteReactor<Response>* RunServerStream(
    ServerRuntime& runtime, const char* method, grpc::CallbackServerContext* context,
    typename ServerStreamCall<Response>::Work work) {
  auto* call = new ServerStreamCall<Response>(runtime, method, *context);
  call->Run(std::move(work));
  return call;
}

template <typename Request>
grpc::ServerReadReactor<Request>* RunClientStream(ServerRuntime& runtime, const char* method,
                                                  grpc::CallbackServerContext* context,
                                                  typename ClientStreamCall<Request>::Work work) {
  auto* call = new ClientStreamCall<Request>(runtime, method, *context);
  call->Run(std::move(work));
  return call;
}

template <typename Request, typename Response>
grpc::ServerBidiReactor<Request, Response>* RunBidi(
    ServerRuntime& runtime, const char* method, grpc::CallbackServerContext* context,
    typename BidiCall<Request, Response>::Work work) {
  auto* call = new BidiCall<Request, Response>(runtime, method, *context);
  call->Run(std::move(work));
  return call;
}

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_RUN_STREAM_H_
