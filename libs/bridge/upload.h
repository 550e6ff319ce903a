// POST /v1/collections/{collection}/documents:upload -- a document as multipart/form-data or as the
// raw body.
#ifndef RAGMESH_LIBS_BRIDGE_UPLOAD_H_
#define RAGMESH_LIBS_BRIDGE_UPLOAD_H_

#include <memory>
#include <string>

#include "libs/bridge/gateway_api.h"
#include "libs/bridge/route_table.h"
#include "libs/http/exchange.h"

namespace ragmesh::bridge {

// Streams the body into GatewayService.UploadDocument as it arrives, so that a large document is
// never held in memory.
//
// multipart/form-data: one file part, after the plain fields name, document_id, uri, password,
// metadata (a JSON object), acl_labels (may repeat), max_chunk_tokens, overlap_tokens. Any other
// content type is a raw body: the same fields come as query parameters, except the password, which
// comes as the header X-Document-Password; the name may also come as X-Document-Name,
// percent-encoded.
//
// Answers with UploadDocumentResponse, or, when Accept asks for text/event-stream or ndjson, with
// the job's events until it ends, as `watch_job` gives them. `watch_job` may be null; it outlives
// the exchange.
void ServeUpload(std::shared_ptr<http::Exchange> exchange, std::string collection,
                 const GatewayApi& api, const Route* watch_job);

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_UPLOAD_H_
