// Calls of tools as a grammar, in a model's own format.
#ifndef RAGMESH_LIBS_GENERATION_TOOL_GRAMMAR_H_
#define RAGMESH_LIBS_GENERATION_TOOL_GRAMMAR_H_

#include <vector>

#include "absl/status/statusor.h"
#include "libs/generation/tool_format.h"
#include "libs/grammar/grammar.h"
#include "libs/stages/tools.h"

namespace ragmesh::generation {

// The texts that a model may write with these tools. When a call is required: calls and nothing
// else. When the model decides: text, which holds nothing that opens a call, and then calls or
// nothing. When none may be made: such text alone. Arguments are valid under the parameters of
// their tool; where those are outside the grammar's subset and the tool is not strict, any object.
//
// Control tokens of the format are spelled behind kControlMark: the table of tokens that the
// grammar is used with has to spell them so, too.
//
// `tools` and `choice` have passed stages::CheckTools and CheckToolChoice. Errors are those of
// Grammar::FromJsonSchema, with the field of the tool; LIMIT_EXCEEDED for all schemas together.
absl::StatusOr<grammar::Grammar::Ptr> ToolGrammar(const ToolFormat& format,
                                                  const std::vector<stages::Tool>& tools,
                                                  const stages::ToolChoice& choice);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_TOOL_GRAMMAR_H_
