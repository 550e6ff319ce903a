// JSON Schemas of proto messages as proto3 JSON writes them. Part of the OpenAPI document.
#ifndef RAGMESH_LIBS_BRIDGE_OPENAPI_SCHEMA_H_
#define RAGMESH_LIBS_BRIDGE_OPENAPI_SCHEMA_H_

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "nlohmann/json.hpp"

namespace ragmesh::bridge {

// Comments by full name, out of a descriptor set with source info.
class ProtoComments {
 public:
  absl::Status Load(absl::string_view descriptor_set);
  // In one paragraph a blank line apart; empty when there is none.
  std::string Of(const google::protobuf::Descriptor* message) const;
  std::string Of(const google::protobuf::FieldDescriptor* field) const;
  std::string Of(const google::protobuf::EnumDescriptor* type) const;
  std::string Of(const google::protobuf::EnumValueDescriptor* value) const;
  std::string Of(const google::protobuf::MethodDescriptor* method) const;
  std::string Of(const google::protobuf::ServiceDescriptor* service) const;

 private:
  google::protobuf::DescriptorPool pool_;
};

// Collects components/schemas as they are asked for.
class SchemaSet {
 public:
  using Json = nlohmann::ordered_json;
  explicit SchemaSet(const ProtoComments& comments) : comments_(comments) {}

  // A reference to the message's schema, which is added with all it reaches; well-known types are
  // written in place.
  Json Message(const google::protobuf::Descriptor* message);
  // The schema of one field's value, with its comment.
  Json Field(const google::protobuf::FieldDescriptor* field);
  // The message's fields except `without`, as a schema of its own under `name`; a reference to it.
  Json Partial(const google::protobuf::Descriptor* message, const std::set<std::string>& without,
               const std::string& name);
  // True for messages that JSON writes as one scalar or as free-form JSON.
  static bool IsWellKnown(const google::protobuf::Descriptor* message);

  Json Take() { return std::move(schemas_); }

 private:
  Json Properties(const google::protobuf::Descriptor* message,
                  const std::set<std::string>& without);
  Json Enum(const google::protobuf::EnumDescriptor* type);
  Json Single(const google::protobuf::FieldDescriptor* field);

  const ProtoComments& comments_;
  Json schemas_ = Json::object();
};

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_OPENAPI_SCHEMA_H_
