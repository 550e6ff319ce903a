#include "libs/wire/embedder_wire.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/wire/common_wire.h"

namespace ragmesh::wire {

namespace v1 = ::ragmesh::embedder::v1;

namespace {

v1::TokenDetail DetailTo(stages::TokenDetail detail) {
  switch (detail) {
    case stages::TokenDetail::kNone:
      break;
    case stages::TokenDetail::kIds:
      return v1::TOKEN_DETAIL_IDS;
    case stages::TokenDetail::kVectors:
      return v1::TOKEN_DETAIL_VECTORS;
  }
  return v1::TOKEN_DETAIL_UNSPECIFIED;
}

absl::StatusOr<stages::TokenDetail> DetailFrom(v1::TokenDetail detail, const Field& field) {
  switch (detail) {
    case v1::TOKEN_DETAIL_UNSPECIFIED:
      return stages::TokenDetail::kNone;
    case v1::TOKEN_DETAIL_IDS:
      return stages::TokenDetail::kIds;
    case v1::TOKEN_DETAIL_VECTORS:
      return stages::TokenDetail::kVectors;
    default:
      return field.Invalid("is not a known token detail");
  }
}

}  // namespace

void ToProto(const stages::EmbedRequest& request, v1::EmbedRequest* out) {
  *out->mutable_texts() = {request.texts.begin(), request.texts.end()};
  out->set_input_type(request.input_type == stages::InputType::kQuery ? v1::INPUT_TYPE_QUERY
                                                                      : v1::INPUT_TYPE_PASSAGE);
  out->set_refuse_truncation(!request.truncate);
  out->set_token_detail(DetailTo(request.token_detail));
}

absl::StatusOr<stages::EmbedRequest> FromProto(const v1::EmbedRequest& in,
                                               const EmbedLimits& limits, const Field& field) {
  const Field texts(field, "texts");
  RAGMESH_RETURN_IF_ERROR(CheckCount(in.texts_size(), 1, limits.max_texts, "texts", texts));
  std::size_t bytes = 0;
  for (const std::string& text : in.texts()) bytes += text.size();
  if (bytes > limits.max_bytes) {
    return texts.Invalid(
        absl::StrCat("have ", bytes, " bytes together; at most ", limits.max_bytes, " are allowed"),
        "Send them in several batches.");
  }
  stages::EmbedRequest request;
  switch (in.input_type()) {
    case v1::INPUT_TYPE_UNSPECIFIED:
    case v1::INPUT_TYPE_PASSAGE:
      request.input_type = stages::InputType::kPassage;
      break;
    case v1::INPUT_TYPE_QUERY:
      request.input_type = stages::InputType::kQuery;
      break;
    default:
      return Field(field, "input_type").Invalid("is not a known input type");
  }
  RAGMESH_ASSIGN_OR_RETURN(request.token_detail,
                           DetailFrom(in.token_detail(), Field(field, "token_detail")));
  request.texts.assign(in.texts().begin(), in.texts().end());
  request.truncate = !in.refuse_truncation();
  return request;
}

void ToProto(const std::vector<stages::Embedding>& embeddings, v1::EmbedResponse* out) {
  for (const stages::Embedding& embedding : embeddings) {
    auto* added = out->add_embeddings();
    *added->mutable_values() = {embedding.values.begin(), embedding.values.end()};
    added->set_token_count(embedding.token_count);
    added->set_truncated(embedding.truncated);
    if (!embedding.tokens.empty()) ToProto(embedding.tokens, added->mutable_tokens());
  }
}

std::vector<stages::Embedding> FromProto(const v1::EmbedResponse& response) {
  std::vector<stages::Embedding> embeddings;
  embeddings.reserve(response.embeddings_size());
  for (const auto& in : response.embeddings()) {
    embeddings.push_back({{in.values().begin(), in.values().end()},
                          in.token_count(),
                          in.truncated(),
                          FromProto(in.tokens())});
  }
  return embeddings;
}

}  // namespace ragmesh::wire
