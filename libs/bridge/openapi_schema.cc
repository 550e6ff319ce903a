#include "libs/bridge/openapi_schema.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/error.h"

namespace ragmesh::bridge {
namespace {

using Json = nlohmann::ordered_json;
using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

template <typename T>
std::string CommentOf(const T* descriptor) {
  google::protobuf::SourceLocation location;
  if (descriptor == nullptr || !descriptor->GetSourceLocation(&location)) return "";
  std::vector<std::string> lines;
  const std::string& text =
      location.leading_comments.empty() ? location.trailing_comments : location.leading_comments;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    lines.push_back(std::string(absl::StripAsciiWhitespace(line)));
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  return absl::StrJoin(lines, "\n");
}

// "ragmesh.gateway.v1.Job" -> "gateway.v1.Job": unique, and legal as a component's name.
std::string SchemaName(const std::string& full_name) {
  return absl::StartsWith(full_name, "ragmesh.") ? full_name.substr(8) : full_name;
}

Json Reference(const std::string& name) {
  return {{"$ref", absl::StrCat("#/components/schemas/", name)}};
}

const Json* WellKnown(const std::string& name) {
  static const auto* const kTypes = new std::map<std::string, Json>{
      {"google.protobuf.Timestamp", {{"type", "string"}, {"format", "date-time"}}},
      {"google.protobuf.Duration",
       {{"type", "string"},
        {"pattern", "^-?[0-9]+(\\.[0-9]+)?s$"},
        {"examples", Json::array({"1.5s"})}}},
      {"google.protobuf.FieldMask", {{"type", "string"}}},
      {"google.protobuf.Struct", {{"type", "object"}, {"additionalProperties", true}}},
      {"google.protobuf.Value", Json::object()},
      {"google.protobuf.ListValue", {{"type", "array"}, {"items", Json::object()}}},
      {"google.protobuf.Empty", {{"type", "object"}}},
      {"google.protobuf.Any",
       {{"type", "object"},
        {"properties", {{"@type", {{"type", "string"}}}}},
        {"required", Json::array({"@type"})},
        {"additionalProperties", true}}},
      {"google.protobuf.StringValue", {{"type", "string"}}},
      {"google.protobuf.BytesValue", {{"type", "string"}, {"contentEncoding", "base64"}}},
      {"google.protobuf.BoolValue", {{"type", "boolean"}}},
      {"google.protobuf.Int32Value", {{"type", "integer"}, {"format", "int32"}}},
      {"google.protobuf.UInt32Value", {{"type", "integer"}, {"minimum", 0}}},
      {"google.protobuf.Int64Value", {{"type", "string"}, {"format", "int64"}}},
      {"google.protobuf.UInt64Value", {{"type", "string"}, {"format", "uint64"}}},
      {"google.protobuf.FloatValue", {{"type", "number"}, {"format", "float"}}},
      {"google.protobuf.DoubleValue", {{"type", "number"}, {"format", "double"}}}};
  const auto found = kTypes->find(name);
  return found == kTypes->end() ? nullptr : &found->second;
}

}  // namespace

absl::Status ProtoComments::Load(absl::string_view descriptor_set) {
  google::protobuf::FileDescriptorSet set;
  if (!set.ParseFromArray(descriptor_set.data(), static_cast<int>(descriptor_set.size()))) {
    return Corrupt("descriptor set", "does not parse");
  }
  for (const auto& file : set.file()) {  // protoc writes imports before what imports them
    if (pool_.BuildFile(file) == nullptr)
      return Corrupt("descriptor set", absl::StrCat("cannot build ", file.name()));
  }
  return absl::OkStatus();
}

std::string ProtoComments::Of(const Descriptor* message) const {
  return CommentOf(pool_.FindMessageTypeByName(message->full_name()));
}
std::string ProtoComments::Of(const FieldDescriptor* field) const {
  return CommentOf(pool_.FindFieldByName(field->full_name()));
}
std::string ProtoComments::Of(const google::protobuf::EnumDescriptor* type) const {
  return CommentOf(pool_.FindEnumTypeByName(type->full_name()));
}
std::string ProtoComments::Of(const google::protobuf::EnumValueDescriptor* value) const {
  return CommentOf(pool_.FindEnumValueByName(value->full_name()));
}
std::string ProtoComments::Of(const google::protobuf::MethodDescriptor* method) const {
  return CommentOf(pool_.FindMethodByName(method->full_name()));
}
std::string ProtoComments::Of(const google::protobuf::ServiceDescriptor* service) const {
  return CommentOf(pool_.FindServiceByName(service->full_name()));
}

bool SchemaSet::IsWellKnown(const Descriptor* message) {
  return WellKnown(message->full_name()) != nullptr;
}

Json SchemaSet::Message(const Descriptor* message) {
  if (const Json* known = WellKnown(message->full_name())) return *known;
  const std::string name = SchemaName(message->full_name());
  if (!schemas_.contains(name)) {
    schemas_[name] = Json::object();  // first, since messages may contain themselves
    schemas_[name] = Properties(message, {});
  }
  return Reference(name);
}

Json SchemaSet::Partial(const Descriptor* message, const std::set<std::string>& without,
                        const std::string& name) {
  const std::string key = SchemaName(name);
  if (!schemas_.contains(key)) schemas_[key] = Properties(message, without);
  return Reference(key);
}

Json SchemaSet::Properties(const Descriptor* message, const std::set<std::string>& without) {
  Json schema = {{"type", "object"}};
  if (const std::string comment = comments_.Of(message); !comment.empty())
    schema["description"] = comment;
  Json properties = Json::object();
  for (int i = 0; i < message->field_count(); ++i) {
    const FieldDescriptor* field = message->field(i);
    if (without.count(field->name()) == 0)
      properties[std::string(field->json_name())] = Field(field);
  }
  if (!properties.empty()) schema["properties"] = std::move(properties);
  return schema;
}

Json SchemaSet::Enum(const google::protobuf::EnumDescriptor* type) {
  const std::string name = SchemaName(type->full_name());
  if (!schemas_.contains(name)) {
    Json values = Json::array();
    std::string description = comments_.Of(type);
    for (int i = 0; i < type->value_count(); ++i) {
      values.push_back(type->value(i)->name());
      absl::StrAppend(&description, "\n\n- ", std::string(type->value(i)->name()), ": ",
                      comments_.Of(type->value(i)));
    }
    schemas_[name] = {
        {"type", "string"}, {"enum", std::move(values)}, {"description", std::move(description)}};
  }
  return Reference(name);
}

Json SchemaSet::Single(const FieldDescriptor* field) {
  switch (field->type()) {
    case FieldDescriptor::TYPE_MESSAGE:
    case FieldDescriptor::TYPE_GROUP:
      return Message(field->message_type());
    case FieldDescriptor::TYPE_ENUM:
      return Enum(field->enum_type());
    case FieldDescriptor::TYPE_BOOL:
      return {{"type", "boolean"}};
    case FieldDescriptor::TYPE_STRING:
      return {{"type", "string"}};
    case FieldDescriptor::TYPE_BYTES:
      return {{"type", "string"}, {"contentEncoding", "base64"}};
    case FieldDescriptor::TYPE_DOUBLE:
      return {{"type", "number"}, {"format", "double"}};
    case FieldDescriptor::TYPE_FLOAT:
      return {{"type", "number"}, {"format", "float"}};
    case FieldDescriptor::TYPE_UINT32:
    case FieldDescriptor::TYPE_FIXED32:
      return {{"type", "integer"}, {"minimum", 0}, {"maximum", 4294967295u}};
    case FieldDescriptor::TYPE_UINT64:
    case FieldDescriptor::TYPE_FIXED64:
      return {{"type", "string"}, {"format", "uint64"}};
    case FieldDescriptor::TYPE_INT64:
    case FieldDescriptor::TYPE_SINT64:
    case FieldDescriptor::TYPE_SFIXED64:
      return {{"type", "string"}, {"format", "int64"}};
    case FieldDescriptor::TYPE_INT32:
    case FieldDescriptor::TYPE_SINT32:
    case FieldDescriptor::TYPE_SFIXED32:
      return {{"type", "integer"}, {"format", "int32"}};
  }
  return Json::object();
}

Json SchemaSet::Field(const FieldDescriptor* field) {
  Json schema;
  if (field->is_map()) {
    schema = {{"type", "object"},
              {"additionalProperties", Single(field->message_type()->map_value())}};
  } else if (field->is_repeated()) {
    schema = {{"type", "array"}, {"items", Single(field)}};
  } else {
    schema = Single(field);
  }
  std::string comment = comments_.Of(field);
  if (const auto* oneof = field->real_containing_oneof(); oneof != nullptr) {
    absl::StrAppend(&comment, comment.empty() ? "" : "\n\n", "At most one member of `",
                    std::string(oneof->name()), "` is set.");
  }
  if (!comment.empty()) schema["description"] = std::move(comment);
  return schema;
}

}  // namespace ragmesh::bridge
