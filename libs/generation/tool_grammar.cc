#include "libs/generation/tool_grammar.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/grammar/code_points.h"
#include "libs/grammar/json_rules.h"
#include "libs/grammar/json_schema.h"
#include "libs/grammar/rules.h"
#include "libs/text/bounded_json.h"

namespace ragmesh::generation {
namespace {

using grammar::CodePoints;
using grammar::NodeId;
using grammar::RuleId;
using grammar::Rules;
using stages::Tool;
using stages::ToolChoice;

absl::Status AtField(const absl::Status& status, const std::string& field) {
  ErrorDetail detail = GetErrorDetail(status).value_or(ErrorDetail());
  detail.field = field;
  return MakeError(status.code(), absl::StrCat(field, ": ", absl::string_view(status.message())),
                   detail);
}

class ToolRules {
 public:
  ToolRules(const ToolFormat& format, const std::vector<Tool>& tools, const grammar::Limits& limits,
            Rules* rules)
      : format_(format), tools_(tools), limits_(limits), rules_(*rules), json_(rules) {}

  absl::StatusOr<RuleId> Compile(const ToolChoice& choice) {
    if (choice.mode == ToolChoice::Mode::kNone) return rules_.Add("text", Text());
    RAGMESH_ASSIGN_OR_RETURN(const NodeId calls, Calls(choice));
    if (choice.mode == ToolChoice::Mode::kRequired) return rules_.Add("calls", calls);
    // Calls that nothing opens stand in place of text, others behind it.
    if (format_.open.empty()) return rules_.Add("answer", rules_.Choice({calls, Text()}));
    return rules_.Add("answer", rules_.Sequence({Text(), rules_.Optional(calls)}));
  }

 private:
  absl::StatusOr<NodeId> Calls(const ToolChoice& choice) {
    std::vector<NodeId> each;
    for (std::size_t i = 0; i < tools_.size(); ++i) {
      if (!choice.name.empty() && tools_[i].name != choice.name) continue;
      auto arguments = Arguments(tools_[i], i);
      if (!arguments.ok()) return arguments.status();
      each.push_back(
          rules_.Sequence({rules_.Literal(tools_[i].name), Spelled(format_.between), *arguments}));
    }
    const NodeId call = rules_.Ref(rules_.Add("call", rules_.Choice(each)));
    std::vector<NodeId> parts;
    if (!format_.also_open.empty()) parts.push_back(rules_.Optional(Spelled(format_.also_open)));
    parts.push_back(Spelled(format_.before));
    parts.push_back(call);
    if (!choice.single && !format_.next.empty()) {
      const NodeId further = rules_.Sequence({Spelled(format_.next), call});
      parts.push_back(rules_.Repeat(further, 0, grammar::kUnbounded));
    }
    parts.push_back(Spelled(format_.after));
    return rules_.Sequence(parts);
  }

  absl::StatusOr<NodeId> Arguments(const Tool& tool, std::size_t index) {
    if (tool.parameters.empty()) return rules_.Literal("{}");
    const std::string field = absl::StrCat("tools[", index, "].parameters");
    RAGMESH_ASSIGN_OR_RETURN(
        auto schema, text::ParseOrderedJson(tool.parameters, field, {limits_.max_text_bytes, 64}));
    if (!schema.is_object())
      return InvalidField(field, "must be a JSON Schema", "Send a schema of type object.");
    // Arguments are an object, whatever else the schema would allow.
    const auto type = schema.find("type");
    if (type == schema.end()) {
      schema["type"] = "object";
    } else if (*type != "object") {
      return InvalidField(field, "must be a schema of type object",
                          "Put the value into a property.");
    }
    // Kept apart until it is known whether it compiles: half of a schema would stay in the rules.
    Rules trial(limits_.max_nodes);
    const absl::Status fits = grammar::ReadJsonSchema(schema, limits_, &trial).status();
    const auto detail = GetErrorDetail(fits);
    if (detail.has_value() && detail->reason == "UNSUPPORTED_SCHEMA" && !tool.strict)
      return json_.Object();
    if (!fits.ok()) return AtField(fits, field);
    RAGMESH_ASSIGN_OR_RETURN(const RuleId rule, grammar::ReadJsonSchema(schema, limits_, &rules_));
    return rules_.Ref(rule);
  }

  NodeId AnyNumberOf(const CodePoints& points) {
    return rules_.Repeat(rules_.Class(points), 0, grammar::kUnbounded);
  }

  // What the template writes, with ids in their places.
  NodeId Spelled(absl::string_view text) {
    const NodeId letter = rules_.Class({{'0', '9'}, {'A', 'Z'}, {'a', 'z'}});
    std::vector<NodeId> parts;
    while (!text.empty()) {
      const std::size_t id = std::min(text.find(kIdMark), text.size());
      parts.push_back(id > 0 ? rules_.Literal(text.substr(0, id)) : letter);
      text.remove_prefix(std::max<std::size_t>(id, 1));
    }
    return rules_.Sequence(parts);
  }

  NodeId Text() {
    if (format_.open.empty()) {
      std::vector<std::string> fronts;
      for (const Tool& tool : tools_)
        fronts.push_back(absl::StrCat(format_.before, tool.name, format_.between.substr(0, 1)));
      std::sort(fronts.begin(), fronts.end());
      return NotBeginningWith(fronts, 0, CodePoints::All());
    }
    // No text holds a mark.
    if (format_.open[0] == kControlMark) return AnyNumberOf(CodePoints::All());
    return WithoutOpener();
  }

  // Text falls apart before each first character of the opener, which is not in it again: the
  // opener is not in the text when no part begins with it.
  NodeId WithoutOpener() {
    std::size_t at = 0;
    char32_t first = 0;
    grammar::DecodeCodePoint(format_.open, &at, &first);
    const CodePoints others = CodePoints::All().Without({{first, first}});
    const NodeId part = rules_.Sequence(
        {rules_.Literal(format_.open.substr(0, at)), NotBeginningWith({format_.open}, at, others)});
    return rules_.Sequence({AnyNumberOf(others), rules_.Repeat(part, 0, grammar::kUnbounded)});
  }

  // Texts of `points` that do not go on as the sorted `words` do from byte `at` on, where these are
  // alike before.
  NodeId NotBeginningWith(const std::vector<std::string>& words, std::size_t at,
                          const CodePoints& points) {
    std::vector<NodeId> ways = {rules_.Sequence({})};
    CodePoints taken;
    for (std::size_t i = 0; i < words.size();) {
      std::size_t end = at;
      char32_t next = 0;
      grammar::DecodeCodePoint(words[i], &end, &next);
      const std::string head = words[i].substr(at, end - at);
      std::vector<std::string> alike;
      bool whole = false;
      for (; i < words.size() && words[i].compare(at, head.size(), head) == 0; ++i) {
        whole |= words[i].size() == end;
        alike.push_back(words[i]);
      }
      taken = taken.Or({{next, next}});
      if (!whole && points.Contains(next))
        ways.push_back(
            rules_.Sequence({rules_.Literal(head), NotBeginningWith(alike, end, points)}));
    }
    ways.push_back(rules_.Sequence({rules_.Class(points.Without(taken)), AnyNumberOf(points)}));
    return rules_.Choice(ways);
  }

  const ToolFormat& format_;
  const std::vector<Tool>& tools_;
  const grammar::Limits& limits_;
  Rules& rules_;
  grammar::JsonRules json_;
};

}  // namespace

absl::StatusOr<grammar::Grammar::Ptr> ToolGrammar(const ToolFormat& format,
                                                  const std::vector<stages::Tool>& tools,
                                                  const stages::ToolChoice& choice) {
  const grammar::Limits limits;
  Rules rules(limits.max_nodes);
  RAGMESH_ASSIGN_OR_RETURN(const RuleId root,
                           ToolRules(format, tools, limits, &rules).Compile(choice));
  return grammar::Grammar::FromRules(rules, root, limits);
}

}  // namespace ragmesh::generation
