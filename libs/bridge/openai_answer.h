// A chat completion in the making: events of the gateway in, OpenAI's JSON out. No transport.
#ifndef RAGMESH_LIBS_BRIDGE_OPENAI_ANSWER_H_
#define RAGMESH_LIBS_BRIDGE_OPENAI_ANSWER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "ragmesh/gateway/v1/gateway.pb.h"

namespace ragmesh::bridge {

// Not thread-safe. Add returns the server-sent events an event causes when streaming; Whole is the
// answer in one piece.
class OpenAiAnswer {
 public:
  struct Identity {
    std::string id;            // of the completion
    std::string model;         // as asked for
    std::int64_t created = 0;  // seconds since 1970
    bool include_usage = false;
    std::string collection;  // of the documents cited, empty in plain chat
  };
  explicit OpenAiAnswer(Identity identity) : identity_(std::move(identity)) {}

  // The first chunk, which carries the role.
  std::string First();
  std::string Add(const ragmesh::gateway::v1::AskResponse& event);
  std::string Add(const ragmesh::gateway::v1::ChatResponse& event);
  // The chunk with finish_reason, the usage chunk when asked for, and [DONE].
  std::string Last();

  nlohmann::ordered_json Whole() const;

 private:
  using Json = nlohmann::ordered_json;

  std::string Token(const std::string& text);
  std::string Chunk(Json choices, Json extra = nullptr) const;
  std::string Delta(Json delta, Json finish_reason, Json extra = nullptr) const;
  Json Annotations() const;
  Json UsageJson() const;
  void Note(const char* kind, const google::protobuf::Message& message);

  const Identity identity_;
  std::string text_;
  std::vector<ragmesh::gateway::v1::Citation> citations_;
  ragmesh::gateway::v1::Usage usage_;
  std::string finish_reason_ = "stop";
  Json rag_ = Json::object();
};

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_OPENAI_ANSWER_H_
