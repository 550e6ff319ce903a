#include "libs/bridge/upload.h"

#include <deque>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/bridge/multipart.h"
#include "libs/bridge/rpc_handler.h"
#include "libs/bridge/status_json.h"
#include "libs/bridge/transcode.h"
#include "libs/text/utf8.h"
#include "ragmesh/gateway/v1/gateway.pb.h"

namespace ragmesh::bridge {
namespace {

namespace v1 = ragmesh::gateway::v1;

constexpr std::size_t kMessageBytes = 512 * 1024;    // of document in one message
constexpr std::size_t kMaxFieldBytes = 64 * 1024;    // of one plain form field
constexpr std::size_t kFormOverheadBytes = 1 << 20;  // of a form around the document

// Puts one named field, from the form or the query, into the header.
absl::Status SetField(absl::string_view name, absl::string_view value, v1::UploadHeader* header) {
  if (!text::IsValidUtf8(value)) return InvalidField(name, "is not UTF-8");
  const std::string text(value);
  if (name == "name") {
    header->set_name(text);
  } else if (name == "document_id") {
    header->set_document_id(text);
  } else if (name == "uri") {
    header->set_uri(text);
  } else if (name == "password") {
    header->set_password(text);
  } else if (name == "metadata") {
    return Annotate(FromJson(value, header->mutable_options()->mutable_metadata()), "metadata");
  } else if (name == "acl_labels") {
    header->mutable_options()->add_acl_labels(text);
  } else if (name == "max_chunk_tokens" || name == "overlap_tokens") {
    return SetFieldFromText(absl::StrCat("options.", name), value, header);
  } else {
    return MakeError(
        absl::StatusCode::kInvalidArgument, "the upload has an unknown field",
        {.reason = "UNKNOWN_FIELD",
         .field = text::IsValidUtf8(name) ? std::string(name) : "query",
         .next_step = "Known fields: name, document_id, uri, password, metadata, acl_labels, "
                      "max_chunk_tokens, overlap_tokens, and one file."});
  }
  return absl::OkStatus();
}

class UploadSession : public std::enable_shared_from_this<UploadSession> {
 public:
  UploadSession(std::shared_ptr<http::Exchange> exchange, const GatewayApi& api,
                const Route* watch_job)
      : exchange_(std::move(exchange)),
        channel_(api.channel),
        timeouts_{.standard = api.timeouts.longest,
                  .longest = api.timeouts.longest},  // large and slow is allowed
        max_document_bytes_(api.max_document_bytes),
        watch_job_(watch_job) {}

  void Run(const std::string& collection) {
    header_.set_collection(collection);
    const absl::Status status = Prepare();
    if (!status.ok()) return Fail(status);
    auto parameters = ParametersFor(exchange_->head(), GatewayMethod("UploadDocument"), timeouts_);
    if (!parameters.ok()) return Fail(parameters.status());
    parameters_ = *std::move(parameters);
    NextPiece();
  }

 private:
  // For a raw body everything is known before the first byte.
  absl::Status Prepare() {
    const http::RequestHead& head = exchange_->head();
    if (absl::StartsWithIgnoreCase(head.Find("Content-Type"), "multipart/form-data")) {
      if (!head.query.empty())
        return InvalidField("query", "is not used with a form", "Send form fields.");
      RAGMESH_ASSIGN_OR_RETURN(const std::string boundary, BoundaryOf(head.Find("Content-Type")));
      form_.emplace(boundary);
      return absl::OkStatus();
    }
    const auto parameters = http::ParseQuery(head.query, 100);
    if (!parameters.has_value())
      return InvalidField("query", "is malformed or has too many parameters");
    if (const absl::string_view name = head.Find("X-Document-Name"); !name.empty()) {
      const auto decoded = http::PercentDecode(name);
      if (!decoded.has_value())
        return InvalidField("X-Document-Name", "is not percent-encoded UTF-8");
      RAGMESH_RETURN_IF_ERROR(SetField("name", *decoded, &header_));
    }
    RAGMESH_RETURN_IF_ERROR(SetField("password", head.Find("X-Document-Password"), &header_));
    for (const http::Header& parameter : *parameters) {
      if (parameter.name == "password") {
        return InvalidField("password", "must not stand in a URL, which is logged",
                            "Send it as the header X-Document-Password.");
      }
      RAGMESH_RETURN_IF_ERROR(SetField(parameter.name, parameter.value, &header_));
    }
    if (header_.name().empty()) {
      return InvalidField("name", "is missing", "Add ?name=FILE or the header X-Document-Name.");
    }
    StartDocument();
    return absl::OkStatus();
  }

  void StartDocument() {
    has_document_ = true;
    v1::UploadDocumentRequest first;
    *first.mutable_header() = std::move(header_);
    messages_.push_back(std::move(first));
  }

  absl::Status AddData(absl::string_view bytes) {
    document_bytes_ += bytes.size();
    if (document_bytes_ > max_document_bytes_) {
      return LimitExceeded("body", static_cast<long long>(document_bytes_),
                           static_cast<long long>(max_document_bytes_), "bytes",
                           "Split the document.");
    }
    while (!bytes.empty()) {
      if (!messages_.back().has_header() && messages_.back().data().size() < kMessageBytes) {
        const absl::string_view part =
            bytes.substr(0, kMessageBytes - messages_.back().data().size());
        messages_.back().mutable_data()->append(part.data(), part.size());
        bytes.remove_prefix(part.size());
      } else {
        messages_.emplace_back().set_data("");
      }
    }
    return absl::OkStatus();
  }

  absl::Status OnFormEvent(const PartEvent& event) {
    switch (event.kind) {
      case PartEvent::Kind::kBegin:
        part_ = event.header;
        field_.clear();
        if (!part_.is_file) {
          if (!has_document_) return absl::OkStatus();
          return InvalidField(part_.name, "comes after the file",
                              "Put plain fields before the file.");
        }
        if (has_document_)
          return InvalidField(part_.name, "is a second file", "Upload one document a request.");
        if (header_.name().empty()) header_.set_name(part_.filename);
        if (header_.name().empty())
          return InvalidField("name", "is missing", "Give the file part a filename.");
        StartDocument();
        return absl::OkStatus();
      case PartEvent::Kind::kData:
        if (part_.is_file) return AddData(event.data);
        if (field_.size() + event.data.size() > kMaxFieldBytes) {
          return LimitExceeded(part_.name,
                               static_cast<long long>(field_.size() + event.data.size()),
                               static_cast<long long>(kMaxFieldBytes), "bytes");
        }
        field_.append(event.data.data(), event.data.size());
        return absl::OkStatus();
      case PartEvent::Kind::kEnd:
        return part_.is_file ? absl::OkStatus() : SetField(part_.name, field_, &header_);
    }
    return absl::OkStatus();
  }

  void NextPiece() {
    exchange_->ReadPiece(
        max_document_bytes_ + kFormOverheadBytes,
        [self = shared_from_this()](absl::StatusOr<std::optional<std::string>> piece) {
          self->OnPiece(std::move(piece));
        });
  }

  void OnPiece(absl::StatusOr<std::optional<std::string>> piece) {
    if (!piece.ok()) return Stop(piece.status());
    if (piece->has_value()) {
      const absl::Status status =
          form_.has_value()
              ? form_->Feed(**piece, [this](const PartEvent& event) { return OnFormEvent(event); })
              : AddData(**piece);
      return status.ok() ? SendReady() : Stop(status);
    }
    if (form_.has_value()) {
      if (const absl::Status status = form_->Finish(); !status.ok()) return Stop(status);
      if (!has_document_)
        return Stop(InvalidField("file", "is missing", "Add one file part to the form."));
    }
    complete_ = true;
    // The last message closes the stream; a lone header needs one after it.
    if (messages_.empty() || messages_.back().has_header()) messages_.emplace_back().set_data("");
    SendReady();
  }

  // Sends what is ready, then reads on. The newest message is kept back while more may come, since
  // the last one sent has to say so.
  void SendReady() {
    const std::size_t keep = complete_ ? 0 : 1;
    if (messages_.size() <= keep) return complete_ ? void() : NextPiece();
    if (!started_) StartCall();
    auto call = call_.lock();
    if (!call) return;  // it has ended; OnDone answers
    const v1::UploadDocumentRequest message = std::move(messages_.front());
    messages_.pop_front();
    call->Send(message, complete_ && messages_.empty(), [self = shared_from_this()](bool sent) {
      if (sent) self->SendReady();
    });
  }

  void StartCall() {
    started_ = true;
    auto self = shared_from_this();
    auto call = GenericCall::Start(
        channel_, parameters_,
        {.on_message =
             [self](const grpc::ByteBuffer& bytes) {
               self->understood_ = ParseMessage(bytes, &self->response_);
               if (auto alive = self->call_.lock()) alive->Read();
             },
         .on_done = [self](const grpc::Status& status) { self->OnDone(status); }});
    call_ = call;
    call->Read();
    exchange_->OnGone([call] { call->Cancel(); });
  }

  void OnDone(const grpc::Status& status) {
    absl::Status problem;
    {
      absl::MutexLock lock(&mutex_);
      problem = problem_;
    }
    if (!problem.ok()) return Fail(problem);
    const std::string& id = exchange_->head().id;
    if (!status.ok()) return exchange_->Respond(ErrorAnswer(ToRpcStatus(status, id)));
    const auto json =
        understood_ ? ToJson(response_) : absl::InternalError("the gateway sent no answer");
    if (!json.ok()) return Fail(json.status());
    const absl::string_view accept = exchange_->head().Find("Accept");
    if (watch_job_ != nullptr &&
        (absl::StrContains(accept, "text/event-stream") || absl::StrContains(accept, "ndjson"))) {
      return RunRpc(exchange_, *watch_job_, {{"job_id", response_.job().id()}}, "", "", channel_,
                    timeouts_);
    }
    exchange_->Respond(
        {.status = 202, .headers = {{"Content-Type", "application/json"}}, .body = *json});
  }

  // Ends the upload for a reason of ours.
  void Stop(const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      problem_ = status;
    }
    if (auto call = call_.lock()) return call->Cancel();  // OnDone answers
    if (!started_) Fail(status);
  }

  void Fail(const absl::Status& status) {
    exchange_->Respond(ErrorAnswer(ToRpcStatus(status, exchange_->head().id)));
  }

  const std::shared_ptr<http::Exchange> exchange_;
  const std::shared_ptr<grpc::Channel> channel_;
  const TimeoutPolicy timeouts_;
  const std::size_t max_document_bytes_;
  const Route* const watch_job_;

  CallParameters parameters_;
  v1::UploadHeader header_;
  std::optional<MultipartParser> form_;
  PartHeader part_;
  std::string field_;
  bool has_document_ = false;
  bool complete_ = false;  // the body is read to its end
  bool started_ = false;
  std::size_t document_bytes_ = 0;
  std::deque<v1::UploadDocumentRequest> messages_;
  std::weak_ptr<GenericCall> call_;
  v1::UploadDocumentResponse response_;
  bool understood_ = false;
  absl::Mutex mutex_;
  absl::Status problem_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

void ServeUpload(std::shared_ptr<http::Exchange> exchange, std::string collection,
                 const GatewayApi& api, const Route* watch_job) {
  std::make_shared<UploadSession>(std::move(exchange), api, watch_job)->Run(collection);
}

}  // namespace ragmesh::bridge
