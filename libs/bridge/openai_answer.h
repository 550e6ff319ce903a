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
    std::uint32_t choices = 1;
  };
  explicit OpenAiAnswer(Identity identity)
      : identity_(std::move(identity)), choices_(identity_.choices) {}

  // The first chunk of each choice, which carries the role.
  std::string First();
  std::string Add(const ragmesh::gateway::v1::AskResponse& event);
  std::string Add(const ragmesh::gateway::v1::ChatResponse& event);
  // The chunks with finish_reason, the usage chunk when asked for, and [DONE].
  std::string Last();

  nlohmann::ordered_json Whole() const;

 private:
  using Json = nlohmann::ordered_json;

  struct Choice {
    std::string text;
    std::vector<ragmesh::common::v1::ToolCall> calls;
    Json logprobs = nullptr;  // once there are any, an object with the list "content"
    std::string finish_reason = "stop";
  };

  // What the pieces add to calls, as OpenAI's deltas have it; kept for Whole() as well.
  static Json Calls(const ragmesh::gateway::v1::TextDelta& token, Choice* choice);
  std::string Token(const ragmesh::gateway::v1::TextDelta& token);
  std::string Chunk(Json choices, Json extra = nullptr) const;
  std::string Delta(std::uint32_t choice, Json delta, Json finish_reason, Json extra = nullptr,
                    Json logprobs = nullptr) const;
  // The choice of an event; the first when it is none that was asked for.
  Choice& At(std::uint32_t choice) { return choices_[choice < choices_.size() ? choice : 0]; }
  Json Annotations() const;
  Json UsageJson() const;
  void Note(const char* kind, const google::protobuf::Message& message);

  const Identity identity_;
  std::vector<Choice> choices_;
  std::vector<ragmesh::gateway::v1::Citation> citations_;  // of the first, which is the only one
  ragmesh::gateway::v1::Usage usage_;
  Json rag_ = Json::object();
};

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_OPENAI_ANSWER_H_
