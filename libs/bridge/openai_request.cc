#include "libs/bridge/openai_request.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/bridge/json_check.h"
#include "libs/bridge/openai_tools.h"
#include "libs/bridge/transcode.h"
#include "libs/stages/generator.h"
#include "libs/text/bounded_json.h"
#include "nlohmann/json.hpp"

namespace ragmesh::bridge {
namespace {

namespace v1 = ragmesh::gateway::v1;
using json = nlohmann::ordered_json;  // schemas keep the order of their properties

absl::Status Unsupported(absl::string_view parameter) {
  return MakeError(absl::StatusCode::kInvalidArgument, absl::StrCat(parameter, " is not supported"),
                   {.reason = "UNSUPPORTED_PARAMETER",
                    .field = std::string(parameter),
                    .next_step = absl::StrCat("Leave ", parameter, " out.")});
}

// The member `name`, or null when it is absent or null.
const json* Find(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

absl::StatusOr<std::string> RequiredText(const json& object, const char* name,
                                         absl::string_view path) {
  const json* value = Find(object, name);
  if (value == nullptr) return InvalidField(path, "is missing");
  if (!value->is_string()) return InvalidField(path, "must be a string");
  return value->get<std::string>();
}

absl::StatusOr<bool> Flag(const json& object, const char* name) {
  const json* value = Find(object, name);
  if (value == nullptr) return false;
  if (!value->is_boolean()) return InvalidField(name, "must be true or false");
  return value->get<bool>();
}

absl::StatusOr<std::optional<double>> Number(const json& object, const char* name, double low,
                                             double high) {
  const json* value = Find(object, name);
  if (value == nullptr) return std::optional<double>();
  if (!value->is_number()) return InvalidField(name, "must be a number");
  const double number = value->get<double>();
  if (!(number >= low && number <= high)) {
    return InvalidField(name, absl::StrCat("must be between ", low, " and ", high));
  }
  return std::optional<double>(number);
}

absl::StatusOr<std::optional<std::uint32_t>> Count(const json& object, const char* name,
                                                   std::uint32_t low) {
  const json* value = Find(object, name);
  if (value == nullptr) return std::optional<std::uint32_t>();
  if (!value->is_number_unsigned() || value->get<std::uint64_t>() > 1'000'000'000 ||
      value->get<std::uint64_t>() < low) {
    return InvalidField(name, absl::StrCat("must be a whole number of at least ", low));
  }
  return std::optional<std::uint32_t>(value->get<std::uint32_t>());
}

absl::StatusOr<json> ParseObject(absl::string_view body) {
  RAGMESH_RETURN_IF_ERROR(CheckJson(body));
  RAGMESH_ASSIGN_OR_RETURN(json object,
                           text::ParseOrderedJson(body, "body", {body.size(), kMaxJsonDepth}));
  if (!object.is_object()) return InvalidField("body", "must be a JSON object");
  return object;
}

absl::Status RefuseUnsupported(const json& object) {
  if (const json* functions = Find(object, "functions");
      functions != nullptr && !functions->empty()) {
    return Unsupported("functions");
  }
  for (const char* name : {"audio", "prediction", "web_search_options", "function_call"}) {
    if (Find(object, name) != nullptr) return Unsupported(name);
  }
  if (const json* modalities = Find(object, "modalities");
      modalities != nullptr && *modalities != json({"text"})) {
    return Unsupported("modalities");
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Role> ParseRole(const json& message, absl::string_view path) {
  RAGMESH_ASSIGN_OR_RETURN(const std::string role,
                           RequiredText(message, "role", absl::StrCat(path, ".role")));
  if (role == "system" || role == "developer") return v1::ROLE_SYSTEM;
  if (role == "user") return v1::ROLE_USER;
  if (role == "assistant") return v1::ROLE_ASSISTANT;
  if (role == "tool") return v1::ROLE_TOOL;
  return InvalidField(absl::StrCat(path, ".role"),
                      "must be system, developer, user, assistant or tool");
}

// A string, or a list of text parts that are joined.
absl::StatusOr<std::string> ParseContent(const json& message, const std::string& path) {
  const json* content = Find(message, "content");
  if (content == nullptr) return InvalidField(path, "is missing");
  if (content->is_string()) return content->get<std::string>();
  if (!content->is_array()) return InvalidField(path, "must be a string or a list of parts");
  std::string text;
  for (std::size_t i = 0; i < content->size(); ++i) {
    const json& part = (*content)[i];
    const std::string part_path = absl::StrCat(path, "[", i, "]");
    if (!part.is_object() || part.value("type", json()) != "text") {
      return InvalidField(part_path, "is not a text part", "Send text only.");
    }
    RAGMESH_ASSIGN_OR_RETURN(const std::string piece,
                             RequiredText(part, "text", part_path + ".text"));
    text += piece;
  }
  return text;
}

absl::Status ParseMessages(const json& object, v1::ChatRequest* chat) {
  const json* messages = Find(object, "messages");
  if (messages == nullptr || !messages->is_array() || messages->empty()) {
    return InvalidField("messages", "must be a list with at least one message");
  }
  if (messages->size() > 1024) return InvalidField("messages", "has over 1024 entries");
  for (std::size_t i = 0; i < messages->size(); ++i) {
    const json& message = (*messages)[i];
    const std::string path = absl::StrCat("messages[", i, "]");
    if (!message.is_object()) return InvalidField(path, "must be an object");
    auto* out = chat->add_messages();
    RAGMESH_ASSIGN_OR_RETURN(const v1::Role role, ParseRole(message, path));
    out->set_role(role);
    RAGMESH_RETURN_IF_ERROR(ParseMessageTools(message, path, out));
    // Who calls tools need not say anything.
    if (out->tool_calls_size() > 0 && Find(message, "content") == nullptr) continue;
    RAGMESH_ASSIGN_OR_RETURN(*out->mutable_content(), ParseContent(message, path + ".content"));
  }
  return absl::OkStatus();
}

absl::Status ParseStop(const json& object, v1::ChatRequest* chat) {
  const json* stop = Find(object, "stop");
  if (stop == nullptr) return absl::OkStatus();
  const json list = stop->is_string() ? json::array({*stop}) : *stop;
  if (!list.is_array() || list.size() > 4)
    return InvalidField("stop", "must be a string or at most 4 strings");
  for (const json& entry : list) {
    if (!entry.is_string() || entry.get_ref<const std::string&>().empty()) {
      return InvalidField("stop", "must hold strings that are not empty");
    }
    chat->add_stop(entry.get<std::string>());
  }
  return absl::OkStatus();
}

absl::Status ParseLogitBias(const json& object, v1::ChatRequest* chat) {
  const json* map = Find(object, "logit_bias");
  if (map == nullptr) return absl::OkStatus();
  if (!map->is_object())
    return InvalidField("logit_bias", "must be an object from token ids to numbers");
  if (map->size() > stages::kMaxLogitBias) {
    return InvalidField(
        "logit_bias",
        absl::StrCat("has ", map->size(), " entries; must have at most ", stages::kMaxLogitBias),
        "Keep the tokens that matter most.");
  }
  for (const auto& [key, value] : map->items()) {
    std::uint32_t id = 0;
    if (!absl::SimpleAtoi(key, &id))
      return InvalidField("logit_bias", "must have token ids as names, such as \"50256\"");
    if (!value.is_number() || !(std::abs(value.get<double>()) <= 100)) {
      return InvalidField(absl::StrCat("logit_bias[", id, "]"),
                          "must be a number between -100 and 100");
    }
    (*chat->mutable_logit_bias())[id] = value.get<float>();
  }
  return absl::OkStatus();
}

// How many answers, and what is told of their tokens.
absl::Status ParseChoices(const json& object, v1::ChatRequest* chat) {
  RAGMESH_ASSIGN_OR_RETURN(const auto choices, Count(object, "n", 1));
  if (choices.value_or(1) > stages::kMaxChoices) {
    return InvalidField("n", absl::StrCat("must be between 1 and ", stages::kMaxChoices),
                        "Send several requests for more.");
  }
  chat->set_choices(choices.value_or(1));
  RAGMESH_ASSIGN_OR_RETURN(const bool logprobs, Flag(object, "logprobs"));
  RAGMESH_ASSIGN_OR_RETURN(const auto top, Count(object, "top_logprobs", 0));
  if (top.value_or(0) > stages::kMaxTopLogprobs) {
    return InvalidField("top_logprobs",
                        absl::StrCat("must be between 0 and ", stages::kMaxTopLogprobs));
  }
  if (top.has_value() && !logprobs)
    return InvalidField("top_logprobs", "needs logprobs to be true", "Set logprobs to true.");
  if (logprobs) chat->set_top_logprobs(top.value_or(0));
  return absl::OkStatus();
}

// response_format, and llama-server's own "grammar" and "json_schema".
absl::Status ParseFormat(const json& object, v1::ChatRequest* chat) {
  if (const json* schema = Find(object, "json_schema"); schema != nullptr)
    chat->set_json_schema(schema->dump(-1, ' ', false, json::error_handler_t::replace));
  if (const json* grammar = Find(object, "grammar"); grammar != nullptr) {
    if (!grammar->is_string()) return InvalidField("grammar", "must be a string");
    chat->set_grammar(grammar->get<std::string>());
  }
  const json* format = Find(object, "response_format");
  if (format == nullptr) return absl::OkStatus();
  const json type = format->is_object() ? format->value("type", json()) : json();
  if (type == "text") return absl::OkStatus();
  if (chat->format_case() != v1::ChatRequest::FORMAT_NOT_SET) {
    return InvalidField("response_format", "stands beside grammar or json_schema",
                        "Send one of them.");
  }
  if (type == "json_object") {
    chat->set_json_object(true);
    return absl::OkStatus();
  }
  if (type != "json_schema") {
    return InvalidField("response_format.type", "must be text, json_object or json_schema");
  }
  const json* named = Find(*format, "json_schema");
  const json* schema = named != nullptr && named->is_object() ? Find(*named, "schema") : nullptr;
  if (schema == nullptr)
    return InvalidField("response_format.json_schema.schema", "is missing", "Send a JSON Schema.");
  chat->set_json_schema(schema->dump(-1, ' ', false, json::error_handler_t::replace));
  return absl::OkStatus();
}

absl::Status ParseSampling(const json& object, v1::ChatRequest* chat) {
  RAGMESH_ASSIGN_OR_RETURN(const auto tokens, Count(object, "max_tokens", 1));
  RAGMESH_ASSIGN_OR_RETURN(const auto completion_tokens, Count(object, "max_completion_tokens", 1));
  chat->set_max_tokens(completion_tokens.value_or(tokens.value_or(0)));
  RAGMESH_ASSIGN_OR_RETURN(const auto temperature, Number(object, "temperature", 0, 2));
  chat->set_temperature(temperature.value_or(0));
  RAGMESH_ASSIGN_OR_RETURN(const auto top_p, Number(object, "top_p", 0, 1));
  if (top_p.has_value()) chat->set_top_p(*top_p);
  RAGMESH_ASSIGN_OR_RETURN(const auto frequency, Number(object, "frequency_penalty", -2, 2));
  chat->set_frequency_penalty(frequency.value_or(0));
  RAGMESH_ASSIGN_OR_RETURN(const auto presence, Number(object, "presence_penalty", -2, 2));
  chat->set_presence_penalty(presence.value_or(0));
  if (const json* seed = Find(object, "seed"); seed != nullptr) {
    if (!seed->is_number_integer()) return InvalidField("seed", "must be a whole number");
    chat->set_seed(static_cast<std::uint64_t>(seed->get<std::int64_t>()));
  }
  RAGMESH_RETURN_IF_ERROR(ParseLogitBias(object, chat));
  RAGMESH_RETURN_IF_ERROR(ParseFormat(object, chat));
  return ParseChoices(object, chat);
}

// llama-server's own parameters, which have the names of the fields they become. Their ranges are
// checked where those of the fields are.
constexpr const char* kExtensions[] = {"top_k",
                                       "min_p",
                                       "typical_p",
                                       "xtc_probability",
                                       "xtc_threshold",
                                       "repeat_penalty",
                                       "repeat_last_n",
                                       "dry_multiplier",
                                       "dry_base",
                                       "dry_allowed_length",
                                       "dry_penalty_last_n",
                                       "dry_sequence_breakers"};

absl::Status ParseExtensions(const json& object, v1::ChatRequest* chat) {
  json known = json::object();
  for (const char* name : kExtensions) {
    const json* value = Find(object, name);
    if (value == nullptr) continue;
    const bool is_list = std::string_view(name) == "dry_sequence_breakers";
    if (is_list ? !value->is_array() || value->empty() : !value->is_number()) {
      return InvalidField(
          name, is_list ? "must be a list of strings that is not empty" : "must be a number",
          absl::StrCat("Leave ", name, " out for its default."));
    }
    known[name] = *value;
  }
  if (known.empty()) return absl::OkStatus();
  v1::ChatRequest read;
  RAGMESH_RETURN_IF_ERROR(
      FromJson(known.dump(-1, ' ', false, json::error_handler_t::replace), &read));
  chat->MergeFrom(read);
  return absl::OkStatus();
}

// What would change an answer from documents and has no place in it: such an answer is one text
// whose sentences are checked against their sources, mostly after they were written.
absl::Status RefuseForDocuments(const json& object, const v1::ChatRequest& chat) {
  std::string name;
  if (chat.choices() > 1) name = "n";
  if (chat.has_top_logprobs()) name = "logprobs";
  if (chat.logit_bias_size() > 0) name = "logit_bias";
  if (chat.frequency_penalty() != 0) name = "frequency_penalty";
  if (chat.presence_penalty() != 0) name = "presence_penalty";
  if (chat.format_case() != v1::ChatRequest::FORMAT_NOT_SET) name = "response_format";
  if (chat.tools_size() > 0) name = "tools";
  for (const char* extension : kExtensions) {
    if (Find(object, extension) != nullptr) name = extension;
  }
  if (name.empty()) return absl::OkStatus();
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat(name, " is not supported in answers from documents"),
                   {.reason = "UNSUPPORTED_PARAMETER",
                    .field = name,
                    .next_step = absl::StrCat("Leave ", name,
                                              " out, or name the generator's model, as listed by "
                                              "GET /v1/models, for plain conversation.")});
}

// The conversation as a question with history. A question of theirs without an answer is joined to
// none.
absl::Status FillAsk(const json& object, const v1::ChatRequest& chat, v1::AskRequest* ask) {
  if (const json* rag = Find(object, "rag"); rag != nullptr) {
    if (!rag->is_object()) return InvalidField("rag", "must be an object");
    const absl::Status status =
        FromJson(rag->dump(-1, ' ', false, json::error_handler_t::replace), ask);
    if (!status.ok()) return Annotate(status, "rag");
  }
  ask->clear_history();
  std::string question;
  for (const v1::ChatMessage& message : chat.messages()) {
    if (message.role() == v1::ROLE_USER) {
      question = message.content();
    } else if (message.role() == v1::ROLE_ASSISTANT && message.tool_calls_size() == 0 &&
               !question.empty()) {
      auto* turn = ask->add_history();
      turn->set_question(question);
      turn->set_answer(message.content());
      question.clear();
    }
  }
  while (ask->history_size() > 64) ask->mutable_history()->DeleteSubrange(0, 1);
  ask->set_question(question);
  ask->set_temperature(chat.temperature());
  ask->set_max_tokens(std::min<std::uint32_t>(chat.max_tokens(), 4096));
  if (chat.has_seed()) ask->set_seed(chat.seed());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ChatCompletionRequest> ParseChatCompletion(absl::string_view body) {
  RAGMESH_ASSIGN_OR_RETURN(const json object, ParseObject(body));
  ChatCompletionRequest request;
  RAGMESH_ASSIGN_OR_RETURN(request.model, RequiredText(object, "model", "model"));
  RAGMESH_RETURN_IF_ERROR(RefuseUnsupported(object));
  RAGMESH_ASSIGN_OR_RETURN(request.stream, Flag(object, "stream"));
  if (const json* options = Find(object, "stream_options"); options != nullptr) {
    if (!request.stream) return InvalidField("stream_options", "needs stream to be true");
    if (!options->is_object()) return InvalidField("stream_options", "must be an object");
    RAGMESH_ASSIGN_OR_RETURN(request.include_usage, Flag(*options, "include_usage"));
  }
  RAGMESH_RETURN_IF_ERROR(ParseMessages(object, &request.chat));
  RAGMESH_RETURN_IF_ERROR(ParseTools(object, &request.chat));
  RAGMESH_RETURN_IF_ERROR(ParseStop(object, &request.chat));
  RAGMESH_RETURN_IF_ERROR(ParseSampling(object, &request.chat));
  RAGMESH_RETURN_IF_ERROR(ParseExtensions(object, &request.chat));
  request.ask_refusal = RefuseForDocuments(object, request.chat);
  RAGMESH_RETURN_IF_ERROR(FillAsk(object, request.chat, &request.ask));
  return request;
}

absl::StatusOr<EmbeddingsRequest> ParseEmbeddings(absl::string_view body) {
  RAGMESH_ASSIGN_OR_RETURN(const json object, ParseObject(body));
  EmbeddingsRequest request;
  RAGMESH_ASSIGN_OR_RETURN(request.model, RequiredText(object, "model", "model"));
  RAGMESH_ASSIGN_OR_RETURN(request.dimensions, Count(object, "dimensions", 1));
  if (const json* format = Find(object, "encoding_format"); format != nullptr) {
    if (*format != "float" && *format != "base64")
      return InvalidField("encoding_format", "must be float or base64");
    request.base64 = *format == "base64";
  }
  const json* input = Find(object, "input");
  if (input == nullptr) return InvalidField("input", "is missing");
  const json list = input->is_string() ? json::array({*input}) : *input;
  if (!list.is_array() || list.empty())
    return InvalidField("input", "must be a string or a list of strings");
  if (list.size() > 2048)
    return InvalidField("input", "has over 2048 texts", "Send several requests.");
  for (const json& text : list) {
    if (text.is_number() || text.is_array()) {
      return MakeError(
          absl::StatusCode::kInvalidArgument, "input holds token ids, which this model cannot take",
          {.reason = "TOKEN_INPUT_UNSUPPORTED",
           .field = "input",
           .next_step = "Send texts; with LangChain set check_embedding_ctx_length=False."});
    }
    if (!text.is_string()) return InvalidField("input", "must be a string or a list of strings");
    if (text.get_ref<const std::string&>().empty())
      return InvalidField("input", "must not hold empty strings");
    request.embed.add_texts(text.get<std::string>());
  }
  return request;
}

}  // namespace ragmesh::bridge
