// Ingest jobs.
#include <google/rpc/error_details.pb.h>

#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/vector_store_wire.h"
#include "services/gateway/convert_parts.h"
#include "services/gateway/gateway_convert.h"

namespace ragmesh::services {
namespace {

using wire::Field;

// As the stages have them: what is over is refused here, not in every document of a job.
constexpr std::size_t kMaxLabels = 64;
constexpr std::size_t kMaxLabelBytes = 128;

// The bytes gRPC would send in its trailers are a google.rpc.Status.
void Put(const absl::Status& status, google::rpc::Status* out) {
  if (!out->ParseFromString(rpc::ToGrpcStatus(status).error_details())) out->Clear();
  out->set_code(static_cast<int>(status.code()));
  if (out->message().empty()) out->set_message(rpc::ToGrpcStatus(status).error_message());
}

gateway_v1::JobState ToProto(journal::State state) {
  switch (state) {
    case journal::State::kQueued:
      return gateway_v1::JOB_STATE_QUEUED;
    case journal::State::kRunning:
      return gateway_v1::JOB_STATE_RUNNING;
    case journal::State::kSucceeded:
      return gateway_v1::JOB_STATE_SUCCEEDED;
    case journal::State::kFailed:
      return gateway_v1::JOB_STATE_FAILED;
    case journal::State::kCancelled:
      return gateway_v1::JOB_STATE_CANCELLED;
  }
  return gateway_v1::JOB_STATE_UNSPECIFIED;
}

}  // namespace

absl::StatusOr<journal::IngestOptions> FromProto(const gateway_v1::IngestOptions& options) {
  const Field root, field(root, "options");
  journal::IngestOptions out;
  RAGMESH_ASSIGN_OR_RETURN(out.metadata,
                           wire::FromProto(options.metadata(), Field(field, "metadata")));
  const Field labels(field, "acl_labels");
  RAGMESH_RETURN_IF_ERROR(wire::CheckCount(static_cast<std::size_t>(options.acl_labels_size()), 0,
                                           kMaxLabels, "labels", labels));
  for (const std::string& label : options.acl_labels()) {
    RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(label, 1, kMaxLabelBytes, labels));
    if (label == stages::kAllLabels) return labels.Invalid("must not be \"*\"");
    out.acl_labels.push_back(label);
  }
  if (options.max_chunk_tokens() != 0) {
    RAGMESH_RETURN_IF_ERROR(wire::CheckRange(options.max_chunk_tokens(), 16, 1 << 20,
                                             Field(field, "max_chunk_tokens")));
  }
  if (options.max_chunk_tokens() != 0 &&
      options.overlap_tokens() > options.max_chunk_tokens() / 2) {
    return Field(field, "overlap_tokens").Invalid("must be at most half of max_chunk_tokens");
  }
  out.max_chunk_tokens = options.max_chunk_tokens();
  out.overlap_tokens = options.overlap_tokens();
  return out;
}

absl::StatusOr<pipeline::InlineSource> FromProto(const gateway_v1::UploadHeader& header) {
  const Field root, field(root, "header");
  RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(header.name(), 1, 4096, Field(field, "name")));
  RAGMESH_RETURN_IF_ERROR(
      wire::CheckBytes(header.document_id(), 0, 512, Field(field, "document_id")));
  RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(header.uri(), 0, 4096, Field(field, "uri")));
  RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(header.password(), 0, 1024, Field(field, "password")));
  return pipeline::InlineSource{header.name(), "", header.document_id(), header.uri(),
                                header.password()};
}

absl::StatusOr<pipeline::NewJob> FromProto(const gateway_v1::CreateIngestJobRequest& request) {
  const Field root;
  pipeline::NewJob job;
  job.collection = request.collection();
  job.prune = request.prune();
  RAGMESH_ASSIGN_OR_RETURN(job.options, FromProto(request.options()));
  RAGMESH_RETURN_IF_ERROR(wire::CheckCount(static_cast<std::size_t>(request.sources_size()), 1,
                                           1000, "sources", Field(root, "sources")));
  for (int i = 0; i < request.sources_size(); ++i) {
    const Field field(root, "sources", i);
    const gateway_v1::IngestSource& source = request.sources(i);
    switch (source.source_case()) {
      case gateway_v1::IngestSource::kPath:
        job.sources.push_back(pipeline::PathSource{source.path()});
        break;
      case gateway_v1::IngestSource::kInline: {
        const gateway_v1::InlineDocument& document = source.inline_();
        const Field inlined(field, "inline");
        RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(document.name(), 1, 4096, Field(inlined, "name")));
        RAGMESH_RETURN_IF_ERROR(
            wire::CheckBytes(document.document_id(), 0, 512, Field(inlined, "document_id")));
        RAGMESH_RETURN_IF_ERROR(
            wire::CheckBytes(document.data(), 0, 32 << 20, Field(inlined, "data")));
        RAGMESH_RETURN_IF_ERROR(
            wire::CheckBytes(document.password(), 0, 1024, Field(inlined, "password")));
        job.sources.push_back(pipeline::InlineSource{
            document.name(), document.data(), document.document_id(), "", document.password()});
        break;
      }
      case gateway_v1::IngestSource::SOURCE_NOT_SET:
        return field.Invalid("must be a path or an inline document");
    }
  }
  return job;
}

absl::StatusOr<std::optional<journal::State>> FromProto(gateway_v1::JobState state) {
  for (const journal::State known :
       {journal::State::kQueued, journal::State::kRunning, journal::State::kSucceeded,
        journal::State::kFailed, journal::State::kCancelled}) {
    if (ToProto(known) == state) return std::optional<journal::State>(known);
  }
  if (state == gateway_v1::JOB_STATE_UNSPECIFIED) return std::optional<journal::State>();
  return InvalidField("state", "is not a known state");
}

void ToProto(const journal::JobRecord& job, gateway_v1::Job* out) {
  out->set_id(job.id);
  out->set_collection(job.collection);
  out->set_state(ToProto(job.state));
  wire::ToProto(job.created, out->mutable_created());
  wire::ToProto(job.updated, out->mutable_updated());
  out->set_documents_total(job.documents_total);
  out->set_documents_done(job.documents_done);
  out->set_documents_unchanged(job.documents_unchanged);
  out->set_documents_failed(job.documents_failed);
  out->set_chunks_done(job.chunks_done);
  out->set_chunks_reused(job.chunks_reused);
  if (!job.error.ok()) Put(job.error, out->mutable_error());
  if (!job.change.has_value()) return;
  out->mutable_model_change()->set_embedder_model(job.change->embedder_model);
  out->mutable_model_change()->set_embedder_digest(job.change->embedder_digest);
  out->mutable_model_change()->set_chunks_truncated(job.change->chunks_truncated);
}

void ToProto(const journal::DocumentRecord& document, gateway_v1::JobDocument* out) {
  out->set_document_id(document.document_id);
  out->set_name(document.name);
  out->set_state(ToProto(document.state));
  out->set_step(static_cast<gateway_v1::IngestStep>(document.step));  // same order
  out->set_size_bytes(document.size_bytes);
  out->set_chunks_total(document.chunks_total);
  out->set_chunks_done(document.chunks_done);
  out->set_unchanged(document.unchanged);
  if (!document.error.ok()) Put(document.error, out->mutable_error());
  out->set_attempts(document.attempts);
}

}  // namespace ragmesh::services
