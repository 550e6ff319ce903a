// The client's end of a bidirectional stream, pumped from one thread: it never waits for the peer
// to read while the peer waits for it to do so.
#ifndef RAGMESH_LIBS_RPC_BIDI_CLIENT_H_
#define RAGMESH_LIBS_RPC_BIDI_CLIENT_H_

#include <grpcpp/support/client_callback.h>

#include <deque>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/rpc/client_call.h"

namespace ragmesh::rpc {

// Runs one call to its end. One write and one read are in flight at most, and one message of each
// kind waits.
template <typename Request, typename Response>
class BidiClient final : public grpc::ClientBidiReactor<Request, Response> {
 public:
  // Begins the call on a stub's async interface: stub->async()->Split(context, reactor).
  using Start =
      absl::FunctionRef<void(grpc::ClientContext*, grpc::ClientBidiReactor<Request, Response>*)>;

  // Calls `next` for requests until it returns nothing, and `on_response` for every response, both
  // on this thread. An error of either cancels the call and is returned.
  static absl::Status Run(ClientCall& client, Start start,
                          absl::FunctionRef<absl::StatusOr<std::optional<Request>>()> next,
                          absl::FunctionRef<absl::Status(Response)> on_response) {
    BidiClient reactor;
    start(client.context(), &reactor);
    // Reads and writes are started from this thread, outside gRPC's reactions. Without a hold the
    // call may end, and free what it is made of, between two of them.
    reactor.AddHold();
    reactor.StartRead(&reactor.incoming_);
    reactor.StartCall();
    absl::Status status = reactor.Pump(next, on_response);
    if (!status.ok()) client.context()->TryCancel();
    reactor.RemoveHold();
    const grpc::Status finished = reactor.WaitUntilDone();
    return status.ok() ? client.Finish(finished) : status;
  }

 private:
  enum class Event { kResponse, kMayWrite, kEnd };

  absl::Status Pump(absl::FunctionRef<absl::StatusOr<std::optional<Request>>()> next,
                    absl::FunctionRef<absl::Status(Response)> on_response) {
    while (true) {
      std::optional<Response> response;
      switch (Wait(&response)) {
        case Event::kEnd:
          return absl::OkStatus();
        case Event::kResponse:
          this->StartRead(&incoming_);
          if (absl::Status status = on_response(*std::move(response)); !status.ok()) return status;
          break;
        case Event::kMayWrite: {
          absl::StatusOr<std::optional<Request>> request = next();
          if (!request.ok()) return request.status();
          if (!request->has_value()) {
            {
              absl::MutexLock lock(&mutex_);
              all_written_ = true;
            }
            this->StartWritesDone();
            break;
          }
          outgoing_ = **std::move(request);
          {
            absl::MutexLock lock(&mutex_);
            writing_ = true;
          }
          this->StartWrite(&outgoing_);
          break;
        }
      }
    }
  }

  // Responses come first, so that the peer is never kept from writing.
  Event Wait(std::optional<Response>* response) {
    absl::MutexLock lock(&mutex_);
    const auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return arrived_.has_value() || reads_ended_ || (!writing_ && !all_written_);
    };
    mutex_.Await(absl::Condition(&ready));
    if (arrived_.has_value()) {
      response->swap(arrived_);
      return Event::kResponse;
    }
    return reads_ended_ ? Event::kEnd : Event::kMayWrite;
  }

  grpc::Status WaitUntilDone() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&done_));
    return status_;
  }

  void OnReadDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    if (ok) {
      arrived_ = std::move(incoming_);
      incoming_ = Response();
    } else {
      reads_ended_ = true;  // the status follows
    }
  }
  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) all_written_ = true;  // the status says why
  }
  void OnDone(const grpc::Status& status) override {
    absl::MutexLock lock(&mutex_);
    status_ = status;
    done_ = true;
  }

  absl::Mutex mutex_;
  Request outgoing_;
  Response incoming_;
  std::optional<Response> arrived_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool all_written_ ABSL_GUARDED_BY(mutex_) = false;
  bool reads_ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_BIDI_CLIENT_H_
