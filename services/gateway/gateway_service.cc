#include "services/gateway/gateway_service.h"

#include <utility>

#include "absl/strings/string_view.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/run_stream.h"
#include "libs/rpc/run_unary.h"
#include "libs/wire/common_wire.h"
#include "services/gateway/gateway_convert.h"

namespace ragmesh::services {

namespace v1 = ::ragmesh::gateway::v1;
using pipeline::Caller;

namespace {

constexpr std::size_t kMaxUploadMessageBytes = 4 << 20;

template <typename Request>
stages::Page PageOf(const Request& request) {
  return {request.page_size(), request.page_token()};
}

}  // namespace

absl::StatusOr<Caller> GatewayService::CallerOf(const grpc::CallbackServerContext& context) const {
  const auto& metadata = context.client_metadata();
  const auto it = metadata.find("authorization");
  return keys_.CallerOf(it == metadata.end()
                            ? absl::string_view()
                            : absl::string_view(it->second.data(), it->second.size()));
}

template <typename Work>
grpc::ServerUnaryReactor* GatewayService::Unary(const char* method,
                                                grpc::CallbackServerContext* context, Work work) {
  return rpc::RunUnary(
      runtime_, method, context,
      [this, context, work = std::move(work)](const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const Caller caller, CallerOf(*context));
        return work(caller, call);
      });
}

// Each method below is: name, what to do with `request`, `response`, `caller` and `call`.
#define RAGMESH_GATEWAY_METHOD(Method)                                                   \
  grpc::ServerUnaryReactor* GatewayService::Method(grpc::CallbackServerContext* context, \
                                                   const v1::Method##Request* request,   \
                                                   v1::Method##Response* response) {     \
    (void)request, (void)response;                                                       \
    return Unary(#Method, context, [=, this](const Caller& caller, const CallContext& call) -> absl::Status { \
      (void)caller, (void)call;
#define RAGMESH_GATEWAY_END \
  return absl::OkStatus();  \
  });                       \
  }

RAGMESH_GATEWAY_METHOD(CreateCollection)
RAGMESH_ASSIGN_OR_RETURN(const pipeline::NewCollection wanted, FromProto(*request));
RAGMESH_ASSIGN_OR_RETURN(const auto made, gateway_.CreateCollection(caller, wanted, call));
ToProto(made, response->mutable_collection());
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(ListCollections)
RAGMESH_ASSIGN_OR_RETURN(const auto collections, gateway_.ListCollections(caller, call));
for (const stages::Collection& collection : collections)
  ToProto(collection, response->add_collections());
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(GetCollection)
RAGMESH_ASSIGN_OR_RETURN(const auto collection,
                         gateway_.GetCollection(caller, request->collection(), call));
ToProto(collection, response->mutable_collection());
RAGMESH_ASSIGN_OR_RETURN(const auto previous,
                         gateway_.PreviousModel(caller, request->collection(), call));
response->set_can_roll_back(previous.has_value());
if (previous.has_value()) response->set_previous_embedder_model(previous->config.embedder_model);
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(UpdateCollection)
RAGMESH_ASSIGN_OR_RETURN(const pipeline::CollectionChange change, FromProto(*request));
RAGMESH_ASSIGN_OR_RETURN(const auto changed, gateway_.UpdateCollection(caller, change, call));
ToProto(changed, response->mutable_collection());
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(DeleteCollection)
RAGMESH_RETURN_IF_ERROR(gateway_.DeleteCollection(caller, request->collection(), call));
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(ChangeModel)
RAGMESH_ASSIGN_OR_RETURN(const auto job, gateway_.ChangeModel(caller, request->collection(),
                                                              request->embedder(), call));
ToProto(job, response->mutable_job());
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(RollBackModel)
RAGMESH_ASSIGN_OR_RETURN(const auto job,
                         gateway_.RollBackModel(caller, request->collection(), call));
ToProto(job, response->mutable_job());
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(FinishModelChange)
RAGMESH_ASSIGN_OR_RETURN(const auto deleted,
                         gateway_.FinishModelChange(caller, request->collection(), call));
*response->mutable_deleted() = {deleted.begin(), deleted.end()};
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(ListDocuments)
RAGMESH_ASSIGN_OR_RETURN(const auto page, gateway_.ListDocuments(caller, request->collection(),
                                                                 PageOf(*request), call));
for (const stages::StoredDocument& document : page.documents)
  ToProto(document, response->add_documents());
response->set_next_page_token(page.next_token);
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(GetDocument)
RAGMESH_ASSIGN_OR_RETURN(const auto document, gateway_.GetDocument(caller, request->collection(),
                                                                   request->document_id(), call));
ToProto(document, response->mutable_document());
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(ListChunks)
RAGMESH_ASSIGN_OR_RETURN(const auto page,
                         gateway_.ListChunks(caller, request->collection(), request->document_id(),
                                             PageOf(*request), call));
for (const stages::StoredChunk& stored : page.chunks)
  wire::ToProto(stored.chunk, response->add_chunks());
response->set_next_page_token(page.next_token);
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(DeleteDocument)
RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t chunks,
                         gateway_.DeleteDocument(caller, request->collection(),
                                                 request->document_id(), call));
response->set_chunks(chunks);
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(CreateIngestJob)
RAGMESH_ASSIGN_OR_RETURN(pipeline::NewJob wanted, FromProto(*request));
RAGMESH_ASSIGN_OR_RETURN(const auto job, gateway_.CreateIngestJob(caller, std::move(wanted), call));
ToProto(job, response->mutable_job());
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(ListJobs)
RAGMESH_ASSIGN_OR_RETURN(const auto page, gateway_.ingest().ListJobs(caller, request->collection(),
                                                                     PageOf(*request)));
for (const journal::JobRecord& job : page.jobs) ToProto(job, response->add_jobs());
response->set_next_page_token(page.next_token);
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(GetJob)
RAGMESH_ASSIGN_OR_RETURN(const auto job, gateway_.ingest().GetJob(caller, request->job_id()));
ToProto(job, response->mutable_job());
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(ListJobDocuments)
RAGMESH_ASSIGN_OR_RETURN(const auto state, FromProto(request->state()));
RAGMESH_ASSIGN_OR_RETURN(const auto page,
                         gateway_.ingest().ListJobDocuments(caller, request->job_id(), state,
                                                            PageOf(*request)));
for (const journal::DocumentRecord& document : page.documents)
  ToProto(document, response->add_documents());
response->set_next_page_token(page.next_token);
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(CancelJob)
RAGMESH_ASSIGN_OR_RETURN(const auto job, gateway_.ingest().CancelJob(caller, request->job_id()));
ToProto(job, response->mutable_job());
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(RetryJob)
RAGMESH_ASSIGN_OR_RETURN(const auto job, gateway_.ingest().RetryJob(caller, request->job_id()));
ToProto(job, response->mutable_job());
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(Search)
RAGMESH_ASSIGN_OR_RETURN(const pipeline::SearchRequest wanted, FromProto(*request));
RAGMESH_ASSIGN_OR_RETURN(const auto found, gateway_.Search(caller, wanted, call));
ToProto(found, response);
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(Embed)
std::vector<std::string> texts(request->texts().begin(), request->texts().end());
RAGMESH_ASSIGN_OR_RETURN(const auto result,
                         gateway_.Embed(caller, request->collection(), std::move(texts),
                                        request->query(), call));
for (const stages::Embedding& embedding : result.embeddings) {
  response->add_embeddings()->mutable_values()->Add(embedding.values.begin(),
                                                    embedding.values.end());
}
response->set_model(result.model);
response->set_prompt_tokens(result.prompt_tokens);
response->set_embedder_digest(result.digest);
RAGMESH_GATEWAY_END

RAGMESH_GATEWAY_METHOD(GetStatus)
for (const pipeline::StageStatus& status : gateway_.Status(call))
  ToProto(status, response->add_stages());
RAGMESH_GATEWAY_END

#undef RAGMESH_GATEWAY_METHOD
#undef RAGMESH_GATEWAY_END

grpc::ServerReadReactor<v1::UploadDocumentRequest>* GatewayService::UploadDocument(
    grpc::CallbackServerContext* context, v1::UploadDocumentResponse* response) {
  return rpc::RunClientStream<v1::UploadDocumentRequest>(
      runtime_, "UploadDocument", context,
      [=, this](rpc::RequestReader<v1::UploadDocumentRequest>& reader,
                const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const Caller caller, CallerOf(*context));
        RAGMESH_ASSIGN_OR_RETURN(auto first, reader.Read());
        if (!first.has_value() || !first->has_header())
          return InvalidField("header", "must come first");
        const v1::UploadHeader header = first->header();
        RAGMESH_ASSIGN_OR_RETURN(pipeline::InlineSource source, FromProto(header));
        RAGMESH_ASSIGN_OR_RETURN(journal::IngestOptions options, FromProto(header.options()));
        RAGMESH_ASSIGN_OR_RETURN(const auto writer,
                                 gateway_.BeginUpload(caller, header.collection(), call));
        while (true) {
          RAGMESH_ASSIGN_OR_RETURN(const auto message, reader.Read());
          if (!message.has_value()) break;
          if (message->has_header()) return InvalidField("header", "must come once");
          if (message->data().size() > kMaxUploadMessageBytes) {
            return InvalidField("data", "must have at most 4 MiB a message");
          }
          RAGMESH_RETURN_IF_ERROR(writer->Append(message->data()));
        }
        RAGMESH_ASSIGN_OR_RETURN(
            const auto uploaded,
            gateway_.ingest().FinishUpload(caller, header.collection(), std::move(source),
                                           std::move(options), *writer, call));
        ToProto(uploaded.job, response->mutable_job());
        response->set_document_id(uploaded.document_id);
        return absl::OkStatus();
      });
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* GatewayService::WatchJob(
    grpc::CallbackServerContext* context, const v1::WatchJobRequest* request) {
  return rpc::RunServerStream<v1::WatchJobResponse>(
      runtime_, "WatchJob", context,
      [=, this](rpc::ResponseWriter<v1::WatchJobResponse>& writer,
                const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const Caller caller, CallerOf(*context));
        return gateway_.ingest().WatchJob(
            caller, request->job_id(),
            [&](const pipeline::JobEvent& event) {
              v1::WatchJobResponse response;
              if (const auto* job = std::get_if<journal::JobRecord>(&event)) {
                ToProto(*job, response.mutable_job());
              } else {
                ToProto(std::get<journal::DocumentRecord>(event), response.mutable_document());
              }
              return writer.Write(std::move(response));
            },
            call);
      });
}

grpc::ServerWriteReactor<v1::AskResponse>* GatewayService::Ask(grpc::CallbackServerContext* context,
                                                               const v1::AskRequest* request) {
  return rpc::RunServerStream<v1::AskResponse>(
      runtime_, "Ask", context,
      [=, this](rpc::ResponseWriter<v1::AskResponse>& writer,
                const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const Caller caller, CallerOf(*context));
        RAGMESH_ASSIGN_OR_RETURN(const pipeline::AskRequest wanted, FromProto(*request));
        return gateway_.Ask(
            caller, wanted,
            [&](pipeline::AskEvent event) {
              v1::AskResponse response;
              ToProto(event, &response);
              return writer.Write(std::move(response));
            },
            call);
      });
}

grpc::ServerWriteReactor<v1::ChatResponse>* GatewayService::Chat(
    grpc::CallbackServerContext* context, const v1::ChatRequest* request) {
  return rpc::RunServerStream<v1::ChatResponse>(
      runtime_, "Chat", context,
      [=, this](rpc::ResponseWriter<v1::ChatResponse>& writer,
                const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto caller, CallerOf(*context));
        RAGMESH_ASSIGN_OR_RETURN(const stages::GenerateRequest wanted, FromProto(*request));
        RAGMESH_ASSIGN_OR_RETURN(const auto result, gateway_.Chat(
                                                        caller, wanted,
                                                        [&](const stages::TokenEvent& token) {
                                                          if (token.text.empty() &&
                                                              token.logprobs.empty() &&
                                                              token.tool_calls.empty())
                                                            return absl::OkStatus();
                                                          v1::ChatResponse response;
                                                          ToProto(token, response.mutable_token());
                                                          return writer.Write(std::move(response));
                                                        },
                                                        call));
        v1::ChatResponse usage;
        ToProto(result.usage, usage.mutable_usage());
        RAGMESH_RETURN_IF_ERROR(writer.Write(std::move(usage)));
        std::vector<stages::FinishReason> reasons = {result.finish_reason};
        for (const stages::ChoiceEnd& choice : result.other_choices)
          reasons.push_back(choice.finish_reason);
        for (std::size_t i = 0; i < reasons.size(); ++i) {
          v1::ChatResponse done;
          done.mutable_done()->set_finish_reason(ToProto(reasons[i]));
          done.mutable_done()->set_choice(static_cast<std::uint32_t>(i));
          RAGMESH_RETURN_IF_ERROR(writer.Write(std::move(done)));
        }
        return absl::OkStatus();
      });
}

}  // namespace ragmesh::services
