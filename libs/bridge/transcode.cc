#include "libs/bridge/transcode.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/bridge/json_check.h"
#include "libs/http/message.h"
#include "libs/text/utf8.h"
#include "nlohmann/json.hpp"

namespace ragmesh::bridge {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr std::size_t kMaxQueryParameters = 200;

// Where the text goes: the message that holds the leaf field, and the field.
struct Target {
  Message* message;
  const FieldDescriptor* field;
};

template <typename T>
absl::StatusOr<T> Number(absl::string_view path, absl::string_view text) {
  T value;
  bool good = false;
  if constexpr (std::is_same_v<T, double>) {
    good = absl::SimpleAtod(text, &value);
  } else if constexpr (std::is_same_v<T, float>) {
    good = absl::SimpleAtof(text, &value);
  } else {
    good = absl::SimpleAtoi(text, &value);
  }
  if (!good) return InvalidField(path, "is not a number of its type");
  return value;
}

absl::Status SetScalar(const Target& to, absl::string_view path, absl::string_view text) {
  const Reflection* reflection = to.message->GetReflection();
  const FieldDescriptor* field = to.field;
  Message* message = to.message;
  const bool adds = field->is_repeated();
#define RAGMESH_SET(Kind, value) \
  adds ? reflection->Add##Kind(message, field, value) : reflection->Set##Kind(message, field, value)
#define RAGMESH_NUMBER_CASE(CPPTYPE, type, Kind)                            \
  case FieldDescriptor::CPPTYPE: {                                          \
    RAGMESH_ASSIGN_OR_RETURN(const type value, (Number<type>(path, text))); \
    RAGMESH_SET(Kind, value);                                               \
    return absl::OkStatus();                                                \
  }
  switch (field->cpp_type()) {
    RAGMESH_NUMBER_CASE(CPPTYPE_INT32, std::int32_t, Int32)
    RAGMESH_NUMBER_CASE(CPPTYPE_INT64, std::int64_t, Int64)
    RAGMESH_NUMBER_CASE(CPPTYPE_UINT32, std::uint32_t, UInt32)
    RAGMESH_NUMBER_CASE(CPPTYPE_UINT64, std::uint64_t, UInt64)
    RAGMESH_NUMBER_CASE(CPPTYPE_DOUBLE, double, Double)
    RAGMESH_NUMBER_CASE(CPPTYPE_FLOAT, float, Float)
    case FieldDescriptor::CPPTYPE_BOOL: {
      if (text != "true" && text != "false") return InvalidField(path, "must be true or false");
      RAGMESH_SET(Bool, text == "true");
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_ENUM: {
      const auto* value = field->enum_type()->FindValueByName(std::string(text));
      int number = 0;
      if (value == nullptr && absl::SimpleAtoi(text, &number))
        value = field->enum_type()->FindValueByNumber(number);
      if (value == nullptr) {
        return InvalidField(
            path, absl::StrCat("is not a value of ", std::string(field->enum_type()->name())));
      }
      RAGMESH_SET(Enum, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string value(text);
      if (field->type() == FieldDescriptor::TYPE_BYTES) {
        if (!absl::Base64Unescape(text, &value) && !absl::WebSafeBase64Unescape(text, &value)) {
          return InvalidField(path, "is not base64");
        }
      } else if (!text::IsValidUtf8(text)) {
        return InvalidField(path, "is not UTF-8");
      }
      RAGMESH_SET(String, value);
      return absl::OkStatus();
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      break;
  }
#undef RAGMESH_NUMBER_CASE
#undef RAGMESH_SET
  // Timestamp, Duration, FieldMask and the wrappers have a JSON form that is one string or one
  // number.
  Message* child =
      adds ? reflection->AddMessage(message, field) : reflection->MutableMessage(message, field);
  const std::string quoted = nlohmann::json(std::string(text))
                                 .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (google::protobuf::util::JsonStringToMessage(quoted, child).ok()) return absl::OkStatus();
  child->Clear();
  const bool plain =
      text == "true" || text == "false" || (!text.empty() && absl::ascii_isdigit(text[0]));
  if (plain && google::protobuf::util::JsonStringToMessage(std::string(text), child).ok())
    return absl::OkStatus();
  return InvalidField(
      path, absl::StrCat("is not a value of ", std::string(field->message_type()->full_name())));
}

// protobuf's messages read "(filter.and) ...: reason" or "name: Cannot find field."; what comes
// before the colon is ours.
absl::Status JsonFault(absl::string_view message) {
  std::string field = "body";
  const std::size_t colon = message.find(": Cannot find field");
  if (colon != absl::string_view::npos) {
    absl::string_view name = message.substr(0, colon);
    name = name.substr(name.rfind(' ') == absl::string_view::npos ? 0 : name.rfind(' ') + 1);
    name = name.substr(name.rfind(':') == absl::string_view::npos ? 0 : name.rfind(':') + 1);
    return MakeError(absl::StatusCode::kInvalidArgument,
                     absl::StrCat("the body has an unknown field: ", name),
                     {.reason = "UNKNOWN_FIELD",
                      .field = std::string(name),
                      .next_step = "See /openapi.json for the fields of this request."});
  }
  if (!message.empty() && message[0] == '(')
    field = std::string(message.substr(1, message.find(')') - 1));
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("the body does not fit the request: ", message),
                   {.reason = "INVALID_FIELD",
                    .field = std::move(field),
                    .next_step = "See /openapi.json for the types of this request."});
}

}  // namespace

std::unique_ptr<Message> NewMessage(const google::protobuf::Descriptor* type) {
  return std::unique_ptr<Message>(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
}

absl::Status FromJson(absl::string_view json, Message* message) {
  RAGMESH_RETURN_IF_ERROR(CheckJson(json));
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), message);
  if (status.ok()) return absl::OkStatus();
  return JsonFault(absl::string_view(status.message().data(), status.message().size()));
}

absl::StatusOr<std::string> ToJson(const Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok())
    return absl::InternalError(absl::StrCat("cannot print ", std::string(message.GetTypeName())));
  return json;
}

absl::StatusOr<std::string> RenderResponse(const Route& route, const Message& response) {
  RAGMESH_ASSIGN_OR_RETURN(std::string json, ToJson(response));
  if (route.response_body.empty()) return json;
  const FieldDescriptor* field = response.GetDescriptor()->FindFieldByName(route.response_body);
  const nlohmann::ordered_json whole =
      nlohmann::ordered_json::parse(json, nullptr, /*allow_exceptions=*/false);
  const auto part = whole.find(std::string(field->json_name()));
  if (part == whole.end())
    return std::string(field->is_repeated() ? "[]" : field->message_type() ? "{}" : "null");
  return part->dump();
}

absl::Status SetFieldFromText(absl::string_view path, absl::string_view text, Message* message) {
  std::vector<const FieldDescriptor*> chain;
  if (FindFieldPath(message->GetDescriptor(), path, &chain) == nullptr) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     absl::StrCat("unknown query parameter: ", path),
                     {.reason = "UNKNOWN_FIELD",
                      .field = std::string(path),
                      .next_step = "See /openapi.json for the parameters of this request."});
  }
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    message = message->GetReflection()->MutableMessage(message, chain[i]);
  }
  if (chain.back()->is_map()) return InvalidField(path, "is a map, which text cannot set");
  return SetScalar({message, chain.back()}, path, text);
}

absl::StatusOr<std::unique_ptr<Message>> BuildRequest(const Route& route,
                                                      const std::vector<PathBinding>& bindings,
                                                      absl::string_view query,
                                                      absl::string_view body) {
  std::unique_ptr<Message> request = NewMessage(route.rpc->input_type());
  const bool blank = absl::StripAsciiWhitespace(body).empty();
  if (route.body == "*") {
    if (!blank) RAGMESH_RETURN_IF_ERROR(FromJson(body, request.get()));
  } else if (!route.body.empty()) {
    if (!blank) {
      RAGMESH_RETURN_IF_ERROR(
          CheckJson(body));  // alone, so that it cannot close the object put around it
      RAGMESH_RETURN_IF_ERROR(
          FromJson(absl::StrCat("{\"", route.body, "\":", body, "}"), request.get()));
    }
  } else if (!blank) {
    return InvalidField("body", "is not used by this method",
                        "Send the fields as query parameters.");
  }
  const auto parameters = http::ParseQuery(query, kMaxQueryParameters);
  if (!parameters.has_value())
    return InvalidField("query", "is malformed or has too many parameters");
  for (const http::Header& parameter : *parameters) {
    if (route.body == "*") {
      return InvalidField(text::IsValidUtf8(parameter.name) ? parameter.name : "query",
                          "is a query parameter, and this method takes its fields from the body",
                          "Move it into the JSON body.");
    }
    if (!text::IsValidUtf8(parameter.name)) return InvalidField("query", "is not UTF-8");
    RAGMESH_RETURN_IF_ERROR(SetFieldFromText(parameter.name, parameter.value, request.get()));
  }
  for (const auto& [field, text] : bindings) {
    RAGMESH_RETURN_IF_ERROR(SetFieldFromText(field, text, request.get()));
  }
  return request;
}

}  // namespace ragmesh::bridge
