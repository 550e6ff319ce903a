#include "libs/generation/output_formats.h"

#include <string>
#include <vector>

#include "libs/base/status_macros.h"
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

absl::StatusOr<std::shared_ptr<grammar::Constraint>> OutputFormats::Find(
    const stages::OutputFormat& format) {
  if (format.kind == stages::OutputFormat::Kind::kText)
    return std::shared_ptr<grammar::Constraint>();
  absl::MutexLock lock(&mutex_);
  for (auto it = compiled_.begin(); it != compiled_.end(); ++it) {
    if (!(it->first == format)) continue;
    compiled_.splice(compiled_.begin(), compiled_, it);
    return it->second;
  }
  RAGMESH_ASSIGN_OR_RETURN(const grammar::Grammar::Ptr compiled, Compile(format));
  RAGMESH_ASSIGN_OR_RETURN(const auto tokens, Tokens());
  RAGMESH_ASSIGN_OR_RETURN(auto constraint, grammar::Constraint::Create(compiled, tokens));
  compiled_.emplace_front(format, constraint);
  if (compiled_.size() > kKept) compiled_.pop_back();
  return constraint;
}

absl::StatusOr<std::shared_ptr<const grammar::TokenTable>> OutputFormats::Tokens() {
  if (tokens_ != nullptr) return tokens_;
  const text::DecoderTokenizer& tokenizer = *vocabulary_.tokenizer;
  std::vector<absl::string_view> bytes;
  std::vector<bool> never;
  for (std::uint32_t id = 0; id < tokenizer.size(); ++id) {
    bytes.push_back(tokenizer.Bytes(id));
    never.push_back(tokenizer.kind(id) == text::TokenKind::kControl);
  }
  for (const std::uint32_t end : vocabulary_.end_ids) never[end] = true;
  RAGMESH_ASSIGN_OR_RETURN(tokens_, grammar::TokenTable::Create(bytes, never));
  return tokens_;
}

}  // namespace ragmesh::generation
