#include "libs/bridge/openai_answer.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/bridge/transcode.h"
#include "libs/stages/tools.h"

namespace ragmesh::bridge {
namespace {

namespace v1 = ragmesh::gateway::v1;
using Json = nlohmann::ordered_json;

std::string Print(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json MessageJson(const google::protobuf::Message& message) {
  const auto text = ToJson(message);
  return text.ok() ? Json::parse(*text, nullptr, /*allow_exceptions=*/false) : Json::object();
}

// OpenAI counts code points, we count bytes.
std::size_t CodePoints(absl::string_view text) {
  std::size_t count = 0;
  for (char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

std::string PercentEncode(absl::string_view text) {
  std::string out;
  for (char c : text) {
    if (absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.') {
      out.push_back(c);
    } else {
      absl::StrAppendFormat(&out, "%%%02X", static_cast<unsigned char>(c));
    }
  }
  return out;
}

const char* FinishName(v1::FinishReason reason) {
  if (reason == v1::FINISH_REASON_TOOL_CALLS) return "tool_calls";
  return reason == v1::FINISH_REASON_LENGTH ? "length" : "stop";
}

// `token` is text, so what is no character by itself stands in it as U+FFFD; `bytes` are exact.
Json ScoredJson(const v1::ScoredToken& token) {
  Json bytes = Json::array();
  for (const char c : token.text()) bytes.push_back(static_cast<unsigned char>(c));
  return {{"token", token.text()}, {"logprob", token.logprob()}, {"bytes", std::move(bytes)}};
}

Json NoLogprobs() { return {{"content", Json::array()}, {"refusal", nullptr}}; }

Json LogprobsJson(const v1::TokenLogprobs& logprobs) {
  Json json = ScoredJson(logprobs.chosen());
  json["top_logprobs"] = Json::array();
  for (const v1::ScoredToken& token : logprobs.top())
    json["top_logprobs"].push_back(ScoredJson(token));
  return json;
}

}  // namespace

std::string OpenAiAnswer::First() {
  std::string chunks;
  for (std::uint32_t i = 0; i < choices_.size(); ++i)
    absl::StrAppend(&chunks, Delta(i, {{"role", "assistant"}, {"content", ""}}, nullptr));
  return chunks;
}

OpenAiAnswer::Json OpenAiAnswer::Calls(const v1::TextDelta& token, Choice* choice) {
  Json list = Json::array();
  for (const auto& delta : token.tool_calls()) {
    if (delta.index() >= stages::kMaxToolCalls) continue;
    if (choice->calls.size() <= delta.index()) choice->calls.resize(delta.index() + 1);
    auto& call = choice->calls[delta.index()];
    Json json = {{"index", delta.index()}};
    if (!delta.name().empty()) {
      call.set_id(delta.id());
      call.set_name(delta.name());
      json["id"] = delta.id();
      json["type"] = "function";
      json["function"]["name"] = delta.name();
    }
    call.mutable_arguments()->append(delta.arguments());
    json["function"]["arguments"] = delta.arguments();
    list.push_back(std::move(json));
  }
  return list;
}

std::string OpenAiAnswer::Token(const v1::TextDelta& token) {
  Choice& choice = At(token.choice());
  choice.text += token.text();
  Json content = Json::array();
  for (const v1::TokenLogprobs& logprobs : token.logprobs()) {
    // Control tokens are no part of the content.
    if (!logprobs.chosen().text().empty()) content.push_back(LogprobsJson(logprobs));
  }
  Json calls = Calls(token, &choice);
  if (token.text().empty() && content.empty() && calls.empty()) return "";
  Json logprobs = nullptr;
  if (!content.empty()) {
    if (choice.logprobs.is_null()) choice.logprobs = NoLogprobs();
    auto& all = choice.logprobs["content"];
    all.insert(all.end(), content.begin(), content.end());
    logprobs = NoLogprobs();
    logprobs["content"] = std::move(content);
  }
  Json delta = Json::object();
  if (calls.empty() || !token.text().empty()) delta["content"] = token.text();
  if (!calls.empty()) delta["tool_calls"] = std::move(calls);
  return Delta(token.choice(), std::move(delta), nullptr, nullptr, std::move(logprobs));
}

void OpenAiAnswer::Note(const char* kind, const google::protobuf::Message& message) {
  Json& list = rag_[kind];
  list.push_back(MessageJson(message));
}

std::string OpenAiAnswer::Add(const v1::AskResponse& event) {
  switch (event.event_case()) {
    case v1::AskResponse::kToken:
      return Token(event.token());
    case v1::AskResponse::kUsage:
      usage_ = event.usage();
      return "";
    case v1::AskResponse::kDone:
      At(event.done().choice()).finish_reason = FinishName(event.done().finish_reason());
      return "";
    case v1::AskResponse::EVENT_NOT_SET:
      return "";
    case v1::AskResponse::kRetrieval:
      rag_["retrieval"] = MessageJson(event.retrieval());
      break;
    case v1::AskResponse::kAnswer:
      rag_["answer"] = MessageJson(event.answer());
      if (choices_[0].text.empty()) choices_[0].text = event.answer().text();
      break;
    case v1::AskResponse::kTimings:
      rag_["timings"] = MessageJson(event.timings());
      break;
    case v1::AskResponse::kCitation:
      citations_.push_back(event.citation());
      Note("citations", event.citation());
      break;
    case v1::AskResponse::kDegraded:
      Note("degraded", event.degraded());
      break;
  }
  // Everything but text travels beside an empty delta, where OpenAI's clients pass it by.
  return Delta(0, Json::object(), nullptr, {{"rag", MessageJson(event)}});
}

std::string OpenAiAnswer::Add(const v1::ChatResponse& event) {
  if (event.has_usage()) usage_ = event.usage();
  if (event.has_done())
    At(event.done().choice()).finish_reason = FinishName(event.done().finish_reason());
  return event.has_token() ? Token(event.token()) : "";
}

std::string OpenAiAnswer::Last() {
  std::string out;
  if (!citations_.empty()) out = Delta(0, {{"annotations", Annotations()}}, nullptr);
  for (std::uint32_t i = 0; i < choices_.size(); ++i)
    absl::StrAppend(&out, Delta(i, Json::object(), choices_[i].finish_reason));
  if (identity_.include_usage) {
    Json chunk = {{"id", identity_.id},           {"object", "chat.completion.chunk"},
                  {"created", identity_.created}, {"model", identity_.model},
                  {"choices", Json::array()},     {"usage", UsageJson()}};
    absl::StrAppend(&out, "data: ", Print(chunk), "\n\n");
  }
  return absl::StrCat(out, "data: [DONE]\n\n");
}

std::string OpenAiAnswer::Chunk(Json choices, Json extra) const {
  Json chunk = {{"id", identity_.id},
                {"object", "chat.completion.chunk"},
                {"created", identity_.created},
                {"model", identity_.model},
                {"choices", std::move(choices)}};
  if (identity_.include_usage) chunk["usage"] = nullptr;
  if (extra.is_object()) chunk.update(extra);
  return absl::StrCat("data: ", Print(chunk), "\n\n");
}

std::string OpenAiAnswer::Delta(std::uint32_t index, Json delta, Json finish_reason, Json extra,
                                Json logprobs) const {
  Json choice = {{"index", index}};
  choice["delta"] = std::move(delta);
  choice["logprobs"] = std::move(logprobs);
  choice["finish_reason"] = std::move(finish_reason);
  return Chunk(Json::array({std::move(choice)}), std::move(extra));
}

// Each citation is annotated where its "[n]" stands in the text; at the end of the text when it
// stands nowhere.
Json OpenAiAnswer::Annotations() const {
  Json list = Json::array();
  const std::string& text = choices_[0].text;
  for (const v1::Citation& citation : citations_) {
    const std::string mark = absl::StrCat("[", citation.number(), "]");
    const std::size_t at = text.find(mark);
    const std::size_t begin = CodePoints(absl::string_view(text).substr(0, at));
    const std::size_t end = at == std::string::npos ? begin : begin + mark.size();
    list.push_back({{"type", "url_citation"},
                    {"url_citation",
                     {{"start_index", begin},
                      {"end_index", end},
                      {"url", absl::StrCat("/#/documents/", PercentEncode(identity_.collection),
                                           "/", PercentEncode(citation.document_id()), "?range=",
                                           citation.range().begin(), "-", citation.range().end())},
                      {"title", citation.document_name()}}}});
  }
  return list;
}

Json OpenAiAnswer::UsageJson() const {
  return {{"prompt_tokens", usage_.prompt_tokens()},
          {"completion_tokens", usage_.completion_tokens()},
          {"total_tokens", usage_.prompt_tokens() + usage_.completion_tokens()},
          {"prompt_tokens_details", {{"cached_tokens", usage_.cached_prompt_tokens()}}}};
}

Json OpenAiAnswer::Whole() const {
  Json choices = Json::array();
  for (const Choice& answer : choices_) {
    Json message = {{"role", "assistant"}, {"content", answer.text}, {"refusal", nullptr}};
    message["annotations"] = choices.empty() ? Annotations() : Json::array();
    for (const auto& call : answer.calls) {
      if (answer.text.empty()) message["content"] = nullptr;
      message["tool_calls"].push_back(
          {{"id", call.id()},
           {"type", "function"},
           {"function", {{"name", call.name()}, {"arguments", call.arguments()}}}});
    }
    Json choice = {{"index", choices.size()}};
    choice["message"] = std::move(message);
    choice["logprobs"] = answer.logprobs;
    choice["finish_reason"] = answer.finish_reason;
    choices.push_back(std::move(choice));
  }
  Json whole = {
      {"id", identity_.id},       {"object", "chat.completion"},   {"created", identity_.created},
      {"model", identity_.model}, {"choices", std::move(choices)}, {"usage", UsageJson()}};
  if (!rag_.empty()) whole["rag"] = rag_;
  return whole;
}

}  // namespace ragmesh::bridge
