// OpenAI's endpoints over the gateway's methods, so that programs written for them work with
// another base_url.
//
// Models: "ragmesh" answers from the documents of the default collection, "ragmesh/NAME" from those
// of collection NAME (the body's {"rag": {"collection": ..}} wins), the generator's own name is
// plain chat. Sources come as url_citation annotations and in full under "rag".
#ifndef RAGMESH_LIBS_BRIDGE_OPENAI_H_
#define RAGMESH_LIBS_BRIDGE_OPENAI_H_

#include <memory>

#include "google/rpc/status.pb.h"
#include "libs/bridge/gateway_api.h"
#include "libs/http/exchange.h"

namespace ragmesh::bridge {

// POST /v1/chat/completions, one JSON object or server-sent events. `api` outlives the exchange.
void ServeChatCompletions(std::shared_ptr<http::Exchange> exchange, const GatewayApi& api);
// POST /v1/embeddings, floats or base64 of little-endian float32.
void ServeEmbeddings(std::shared_ptr<http::Exchange> exchange, const GatewayApi& api);
// GET /v1/models, and GET /v1/models/{model} when `model` is not empty.
void ServeModels(std::shared_ptr<http::Exchange> exchange, const GatewayApi& api,
                 std::string model);

// {"error": {message, type, param, code}} with the HTTP code of `status`.
http::Response OpenAiError(const google::rpc::Status& status);

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_OPENAI_H_
