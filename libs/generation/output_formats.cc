#include "libs/generation/output_formats.h"

#include <string>
#include <vector>

#include "libs/base/status_macros.h"
#include "libs/generation/tool_grammar.h"
#include "libs/grammar/grammar.h"

namespace ragmesh::generation {
namespace {

constexpr std::size_t kKept = 16;

absl::StatusOr<grammar::Grammar::Ptr> Compile(const stages::OutputFormat& format) {
  switch (format.kind) {
    case stages::OutputFormat::Kind::kJsonSchema:
      return grammar::Grammar::FromJsonSchema(format.text);
    case stages::OutputFormat::Kind::kGrammar:
      return grammar::Grammar::ParseGbnf(format.text);
    case stages::OutputFormat::Kind::kJsonObject:
    case stages::OutputFormat::Kind::kText:
      break;
  }
  return grammar::Grammar::AnyJson();
}

}  // namespace

absl::StatusOr<OutputFormats::ConstraintPtr> OutputFormats::Find(
    const stages::OutputFormat& format) {
  if (format.kind == stages::OutputFormat::Kind::kText) return ConstraintPtr();
  Wanted wanted{.format = format};
  {
    absl::MutexLock lock(&mutex_);
    if (ConstraintPtr kept = FindKept(wanted); kept != nullptr) return kept;
  }
  RAGMESH_ASSIGN_OR_RETURN(const grammar::Grammar::Ptr compiled, Compile(format));
  RAGMESH_ASSIGN_OR_RETURN(const Table tokens, Tokens(/*with_tools=*/false));
  return Keep(std::move(wanted), compiled, tokens);
}

absl::StatusOr<OutputFormats::ConstraintPtr> OutputFormats::FindTools(
    const ToolFormat& format, const std::vector<stages::Tool>& tools,
    const stages::ToolChoice& choice) {
  Wanted wanted{.format = {}, .tools = tools, .choice = choice};
  // Descriptions are for the model alone.
  for (stages::Tool& tool : wanted.tools) tool.description.clear();
  {
    absl::MutexLock lock(&mutex_);
    if (ConstraintPtr kept = FindKept(wanted); kept != nullptr) return kept;
  }
  RAGMESH_ASSIGN_OR_RETURN(const grammar::Grammar::Ptr compiled,
                           ToolGrammar(format, tools, choice));
  RAGMESH_ASSIGN_OR_RETURN(const Table tokens, Tokens(/*with_tools=*/true));
  return Keep(std::move(wanted), compiled, tokens);
}

OutputFormats::ConstraintPtr OutputFormats::FindKept(const Wanted& wanted) {
  for (auto it = compiled_.begin(); it != compiled_.end(); ++it) {
    if (!(it->first == wanted)) continue;
    compiled_.splice(compiled_.begin(), compiled_, it);
    return it->second;
  }
  return nullptr;
}

absl::StatusOr<OutputFormats::ConstraintPtr> OutputFormats::Keep(Wanted wanted,
                                                                 grammar::Grammar::Ptr compiled,
                                                                 const Table& tokens) {
  RAGMESH_ASSIGN_OR_RETURN(auto constraint,
                           grammar::Constraint::Create(std::move(compiled), tokens));
  absl::MutexLock lock(&mutex_);
  if (ConstraintPtr kept = FindKept(wanted); kept != nullptr) return kept;
  compiled_.emplace_front(std::move(wanted), constraint);
  if (compiled_.size() > kKept) compiled_.pop_back();
  return constraint;
}

absl::StatusOr<OutputFormats::Table> OutputFormats::Tokens(bool with_tools) {
  absl::MutexLock lock(&tokens_mutex_);
  const bool apart = with_tools && !tool_controls_.empty();
  Table& table = apart ? tool_tokens_ : tokens_;
  if (table == nullptr) {
    RAGMESH_ASSIGN_OR_RETURN(table, MakeTable(apart));
  }
  return table;
}

absl::StatusOr<OutputFormats::Table> OutputFormats::MakeTable(bool with_tools) const {
  const text::DecoderTokenizer& tokenizer = *vocabulary_.tokenizer;
  std::vector<absl::string_view> bytes;
  std::vector<bool> never;
  for (std::uint32_t id = 0; id < tokenizer.size(); ++id) {
    bytes.push_back(tokenizer.Bytes(id));
    never.push_back(tokenizer.kind(id) == text::TokenKind::kControl);
  }
  for (const auto& [id, spelling] : tool_controls_) {
    if (!with_tools) break;
    bytes[id] = spelling;
    never[id] = false;
  }
  for (const std::uint32_t end : vocabulary_.end_ids) never[end] = true;
  return grammar::TokenTable::Create(bytes, never);
}

}  // namespace ragmesh::generation
