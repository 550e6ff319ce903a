// Formats of well-known templates, and what is read in them.
#ifndef RAGMESH_TESTS_UNIT_GENERATION_TOOL_CALLS_TESTING_H_
#define RAGMESH_TESTS_UNIT_GENERATION_TOOL_CALLS_TESTING_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/generation/tool_call_reader.h"
#include "libs/generation/tool_format.h"

namespace ragmesh::generation {

inline std::string Control(absl::string_view spelling) {
  return absl::StrCat(std::string(1, kControlMark), spelling);
}

inline ToolFormat Hermes() {
  return {.before = "<tool_call>\n{\"name\": \"",
          .between = "\", \"arguments\": ",
          .next = "}\n</tool_call>\n<tool_call>\n{\"name\": \"",
          .after = "}\n</tool_call>",
          .is_object = true,
          .open = "<tool_call>",
          .also_open = "",
          .close = "</tool_call>",
          .typed_arguments = true};
}

inline ToolFormat Llama() {
  return {.before = "{\"name\": \"",
          .between = "\", \"parameters\": ",
          .next = "",
          .after = "}",
          .is_object = true,
          .open = "",
          .also_open = Control("<|python_tag|>"),
          .close = "",
          .typed_arguments = true};
}

inline ToolFormat MistralList() {
  const std::string id(kCallIdBytes, kIdMark);
  return {.before = Control("[TOOL_CALLS]") + "[{\"name\": \"",
          .between = "\", \"arguments\": ",
          .next = ", \"id\": \"" + id + "\"}, {\"name\": \"",
          .after = ", \"id\": \"" + id + "\"}]",
          .is_object = true,
          .open = Control("[TOOL_CALLS]"),
          .also_open = "",
          .close = "",
          .typed_arguments = true};
}

inline ToolFormat MistralTagged() {
  return {.before = Control("[TOOL_CALLS]"),
          .between = Control("[ARGS]"),
          .next = Control("[TOOL_CALLS]"),
          .after = "",
          .is_object = false,
          .open = Control("[TOOL_CALLS]"),
          .also_open = "",
          .close = "",
          .typed_arguments = true};
}

inline ToolFormat MistralTaggedWithIds() {
  ToolFormat format = MistralTagged();
  format.between = Control("[CALL_ID]") + std::string(kCallIdBytes, kIdMark) + Control("[ARGS]");
  return format;
}

inline ToolFormat Functionary() {
  return {.before = "<function=",
          .between = ">",
          .next = "</function><function=",
          .after = "</function>",
          .is_object = false,
          .open = "<function=",
          .also_open = "",
          .close = "</function>",
          .typed_arguments = true};
}

struct ReadCall {
  std::string id, name, arguments;
  bool operator==(const ReadCall&) const = default;
};

struct ReadAnswer {
  std::string text;
  std::vector<ReadCall> calls;
  bool operator==(const ReadAnswer&) const = default;
};

// `pieces` one after the other, as the pieces of one answer; ids are "id0", "id1", ..
inline ReadAnswer ReadPieces(const ToolFormat& format, const std::vector<std::string>& pieces) {
  int ids = 0;
  ToolCallReader reader(format, {"get_weather", "get_time"},
                        [&ids] { return absl::StrCat("id", ids++); });
  ReadAnswer answer;
  const auto take = [&answer](const ToolCallReader::Piece& piece) {
    answer.text += piece.text;
    for (const stages::ToolCallDelta& delta : piece.calls) {
      if (answer.calls.size() <= delta.index) answer.calls.resize(delta.index + 1);
      answer.calls[delta.index].id += delta.id;
      answer.calls[delta.index].name += delta.name;
      answer.calls[delta.index].arguments += delta.arguments;
    }
  };
  for (const std::string& piece : pieces) take(reader.Add(piece));
  take(reader.Finish());
  return answer;
}

}  // namespace ragmesh::generation

#endif  // RAGMESH_TESTS_UNIT_GENERATION_TOOL_CALLS_TESTING_H_
