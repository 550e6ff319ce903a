#include "libs/chat_template/interpreter.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/chat_template/lexer.h"

namespace ragmesh::chat_template {
const Value* Arguments::Find(std::size_t index, absl::string_view name) const {
  if (index < positional.size()) return &positional[index];
  for (const auto& [known, value] : named) {
    if (known == name) return &value;
  }
  return nullptr;
}

absl::StatusOr<Text> Interpreter::Run(const Body& body,
                                      std::vector<std::pair<std::string, Value>> globals) {
  Scope* builtins = NewScope(nullptr);
  static constexpr std::pair<const char*, Callable::Kind> kFunctions[] = {
      {"raise_exception", Callable::Kind::kRaise},
      {"strftime_now", Callable::Kind::kStrftime},
      {"range", Callable::Kind::kRange},
      {"namespace", Callable::Kind::kNamespace},
      {"dict", Callable::Kind::kDict}};
  for (const auto& [name, kind] : kFunctions) {
    Callable callable;
    callable.kind = kind;
    builtins->names.emplace_back(name, NewCallable(callable));
  }
  scope_ = NewScope(builtins);
  scope_->names = std::move(globals);
  Text out;
  Execute(body, &out);
  if (!ok()) return status_;
  return out;
}

Value Interpreter::Fail(absl::string_view problem) {
  if (ok()) {
    status_ = MakeError(absl::StatusCode::kInvalidArgument,
                        absl::StrCat("chat template, line ", line_, ": ", Shortened(problem)),
                        {.reason = "TEMPLATE_FAILED"});
  }
  return Undefined{};
}

Value Interpreter::OutOf(absl::string_view what) {
  if (ok()) {
    status_ = MakeError(
        absl::StatusCode::kResourceExhausted,
        absl::StrCat("chat template, line ", line_, ": over its limit of ", what),
        {.reason = "TEMPLATE_LIMIT",
         .next_step = "Send a shorter conversation, or use a model with a plainer template."});
  }
  return Undefined{};
}

bool Interpreter::Charge(std::size_t bytes) {
  memory_ += bytes;
  return Work(1 + bytes / 256) && ok();
}

bool Interpreter::Work(std::size_t steps) {
  steps_ += steps;
  if (steps_ > limits_.steps) OutOf("steps");
  if (memory_ > limits_.memory_bytes) OutOf("memory");
  return ok();
}

Text Interpreter::Printed(const Value& value) {
  Text text = chat_template::ToText(value, limits_.output_bytes);
  Work(text.bytes.size() / (IsString(value) ? 256 : 8));
  return text;
}

bool Interpreter::Same(const Value& a, const Value& b) {
  const std::size_t before = limits_.steps - std::min(steps_, limits_.steps);
  std::size_t budget = before;
  const bool same = Equal(a, b, &budget);
  if (budget == 0) OutOf("steps");
  return Work(before - budget) && same;
}

Value* Interpreter::FindEntry(Dict* dict, const Value& key) {
  if (IsString(key)) {
    const std::string& bytes = AsText(key).bytes;
    return Work((dict->entries.size() + bytes.size()) / 16) ? dict->Find(bytes) : nullptr;
  }
  for (auto& [known, value] : dict->entries) {
    if (Same(known, key)) return &value;
    if (!ok()) break;
  }
  return nullptr;
}

void Interpreter::SetEntry(Dict* dict, const Value& key, Value value) {
  Value* const found = FindEntry(dict, key);
  if (!ok()) return;
  if (found == nullptr) {
    dict->entries.emplace_back(key, std::move(value));
  } else {
    *found = std::move(value);
  }
}

Value Interpreter::NewString(Text text) {
  Charge(text.bytes.size() + text.marks.size());
  return MakeString(std::move(text));
}

List* Interpreter::NewList(bool tuple) {
  Charge(sizeof(List));
  lists_.push_back({{}, tuple});
  return &lists_.back();
}

Dict* Interpreter::NewDict() {
  Charge(sizeof(Dict));
  return &dicts_.emplace_back();
}

Scope* Interpreter::NewScope(Scope* parent) {
  Charge(sizeof(Scope));
  scopes_.push_back({parent, {}});
  return &scopes_.back();
}

const Callable* Interpreter::NewCallable(Callable callable) {
  Charge(sizeof(Callable));
  callables_.push_back(callable);
  return &callables_.back();
}

void Interpreter::Define(Scope* scope, const std::string& name, Value value) {
  if (!Work(scope->names.size() / 16)) return;
  for (auto& [known, old] : scope->names) {
    if (known == name) {
      old = std::move(value);
      return;
    }
  }
  Charge(sizeof(Value) + name.size());
  scope->names.emplace_back(name, std::move(value));
}

void Interpreter::Append(const Text& text, Text* out) {
  if (!Charge(text.bytes.size())) return;
  out->Append(text);
  if (out->bytes.size() > limits_.output_bytes) OutOf("output");
}

Interpreter::Flow Interpreter::Execute(const Body& body, Text* out) {
  const Deeper deeper(&depth_);
  if (depth_ > limits_.depth) OutOf("depth");
  for (const StatementPtr& statement : body) {
    line_ = statement->line;
    if (!Charge()) return Flow::kNext;
    const Flow flow = ExecuteOne(*statement, out);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::ExecuteOne(const Statement& statement, Text* out) {
  using StatementKind = Statement::Kind;
  switch (statement.kind) {
    case StatementKind::kData:
      Append(Text(statement.text), out);
      return Flow::kNext;
    case StatementKind::kPrint:
      Append(Printed(Evaluate(*statement.expression)), out);
      return Flow::kNext;
    case StatementKind::kIf:
      for (const Statement::Branch& branch : statement.branches) {
        if (branch.condition == nullptr || Truthy(Evaluate(*branch.condition)))
          return Execute(branch.body, out);
        if (!ok()) break;
      }
      return Flow::kNext;
    case StatementKind::kFor:
      return ExecuteFor(statement, out);
    case StatementKind::kSet:
      ExecuteSet(statement);
      return Flow::kNext;
    case StatementKind::kMacro: {
      Callable macro;
      macro.kind = Callable::Kind::kMacro;
      macro.statement = &statement;
      macro.scope = scope_;
      Define(scope_, statement.text, NewCallable(macro));
      return Flow::kNext;
    }
    case StatementKind::kFilterBlock: {
      Text inner;
      Scope* outer = std::exchange(scope_, NewScope(scope_));
      const Flow flow = Execute(statement.body, &inner);
      scope_ = outer;
      Append(Printed(ApplyFilter(*statement.expression, NewString(std::move(inner)))), out);
      return flow;
    }
    case StatementKind::kCallBlock: {
      Callable caller;
      caller.kind = Callable::Kind::kCaller;
      caller.statement = &statement;
      caller.scope = scope_;
      Scope* outer = std::exchange(scope_, NewScope(scope_));
      Define(scope_, "caller", NewCallable(caller));
      Append(Printed(Evaluate(*statement.expression)), out);
      scope_ = outer;
      return Flow::kNext;
    }
    case StatementKind::kScope: {
      Scope* inner = NewScope(scope_);
      for (std::size_t i = 0; i < statement.targets.size(); ++i) {
        Define(inner, statement.targets[i].name, Evaluate(*statement.values[i]));
      }
      Scope* outer = std::exchange(scope_, inner);
      const Flow flow = Execute(statement.body, out);
      scope_ = outer;
      return flow;
    }
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::ExecuteFor(const Statement& statement, Text* out) {
  Scope* outer = scope_;
  std::vector<Value> items = Iterate(Evaluate(*statement.expression));
  if (statement.condition != nullptr) {
    std::vector<Value> kept;
    for (Value& item : items) {
      scope_ = NewScope(outer);
      Assign(statement.targets, item);
      if (Truthy(Evaluate(*statement.condition))) kept.push_back(std::move(item));
      if (!ok()) break;
    }
    items = std::move(kept);
  }
  Flow flow = Flow::kNext;
  Dict* loop = NewDict();
  for (std::size_t i = 0; i < items.size() && ok(); ++i) {
    scope_ = NewScope(outer);
    if (i > 0) loop = NewDict();
    const auto index = static_cast<std::int64_t>(i), size = static_cast<std::int64_t>(items.size());
    Callable cycle;
    cycle.kind = Callable::Kind::kCycle;
    cycle.index = i;
    const std::pair<const char*, Value> facts[] = {
        {"index", index + 1},
        {"index0", index},
        {"revindex", size - index},
        {"revindex0", size - index - 1},
        {"first", i == 0},
        {"last", index + 1 == size},
        {"length", size},
        {"previtem", i > 0 ? items[i - 1] : Undefined{"previtem"}},
        {"nextitem", index + 1 < size ? items[i + 1] : Undefined{"nextitem"}},
        {"cycle", NewCallable(cycle)}};
    for (const auto& [name, value] : facts) loop->entries.emplace_back(MakeString(name), value);
    Charge(1024);
    Define(scope_, "loop", loop);
    Assign(statement.targets, items[i]);
    flow = Execute(statement.body, out);
    if (flow == Flow::kBreak) break;
  }
  scope_ = outer;
  if (items.empty() && ok()) {
    scope_ = NewScope(outer);
    const Flow else_flow = Execute(statement.else_body, out);
    scope_ = outer;
    return else_flow;
  }
  return Flow::kNext;
}

void Interpreter::ExecuteSet(const Statement& statement) {
  if (statement.expression != nullptr)
    return Assign(statement.targets, Evaluate(*statement.expression));
  Text inner;
  Scope* outer = std::exchange(scope_, NewScope(scope_));
  Execute(statement.body, &inner);
  scope_ = outer;
  Value value = NewString(std::move(inner));
  if (statement.condition != nullptr) value = ApplyFilter(*statement.condition, value);
  Assign(statement.targets, value);
}

void Interpreter::Assign(const std::vector<Statement::Target>& targets, const Value& value) {
  if (!ok()) return;
  if (targets.size() == 1) {
    const Statement::Target& target = targets[0];
    if (target.attribute.empty()) return Define(scope_, target.name, value);
    const Value base = Lookup(target.name);
    if (!Is<Dict*>(base) || !std::get<Dict*>(base)->is_namespace) {
      Fail(absl::StrCat(target.name, " is not a namespace"));
      return;
    }
    Charge(sizeof(Value) * 2 + target.attribute.size());
    return SetEntry(std::get<Dict*>(base), MakeString(target.attribute), value);
  }
  const std::vector<Value> parts = Iterate(value);
  if (!ok()) return;
  if (parts.size() != targets.size()) {
    Fail(absl::StrCat("cannot unpack ", parts.size(), " values into ", targets.size()));
    return;
  }
  for (std::size_t i = 0; i < targets.size(); ++i) Assign({targets[i]}, parts[i]);
}

}  // namespace ragmesh::chat_template
