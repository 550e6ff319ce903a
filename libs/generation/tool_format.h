// How a model writes calls of tools, found from its own chat template.
#ifndef RAGMESH_LIBS_GENERATION_TOOL_FORMAT_H_
#define RAGMESH_LIBS_GENERATION_TOOL_FORMAT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/chat_template/chat_template.h"

namespace ragmesh::generation {

// Stands before the spelling of a control token, and so tells it from the same letters as text: no
// UTF-8 holds this byte.
inline constexpr char kControlMark = '\xFF';
// Stands for a letter or digit of a call's id. Ids have kCallIdBytes of them, which every known
// template takes.
inline constexpr char kIdMark = '\xFE';
inline constexpr std::size_t kCallIdBytes = 9;

// The text of calls is
//   before NAME between ARGUMENTS [ next NAME between ARGUMENTS ]... after
// where ARGUMENTS is a JSON object. Examples of `before`, `between` and `after`:
//   Hermes, Qwen   <tool_call>\n{"name": "   ", "arguments":    }\n</tool_call>
//   Llama 3        {"name": "                ", "parameters":   }
//   Mistral        [TOOL_CALLS][{"name": "   ", "arguments":    , "id": "....."}]
//   Mistral        [TOOL_CALLS]              [ARGS]
//   functionary    <function=                >                  </function>
struct ToolFormat {
  std::string before, between, next, after;  // `next` is empty when there is one call at a time
  // Name and arguments are members of one object, for readers that do not insist on spelling.
  bool is_object = false;
  // What tells a call from text, the beginning of `before`. Empty: calls are objects that begin the
  // text. Unless it begins with a control token, its first character does not occur in it again.
  std::string open;
  // A control token that may stand before calls that nothing opens (Llama's <|python_tag|>), or
  // nothing.
  std::string also_open;
  std::string close;     // between the last brace or bracket and the end, or nothing
  bool typed_arguments;  // the template is given arguments as an object; otherwise as text
};

// What a template is rendered with, and which spellings of tokens mean more than their letters.
struct ToolFormatSource {
  const chat_template::ChatTemplate& chat_template;
  std::string bos, eos;
  std::vector<std::string> controls;  // spellings of control tokens
  std::vector<std::string> ends;      // spellings of ends of text
};

// Renders conversations with one and with three calls, and looks where their names and arguments
// stand. FAILED_PRECONDITION / NO_TOOL_FORMAT when the template does not write the tools it is
// given, or writes calls in another way than the above.
absl::StatusOr<ToolFormat> FindToolFormat(const ToolFormatSource& source);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_TOOL_FORMAT_H_
