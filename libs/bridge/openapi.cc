#include "libs/bridge/openapi.h"

#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/rpc/status.pb.h"
#include "libs/base/status_macros.h"
#include "libs/bridge/openapi_schema.h"

namespace ragmesh::bridge {
namespace {

using Json = nlohmann::ordered_json;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr int kMaxQueryDepth = 3;

// The endpoints that are written by hand, in the same form as the others.
constexpr char kFixedPaths[] = R"json({
"/v1/collections/{collection}/documents:upload": {"post": {
  "operationId": "UploadDocument", "tags": ["GatewayService"], "summary": "Uploads one document.",
  "description": "Queues one document for ingest, as multipart/form-data or as the raw body. With `Accept: text/event-stream` the answer is the job's events until it ends.",
  "parameters": [
    {"name": "collection", "in": "path", "required": true, "schema": {"type": "string"}, "description": "Collection to put it into."},
    {"name": "name", "in": "query", "schema": {"type": "string"}, "description": "File name, for a raw body."},
    {"name": "document_id", "in": "query", "schema": {"type": "string"}, "description": "Id of the document, for a raw body; made from the name when absent."},
    {"name": "uri", "in": "query", "schema": {"type": "string"}, "description": "Where it came from, for a raw body."},
    {"name": "metadata", "in": "query", "schema": {"type": "string", "contentMediaType": "application/json"}, "description": "A JSON object, for a raw body."},
    {"name": "acl_labels", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}, "description": "Who may see it, for a raw body."},
    {"name": "max_chunk_tokens", "in": "query", "schema": {"type": "integer"}, "description": "Chunk budget in tokens, for a raw body."},
    {"name": "overlap_tokens", "in": "query", "schema": {"type": "integer"}, "description": "Overlap between chunks in tokens, for a raw body."},
    {"name": "X-Document-Name", "in": "header", "schema": {"type": "string"}, "description": "File name, percent-encoded, for a raw body."},
    {"name": "X-Document-Password", "in": "header", "schema": {"type": "string"}, "description": "Password of an encrypted document, for a raw body."}],
  "requestBody": {"required": true, "content": {
    "multipart/form-data": {"schema": {"type": "object", "required": ["file"], "properties": {
      "name": {"type": "string"}, "document_id": {"type": "string"}, "uri": {"type": "string"}, "password": {"type": "string"},
      "metadata": {"type": "string", "contentMediaType": "application/json"}, "acl_labels": {"type": "array", "items": {"type": "string"}},
      "max_chunk_tokens": {"type": "integer"}, "overlap_tokens": {"type": "integer"},
      "file": {"type": "string", "contentMediaType": "application/octet-stream", "description": "The last field."}}}},
    "application/octet-stream": {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}}},
  "responses": {"202": {"description": "Queued.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/gateway.v1.UploadDocumentResponse"}}}},
    "default": {"$ref": "#/components/responses/Error"}}}},
"/v1/chat/completions": {"post": {
  "operationId": "CreateChatCompletion", "tags": ["OpenAI"], "summary": "Chat completion in OpenAI's form.",
  "description": "Model `ragmesh` answers from the default collection, `ragmesh/NAME` from collection NAME, the generator's own name is plain chat. The member `rag` sets collection, mode, topK and filter; sources come as url_citation annotations and in full under `rag`.",
  "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": ["model", "messages"], "properties": {
    "model": {"type": "string"}, "messages": {"type": "array", "minItems": 1, "items": {"type": "object", "required": ["role"], "properties": {
      "role": {"type": "string", "enum": ["system", "developer", "user", "assistant", "tool"]},
      "content": {"description": "A string or a list of text parts; may be absent beside tool_calls."},
      "tool_calls": {"type": "array", "maxItems": 128, "items": {"$ref": "#/components/schemas/OpenAIToolCall"}, "description": "Of the assistant: the calls it has made."},
      "tool_call_id": {"type": "string", "description": "Of a tool: the call whose result content is."}}}},
    "stream": {"type": "boolean"}, "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean"}}},
    "max_completion_tokens": {"type": "integer", "minimum": 1}, "temperature": {"type": "number", "minimum": 0, "maximum": 2},
    "top_p": {"type": "number", "minimum": 0, "maximum": 1}, "seed": {"type": "integer"}, "stop": {},
    "n": {"type": "integer", "minimum": 1, "maximum": 8, "description": "Plain chat only, as all that follows but rag."},
    "logprobs": {"type": "boolean"}, "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
    "logit_bias": {"type": "object", "maxProperties": 300, "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}},
    "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2}, "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2},
    "top_k": {"type": "integer", "minimum": 0}, "min_p": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    "typical_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "xtc_probability": {"type": "number", "minimum": 0, "maximum": 1}, "xtc_threshold": {"type": "number", "minimum": 0, "maximum": 1},
    "repeat_penalty": {"type": "number", "exclusiveMinimum": 0, "maximum": 10}, "repeat_last_n": {"type": "integer", "minimum": -1, "maximum": 1048576},
    "dry_multiplier": {"type": "number", "minimum": 0, "maximum": 100}, "dry_base": {"type": "number", "minimum": 1, "maximum": 10},
    "dry_allowed_length": {"type": "integer", "minimum": 0, "maximum": 1048576}, "dry_penalty_last_n": {"type": "integer", "minimum": -1, "maximum": 1048576},
    "dry_sequence_breakers": {"type": "array", "minItems": 1, "maxItems": 16, "items": {"type": "string", "minLength": 1}},
    "response_format": {"type": "object", "required": ["type"], "description": "What may be written; the subset of JSON Schema is in docs/formats/grammars.md.", "properties": {
      "type": {"type": "string", "enum": ["text", "json_object", "json_schema"]},
      "json_schema": {"type": "object", "required": ["schema"], "properties": {"name": {"type": "string"}, "schema": {"type": "object"}, "strict": {"type": "boolean"}}}}},
    "grammar": {"type": "string", "maxLength": 262144, "description": "A grammar in llama.cpp's GBNF format, in place of response_format."},
    "json_schema": {"type": "object", "description": "A JSON Schema, in place of response_format."},
    "tools": {"type": "array", "maxItems": 128, "description": "Functions that the model may call, through its own chat template.", "items": {
      "type": "object", "required": ["type", "function"], "properties": {"type": {"const": "function"}, "function": {"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$"}, "description": {"type": "string"},
        "parameters": {"type": "object", "description": "JSON Schema of the arguments, an object; absent: none."},
        "strict": {"type": "boolean", "description": "Refuse parameters outside the supported subset; else such arguments are any object."}}}}}},
    "tool_choice": {"description": "Default auto. required: calls and nothing else.", "oneOf": [{"type": "string", "enum": ["auto", "none", "required"]},
      {"type": "object", "required": ["type", "function"], "properties": {"type": {"const": "function"}, "function": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}}}]},
    "parallel_tool_calls": {"type": "boolean", "default": true, "description": "false: at most one call."},
    "rag": {"$ref": "#/components/schemas/gateway.v1.AskRequest"}}},
  "examples": {
    "documents": {"summary": "An answer from the collection site", "value": {"model": "ragmesh/site", "messages": [{"role": "user", "content": "How often is the seal replaced?"}]}},
    "schema": {"summary": "JSON under a schema", "value": {"model": "qwen2.5-1.5b-instruct", "messages": [{"role": "user", "content": "Describe a cat."}],
      "response_format": {"type": "json_schema", "json_schema": {"name": "cat", "schema": {"type": "object", "properties": {"name": {"type": "string"}, "legs": {"type": "integer"}}, "required": ["name", "legs"]}}}}},
    "tools": {"summary": "A call of a tool", "value": {"model": "qwen2.5-1.5b-instruct", "messages": [{"role": "user", "content": "What is the weather in Oslo?"}],
      "tools": [{"type": "function", "function": {"name": "get_weather", "description": "Weather of a city.", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}],
      "tool_choice": "required"}},
    "result": {"summary": "The result of a call", "value": {"model": "qwen2.5-1.5b-instruct", "messages": [{"role": "user", "content": "What is the weather in Oslo?"},
      {"role": "assistant", "tool_calls": [{"id": "a1B2c3D4e", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Oslo\"}"}}]},
      {"role": "tool", "tool_call_id": "a1B2c3D4e", "content": "-3 degrees, snow"}]}}}}}},
  "responses": {"200": {"description": "The completion, or its chunks as server-sent events. Calls of tools come in tool_calls, of the message or piece by piece of the deltas, and finish_reason is then tool_calls.", "content": {
    "application/json": {"schema": {"type": "object", "properties": {"choices": {"type": "array", "items": {"type": "object", "properties": {
      "message": {"type": "object", "properties": {"content": {"type": ["string", "null"]}, "tool_calls": {"type": "array", "items": {"$ref": "#/components/schemas/OpenAIToolCall"}}}},
      "finish_reason": {"type": "string", "enum": ["stop", "length", "tool_calls"]}}}}}}},
    "text/event-stream": {"schema": {"type": "string"}}}},
    "default": {"$ref": "#/components/responses/OpenAIError"}}}},
"/v1/embeddings": {"post": {
  "operationId": "CreateEmbedding", "tags": ["OpenAI"], "summary": "Embeddings in OpenAI's form.",
  "description": "Vectors of length 1 from the embedder's model.",
  "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": ["model", "input"], "properties": {
    "model": {"type": "string"}, "input": {"oneOf": [{"type": "string"}, {"type": "array", "minItems": 1, "maxItems": 2048, "items": {"type": "string"}}]},
    "encoding_format": {"type": "string", "enum": ["float", "base64"]}, "dimensions": {"type": "integer", "minimum": 1}}}}}},
  "responses": {"200": {"description": "The vectors.", "content": {"application/json": {"schema": {"type": "object"}}}},
    "default": {"$ref": "#/components/responses/OpenAIError"}}}},
"/v1/models": {"get": {
  "operationId": "ListModels", "tags": ["OpenAI"], "summary": "Models in OpenAI's form.",
  "description": "`ragmesh`, one `ragmesh/NAME` a collection, and the models that generator and embedder have loaded.",
  "responses": {"200": {"description": "The models.", "content": {"application/json": {"schema": {"type": "object"}}}},
    "default": {"$ref": "#/components/responses/OpenAIError"}}}},
"/v1/models/{model}": {"get": {
  "operationId": "RetrieveModel", "tags": ["OpenAI"], "summary": "One model in OpenAI's form.", "description": "Says whether a model is there.",
  "parameters": [{"name": "model", "in": "path", "required": true, "schema": {"type": "string"}, "description": "Its name."}],
  "responses": {"200": {"description": "The model.", "content": {"application/json": {"schema": {"type": "object"}}}},
    "default": {"$ref": "#/components/responses/OpenAIError"}}}}
})json";

constexpr char kToolCallSchema[] = R"json({"type": "object", "required": ["id", "type", "function"],
"description": "A call of a function that the model has written.", "properties": {
  "id": {"type": "string", "maxLength": 256}, "type": {"const": "function"},
  "function": {"type": "object", "required": ["name", "arguments"], "properties": {
    "name": {"type": "string"}, "arguments": {"type": "string", "description": "A JSON object, as text."}}}}})json";

std::string FirstSentence(const std::string& text) {
  const std::size_t end = text.find(". ");
  const std::size_t line = text.find('\n');
  if (end != std::string::npos && end < line) return text.substr(0, end + 1);
  return text.substr(0, line);
}

class Document {
 public:
  explicit Document(const ProtoComments& comments) : comments_(comments), schemas_(comments) {}

  void AddRoute(const Route& route) {
    Json operation;
    std::string id(route.rpc->name());
    for (int n = 2; !operation_ids_.insert(id).second; ++n)
      id = absl::StrCat(std::string(route.rpc->name()), "_", n);
    operation["operationId"] = id;
    operation["tags"] = Json::array({route.rpc->service()->name()});
    const std::string comment = comments_.Of(route.rpc);
    if (!comment.empty()) {
      operation["summary"] = FirstSentence(comment);
      operation["description"] = comment;
    }
    tags_[route.rpc->service()->name()] = comments_.Of(route.rpc->service());
    Json parameters = Parameters(route);
    if (!parameters.empty()) operation["parameters"] = std::move(parameters);
    if (!route.body.empty()) operation["requestBody"] = Body(route);
    operation["responses"] = {{"200", Success(route)},
                              {"default", {{"$ref", "#/components/responses/Error"}}}};
    paths_[route.path.OpenApiPath()][absl::AsciiStrToLower(route.http_method)] =
        std::move(operation);
  }

  Json Finish(const ApiTitle& title) {
    Json fixed = Json::parse(kFixedPaths);
    const bool is_gateway = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
                                "ragmesh.gateway.v1.GatewayService") != nullptr &&
                            tags_.count("GatewayService") > 0;
    if (is_gateway) {
      const auto* pool = google::protobuf::DescriptorPool::generated_pool();
      for (const char* type :
           {"ragmesh.gateway.v1.UploadDocumentResponse", "ragmesh.gateway.v1.AskRequest"}) {
        schemas_.Message(pool->FindMessageTypeByName(type));
      }
      paths_.update(fixed);
      tags_["OpenAI"] = "Endpoints in the form OpenAI's clients expect.";
    }
    Json tags = Json::array();
    for (const auto& [name, description] : tags_)
      tags.push_back({{"name", name}, {"description", description}});
    const Json error_schema = schemas_.Message(google::rpc::Status::descriptor());
    Json openai_error = Json::parse(
        R"({"type": "object", "required": ["error"], "properties": {"error": {"type": "object",
      "required": ["message", "type", "param", "code"], "properties": {"message": {"type": "string"}, "type": {"type": "string"},
      "param": {"type": ["string", "null"]}, "code": {"type": ["string", "null"]}}}}})");
    Json responses = {
        {"Error",
         {{"description", "What went wrong, with google.rpc.ErrorInfo among the details."},
          {"content", {{"application/json", {{"schema", error_schema}}}}}}}};
    if (is_gateway) {
      responses["OpenAIError"] = {
          {"description", "What went wrong, in OpenAI's form."},
          {"content", {{"application/json", {{"schema", std::move(openai_error)}}}}}};
    }
    Json schemas = schemas_.Take();
    if (is_gateway) schemas["OpenAIToolCall"] = Json::parse(kToolCallSchema);
    return {{"openapi", "3.1.0"},
            {"info",
             {{"title", title.title},
              {"version", title.version},
              {"description",
               "Answers from your own documents, on your own machines. Server streams come as "
               "server-sent "
               "events, or as newline-delimited JSON with `Accept: application/x-ndjson`."},
              {"license", {{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}}}}},
            {"servers", Json::array({{{"url", "/"}}})},
            {"security", Json::array({Json::object(), {{"bearer", Json::array()}}})},
            {"tags", std::move(tags)},
            {"paths", std::move(paths_)},
            {"components",
             {{"schemas", std::move(schemas)},
              {"responses", std::move(responses)},
              {"securitySchemes", {{"bearer", {{"type", "http"}, {"scheme", "bearer"}}}}}}}};
  }

 private:
  Json Parameters(const Route& route) {
    Json list = Json::array();
    std::set<std::string> taken;
    for (const std::string& variable : route.path.variables()) {
      std::vector<const FieldDescriptor*> chain;
      const FieldDescriptor* field = FindFieldPath(route.rpc->input_type(), variable, &chain);
      list.push_back(Parameter(field, variable, "path"));
      taken.insert(variable);
    }
    if (route.body == "*") return list;
    if (!route.body.empty()) taken.insert(route.body);
    AddQuery(route.rpc->input_type(), "", 0, taken, &list);
    return list;
  }

  void AddQuery(const Descriptor* message, const std::string& prefix, int depth,
                const std::set<std::string>& taken, Json* list) {
    for (int i = 0; i < message->field_count(); ++i) {
      const FieldDescriptor* field = message->field(i);
      if (taken.count(absl::StrCat(prefix, std::string(field->name()))) > 0 || field->is_map())
        continue;
      const std::string name = absl::StrCat(prefix, std::string(field->json_name()));
      const Descriptor* type = field->message_type();
      if (type == nullptr || SchemaSet::IsWellKnown(type)) {
        list->push_back(Parameter(field, name, "query"));
      } else if (!field->is_repeated() && depth < kMaxQueryDepth) {
        AddQuery(type, name + ".", depth + 1, taken, list);
      }
    }
  }

  Json Parameter(const FieldDescriptor* field, const std::string& name, const char* where) {
    Json parameter = {{"name", name}, {"in", where}};
    if (std::string(where) == "path") parameter["required"] = true;
    Json schema = schemas_.Field(field);
    if (const auto description = schema.find("description"); description != schema.end()) {
      parameter["description"] = *description;
      schema.erase("description");
    }
    parameter["schema"] = std::move(schema);
    return parameter;
  }

  Json Body(const Route& route) {
    Json schema;
    if (route.body == "*") {
      std::set<std::string> in_path;
      for (const std::string& variable : route.path.variables()) in_path.insert(variable);
      const Descriptor* type = route.rpc->input_type();
      schema = in_path.empty()
                   ? schemas_.Message(type)
                   : schemas_.Partial(type, in_path,
                                      absl::StrCat(std::string(type->full_name()), "Body"));
    } else {
      schema = schemas_.Field(route.rpc->input_type()->FindFieldByName(route.body));
    }
    return {{"required", true},
            {"content", {{"application/json", {{"schema", std::move(schema)}}}}}};
  }

  Json Success(const Route& route) {
    const Descriptor* type = route.rpc->output_type();
    const Json schema = route.response_body.empty()
                            ? schemas_.Message(type)
                            : schemas_.Field(type->FindFieldByName(route.response_body));
    std::string description = comments_.Of(type);
    if (description.empty()) description = "OK";
    Json content;
    if (route.rpc->server_streaming()) {
      content = {{"text/event-stream", {{"schema", schema}}},
                 {"application/x-ndjson", {{"schema", schema}}}};
    } else {
      content = {{"application/json", {{"schema", schema}}}};
    }
    return {{"description", std::move(description)}, {"content", std::move(content)}};
  }

  const ProtoComments& comments_;
  SchemaSet schemas_;
  std::set<std::string> operation_ids_;
  std::map<std::string, std::string> tags_;
  Json paths_ = Json::object();
};

}  // namespace

absl::StatusOr<std::string> MakeOpenApi(const RouteTable& routes, absl::string_view descriptor_set,
                                        const ApiTitle& title) {
  ProtoComments comments;
  RAGMESH_RETURN_IF_ERROR(comments.Load(descriptor_set));
  Document document(comments);
  for (const Route& route : routes.routes()) document.AddRoute(route);
  return document.Finish(title).dump(1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace ragmesh::bridge
