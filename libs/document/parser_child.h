// The parser process: this same program, started again by SandboxedLoader with one hidden argument.
// Same program rather than a second binary, so that images hold one file and versions cannot
// differ; started again rather than forked, because a service has threads.
#ifndef RAGMESH_LIBS_DOCUMENT_PARSER_CHILD_H_
#define RAGMESH_LIBS_DOCUMENT_PARSER_CHILD_H_

#include "absl/strings/string_view.h"

namespace ragmesh::document {

inline constexpr char kParserChildArgument[] = "--ragmesh-parser-child";

// Runs after the sandbox is closed, before the parse, on the document's bytes. Only test programs
// have one: it is how they put hostile code where a parser would be.
using ParserChildHook = void (*)(absl::string_view bytes);

// The first line of main() in every program that makes a SandboxedLoader. Returns at once in an
// ordinary start; in a parser process it parses one document and does not return.
void MaybeRunParserChild(int argc, char** argv, ParserChildHook hook = nullptr);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_PARSER_CHILD_H_
