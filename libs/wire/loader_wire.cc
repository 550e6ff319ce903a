#include "libs/wire/loader_wire.h"

#include <algorithm>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::wire {
namespace {

namespace v1 = ::ragmesh::loader::v1;

constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::size_t kMaxPasswordBytes = 1024;
constexpr std::size_t kPieceBytes =
    1 << 20;  // several pieces in flight keep sender and receiver both busy

}  // namespace

absl::Status ToProto(const stages::LoadRequest& request,
                     absl::FunctionRef<absl::Status(const v1::LoadRequest&)> send) {
  v1::LoadRequest message;
  auto* header = message.mutable_header();
  header->set_name(request.name);
  header->set_password(request.password);
  const auto* path = std::get_if<stages::LoadRequest::Path>(&request.source);
  if (path != nullptr) header->set_path(path->path);
  RAGMESH_RETURN_IF_ERROR(send(message));
  if (path != nullptr) return absl::OkStatus();
  const std::string& bytes = std::get<std::string>(request.source);
  for (std::size_t at = 0; at < bytes.size(); at += kPieceBytes) {
    message.set_data(bytes.data() + at, std::min(kPieceBytes, bytes.size() - at));
    RAGMESH_RETURN_IF_ERROR(send(message));
  }
  return absl::OkStatus();
}

absl::Status LoadRequestReader::Add(const v1::LoadRequest& message) {
  const Field root;
  if (message.message_case() == v1::LoadRequest::kHeader) {
    const Field header(root, "header");
    if (has_header_) return header.Invalid("was sent twice");
    has_header_ = true;
    const v1::LoadHeader& in = message.header();
    RAGMESH_RETURN_IF_ERROR(CheckBytes(in.name(), 0, kMaxNameBytes, Field(header, "name")));
    RAGMESH_RETURN_IF_ERROR(
        CheckBytes(in.password(), 0, kMaxPasswordBytes, Field(header, "password")));
    RAGMESH_RETURN_IF_ERROR(CheckBytes(in.path(), 0, kMaxNameBytes, Field(header, "path")));
    request_.name = in.name();
    request_.password = in.password();
    if (!in.path().empty()) request_.source = stages::LoadRequest::Path{in.path()};
    return absl::OkStatus();
  }
  if (message.message_case() != v1::LoadRequest::kData)
    return InvalidField("message", "has neither header nor data");
  const Field data(root, "data");
  if (!has_header_) return data.Invalid("came before the header", "Send the header first.");
  auto* bytes = std::get_if<std::string>(&request_.source);
  if (bytes == nullptr)
    return data.Invalid("came although the header names a path", "Send either data or a path.");
  RAGMESH_RETURN_IF_ERROR(CheckBytes(message.data(), 0, kMaxLoadPieceBytes, data));
  if (bytes->size() + message.data().size() > max_document_bytes_) {
    return LimitExceeded("data", static_cast<long long>(bytes->size() + message.data().size()),
                         static_cast<long long>(max_document_bytes_), "bytes",
                         "Split the document, or raise --max_document on the loader.");
  }
  bytes->append(message.data());
  return absl::OkStatus();
}

absl::StatusOr<stages::LoadRequest> LoadRequestReader::Finish() && {
  if (!has_header_)
    return InvalidField("header", "is required", "Send the header as the first message.");
  return std::move(request_);
}

}  // namespace ragmesh::wire
