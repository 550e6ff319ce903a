// Which texts a model may write. Three ways to say it, one compiled form:
//
//   GBNF, llama.cpp's grammar format     Grammar::ParseGbnf("root ::= \"yes\" | \"no\"")
//   JSON Schema, a subset                Grammar::FromJsonSchema(R"({"type": "integer"})")
//   any JSON object                      Grammar::AnyJson()
//
// How an engine uses it, per vocabulary, per grammar and per stream:
//
//   auto tokens = TokenTable::Create(bytes_of_each_token, never_allowed);        // once
//   auto constraint = Constraint::Create(grammar, *tokens);                      // keep and share
//   Matcher matcher(*constraint);                                                // of one stream
//   each step:
//     RETURN_IF_ERROR(matcher.Mask(mask));              // bit i: token i may come next
//     if (matcher.CanEnd()) set the bits of the ends of text in `mask`
//     if no bit is set: end the stream (the vocabulary can't write what must come)
//     token = sample(logits under mask)
//     if token is an end of text: done, else matcher.Accept(token)
//   to speculate: Matcher ahead = matcher;              // cheap, then `matcher = ahead` to commit
#ifndef RAGMESH_LIBS_GRAMMAR_GRAMMAR_H_
#define RAGMESH_LIBS_GRAMMAR_GRAMMAR_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/grammar/automaton.h"
#include "libs/grammar/limits.h"

namespace ragmesh::grammar {

// Immutable, thread-safe, shared.
class Grammar {
 public:
  using Ptr = std::shared_ptr<const Grammar>;

  // As documented in docs/formats/grammars.md. INVALID_ARGUMENT / BAD_GRAMMAR names line, column
  // and cause; LEFT_RECURSION and MATCHES_NOTHING as CompileAutomaton; RESOURCE_EXHAUSTED /
  // LIMIT_EXCEEDED over a limit.
  static absl::StatusOr<Ptr> ParseGbnf(absl::string_view text, const Limits& limits = {});

  // JSON texts that are valid under `schema`, in its own order of properties and with bounded
  // whitespace; the subset is documented in docs/formats/grammars.md. INVALID_ARGUMENT /
  // UNSUPPORTED_SCHEMA names a keyword outside the subset, where it stands (JSON pointer), and what
  // is supported; INVALID_ARGUMENT / BAD_SCHEMA a value that no schema may have.
  static absl::StatusOr<Ptr> FromJsonSchema(absl::string_view schema, const Limits& limits = {});

  // What `root` matches, for those who put rules together themselves. Errors as of
  // CompileAutomaton, and LIMIT_EXCEEDED when there were too many nodes.
  static absl::StatusOr<Ptr> FromRules(const Rules& rules, RuleId root, const Limits& limits = {});

  // JSON mode: any JSON object.
  static Ptr AnyJson();

  const Automaton& automaton() const { return automaton_; }

 private:
  explicit Grammar(Automaton automaton) : automaton_(std::move(automaton)) {}

  const Automaton automaton_;
};

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_GRAMMAR_H_
