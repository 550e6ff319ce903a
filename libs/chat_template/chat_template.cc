#include "libs/chat_template/chat_template.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/chat_template/interpreter.h"
#include "libs/chat_template/parser.h"

namespace ragmesh::chat_template {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxSourceBytes = 1 << 20;  // the longest in circulation has 30 KB
constexpr int kMaxContextDepth = 60;

absl::StatusOr<Value> ToValue(const Json& json, bool foreign, bool message, int depth,
                              Interpreter* interpreter) {
  if (depth > kMaxContextDepth) return InvalidField("messages", "nest too deeply");
  switch (json.type()) {
    case Json::value_t::null:
      return Value(None{});
    case Json::value_t::boolean:
      return Value(json.get<bool>());
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return Value(json.get<std::int64_t>());
    case Json::value_t::number_float:
      return Value(json.get<double>());
    case Json::value_t::string:
      return MakeString(Text(json.get_ref<const std::string&>(), foreign));
    case Json::value_t::array: {
      List* list = interpreter->NewList();
      for (const Json& item : json) {
        RAGMESH_ASSIGN_OR_RETURN(Value value,
                                 ToValue(item, foreign, message, depth + 1, interpreter));
        list->items.push_back(std::move(value));
      }
      return Value(list);
    }
    case Json::value_t::object: {
      Dict* dict = interpreter->NewDict();
      for (const auto& [key, item] : json.items()) {
        const bool trusted = message && depth == 1 && key == "role";
        RAGMESH_ASSIGN_OR_RETURN(Value value,
                                 ToValue(item, foreign && !trusted, false, depth + 1, interpreter));
        dict->entries.emplace_back(MakeString(Text(key, foreign && depth > 1)), std::move(value));
      }
      return Value(dict);
    }
    default:
      return InvalidField("context", "holds bytes");
  }
}

}  // namespace

struct ChatTemplate::Compiled {
  Body body;
};

ChatTemplate::ChatTemplate(std::unique_ptr<const Compiled> compiled)
    : compiled_(std::move(compiled)) {}
ChatTemplate::~ChatTemplate() = default;

absl::StatusOr<std::unique_ptr<const ChatTemplate>> ChatTemplate::Parse(absl::string_view source) {
  if (source.size() > kMaxSourceBytes) {
    return LimitExceeded("chat_template", static_cast<long long>(source.size()), kMaxSourceBytes,
                         "bytes");
  }
  auto compiled = std::make_unique<Compiled>();
  RAGMESH_ASSIGN_OR_RETURN(compiled->body, ParseTemplate(source));
  return std::unique_ptr<const ChatTemplate>(new ChatTemplate(std::move(compiled)));
}

absl::StatusOr<Rendered> ChatTemplate::Render(const Json& context, absl::Time now,
                                              const RenderLimits& limits) const {
  Interpreter interpreter(limits, now);
  std::vector<std::pair<std::string, Value>> globals;
  for (const auto& [key, item] : context.items()) {
    const bool foreign = key == "messages" || key == "tools" || key == "documents";
    RAGMESH_ASSIGN_OR_RETURN(Value value,
                             ToValue(item, foreign, key == "messages", 0, &interpreter));
    globals.emplace_back(key, std::move(value));
  }
  RAGMESH_ASSIGN_OR_RETURN(Text text, interpreter.Run(compiled_->body, std::move(globals)));
  Rendered rendered;
  rendered.foreign = text.marks.empty() ? std::string(text.bytes.size(), 0) : std::move(text.marks);
  rendered.text = std::move(text.bytes);
  return rendered;
}

}  // namespace ragmesh::chat_template
