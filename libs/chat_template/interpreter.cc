#include "libs/chat_template/interpreter.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/chat_template/lexer.h"

namespace ragmesh::chat_template {
namespace {

using Kind = Expression::Kind;

class Deeper {
 public:
  explicit Deeper(int* depth) : depth_(depth) { ++*depth_; }
  ~Deeper() { --*depth_; }

 private:
  int* const depth_;
};

}  // namespace

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

Value Interpreter::Lookup(const std::string& name) {
  for (const Scope* scope = scope_; scope != nullptr; scope = scope->parent) {
    if (!Work(scope->names.size() / 16)) break;
    for (const auto& [known, value] : scope->names) {
      if (known == name) return value;
    }
  }
  return Undefined{name};
}

std::vector<Value> Interpreter::Iterate(const Value& value) {
  std::vector<Value> items;
  if (Is<List*>(value)) {
    items = std::get<List*>(value)->items;
  } else if (Is<Dict*>(value)) {
    for (const auto& entry : std::get<Dict*>(value)->entries) items.push_back(entry.first);
  } else if (IsString(value)) {
    const Text& text = AsText(value);
    Charge(text.bytes.size() * 64);
    for (std::size_t at = 0; at < text.bytes.size() && ok();) {
      const std::size_t next = at + CharacterOffset(absl::string_view(text.bytes).substr(at), 1);
      items.push_back(MakeString(text.Slice(at, next)));
      at = next;
    }
  } else if (!Is<Undefined>(value)) {
    Fail(absl::StrCat("a value of type ", TypeName(value), " cannot be looped over"));
  }
  Charge(items.size() * sizeof(Value));
  return items;
}

Value Interpreter::Evaluate(const Expression& expression) {
  const Deeper deeper(&depth_);
  if (depth_ > limits_.depth) return OutOf("depth");
  line_ = expression.line;
  if (!Charge()) return Undefined{};
  return EvaluateKind(expression);
}

Value Interpreter::EvaluateKind(const Expression& expression) {
  const auto operand = [&](std::size_t i) { return Evaluate(*expression.operands[i]); };
  switch (expression.kind) {
    case Kind::kConstant:
      return expression.value;
    case Kind::kName:
      return Lookup(expression.name);
    case Kind::kList:
    case Kind::kTuple: {
      List* list = NewList(expression.kind == Kind::kTuple);
      for (std::size_t i = 0; i < expression.operands.size(); ++i)
        list->items.push_back(operand(i));
      Charge(list->items.size() * sizeof(Value));
      return list;
    }
    case Kind::kDict: {
      Dict* dict = NewDict();
      for (std::size_t i = 0; i < expression.operands.size(); i += 2) {
        const Value key = operand(i);
        SetEntry(dict, key, operand(i + 1));
      }
      Charge(expression.operands.size() * sizeof(Value));
      return dict;
    }
    case Kind::kAttribute:
      return Attribute(operand(0), expression.name);
    case Kind::kItem: {
      const Value base = operand(0);
      return Item(base, operand(1));
    }
    case Kind::kSlice:
      return Slice(expression);
    case Kind::kCall:
      return Call(expression);
    case Kind::kFilter:
      return ApplyFilter(expression, operand(0));
    case Kind::kTest: {
      const Value value = operand(0);
      return ApplyTest(expression.name, value, EvaluateArguments(expression).positional);
    }
    case Kind::kNot:
      return !Truthy(operand(0));
    case Kind::kNegate: {
      const Value value = operand(0);
      if (Is<double>(value)) return -std::get<double>(value);
      if (IsNumber(value) && AsInt(value) != std::numeric_limits<std::int64_t>::min())
        return -AsInt(value);
      return Fail(absl::StrCat("cannot negate a value of type ", TypeName(value)));
    }
    case Kind::kAnd: {
      const Value left = operand(0);
      return Truthy(left) ? operand(1) : left;
    }
    case Kind::kOr: {
      const Value left = operand(0);
      return Truthy(left) ? left : operand(1);
    }
    case Kind::kBinary: {
      const Value left = operand(0);
      return Binary(expression.name, left, operand(1));
    }
    case Kind::kCompare: {
      Value left = operand(0);
      for (std::size_t i = 0; i < expression.operators.size() && ok(); ++i) {
        Value right = operand(i + 1);
        if (!Compare(expression.operators[i], left, right)) return false;
        left = std::move(right);
      }
      return ok();
    }
    case Kind::kChoose:
      if (Truthy(operand(1))) return operand(0);
      return expression.operands[2] != nullptr ? operand(2) : Value(Undefined{});
  }
  return Undefined{};
}

Value Interpreter::Attribute(const Value& base, absl::string_view name) {
  if (Is<Undefined>(base)) {
    return Fail(absl::StrCat("\"", std::get<Undefined>(base).name,
                             "\" is undefined, so it has no \"", name, "\""));
  }
  if (Is<Dict*>(base)) {
    Dict* const dict = std::get<Dict*>(base);
    const Value* found = Work(dict->entries.size() / 16) ? dict->Find(name) : nullptr;
    if (found != nullptr) return *found;
  }
  return Undefined{name};
}

Value Interpreter::Item(const Value& base, const Value& index) {
  if (!ok()) return Undefined{};
  if (Is<Undefined>(base)) {
    return Fail(
        absl::StrCat("\"", std::get<Undefined>(base).name, "\" is undefined, so it has no items"));
  }
  if (Is<Dict*>(base)) {
    const Value* found = FindEntry(std::get<Dict*>(base), index);
    return found != nullptr ? *found : Value(Undefined{Printed(index).bytes});
  }
  if (!Is<std::int64_t>(index) && !Is<bool>(index)) return Undefined{Printed(index).bytes};
  std::int64_t at = AsInt(index);
  if (Is<List*>(base)) {
    const std::vector<Value>& items = std::get<List*>(base)->items;
    if (at < 0) at += static_cast<std::int64_t>(items.size());
    if (at < 0 || at >= static_cast<std::int64_t>(items.size()))
      return Undefined{"an item past the end"};
    return items[static_cast<std::size_t>(at)];
  }
  if (IsString(base)) {
    const Text& text = AsText(base);
    const auto size = static_cast<std::int64_t>(CountCharacters(text.bytes));
    Work(text.bytes.size() / 256);
    if (at < 0) at += size;
    if (at < 0 || at >= size) return Undefined{"a character past the end"};
    const std::size_t begin = CharacterOffset(text.bytes, static_cast<std::size_t>(at));
    const std::size_t end = begin + CharacterOffset(absl::string_view(text.bytes).substr(begin), 1);
    return NewString(text.Slice(begin, end));
  }
  return Undefined{Printed(index).bytes};
}

Value Interpreter::Slice(const Expression& expression) {
  const Value base = Evaluate(*expression.operands[0]);
  std::int64_t parts[3] = {0, 0, 1};
  bool given[3] = {false, false, false};
  for (std::size_t i = 0; i < 3; ++i) {
    if (expression.operands[i + 1] == nullptr) continue;
    const Value part = Evaluate(*expression.operands[i + 1]);
    if (!ok() || Is<None>(part)) continue;
    if (!Is<std::int64_t>(part) && !Is<bool>(part)) return Fail("a slice needs whole numbers");
    parts[i] = AsInt(part);
    given[i] = true;
  }
  if (!ok()) return Undefined{};
  if (Is<Undefined>(base)) return Fail("an undefined value cannot be sliced");
  if (!IsString(base) && !Is<List*>(base))
    return Fail(absl::StrCat("a ", TypeName(base), " cannot be sliced"));
  if (parts[2] == 0) return Fail("the step of a slice is 0");
  const std::vector<Value> items = Iterate(base);
  // Python's rules for bounds; a step beyond the length picks at most one item.
  const auto size = static_cast<std::int64_t>(items.size());
  const std::int64_t step = std::clamp<std::int64_t>(parts[2], -size - 1, size + 1);
  const auto bound = [&](std::int64_t at) {
    if (at < 0) at = std::max<std::int64_t>(at + size, step < 0 ? -1 : 0);
    return std::min(at, step < 0 ? size - 1 : size);
  };
  const std::int64_t first = given[0] ? bound(parts[0]) : step < 0 ? size - 1 : 0;
  const std::int64_t last = given[1] ? bound(parts[1]) : step < 0 ? -1 : size;
  List* list = NewList(Is<List*>(base) && std::get<List*>(base)->tuple);
  Text text;
  for (std::int64_t at = first; step > 0 ? at < last : at > last; at += step) {
    const Value& item = items[static_cast<std::size_t>(at)];
    if (IsString(base)) {
      text.Append(AsText(item));
    } else {
      list->items.push_back(item);
    }
  }
  return IsString(base) ? NewString(std::move(text)) : Value(list);
}

Value Interpreter::Repeat(const Value& what, std::int64_t times) {
  times = std::max<std::int64_t>(times, 0);
  const std::size_t size =
      IsString(what) ? AsText(what).bytes.size() : std::get<List*>(what)->items.size();
  if (size > 0 && static_cast<std::size_t>(times) > limits_.output_bytes / size)
    return OutOf("memory");
  Text text;
  List* list = NewList();
  if (!Charge(size * static_cast<std::size_t>(times) * (IsString(what) ? 1 : sizeof(Value))))
    return Undefined{};
  for (std::int64_t i = 0; i < (size > 0 ? times : 0); ++i) {
    if (IsString(what)) {
      text.Append(AsText(what));
    } else {
      const std::vector<Value>& items = std::get<List*>(what)->items;
      list->items.insert(list->items.end(), items.begin(), items.end());
    }
  }
  return IsString(what) ? MakeString(std::move(text)) : Value(list);
}

Value Interpreter::Binary(const std::string& op, const Value& a, const Value& b) {
  if (!ok()) return Undefined{};
  if (op == "~" || (op == "+" && IsString(a) && IsString(b))) {
    Text text = Printed(a);
    text.Append(Printed(b));
    return NewString(std::move(text));
  }
  if (op == "+" && Is<List*>(a) && Is<List*>(b)) {
    List* joined = NewList(std::get<List*>(a)->tuple);
    for (const Value* part : {&a, &b}) {
      const std::vector<Value>& items = std::get<List*>(*part)->items;
      joined->items.insert(joined->items.end(), items.begin(), items.end());
    }
    Charge(joined->items.size() * sizeof(Value));
    return joined;
  }
  if (op == "*" && (IsString(a) || Is<List*>(a)) && (Is<std::int64_t>(b) || Is<bool>(b)))
    return Repeat(a, AsInt(b));
  if (op == "*" && (IsString(b) || Is<List*>(b)) && (Is<std::int64_t>(a) || Is<bool>(a)))
    return Repeat(b, AsInt(a));
  if (!IsNumber(a) || !IsNumber(b)) {
    return Fail(absl::StrCat("cannot do ", TypeName(a), " ", op, " ", TypeName(b)));
  }
  const bool divides = op == "/" || op == "//" || op == "%";
  if (divides && AsDouble(b) == 0) return Fail("division by zero");
  if (op == "/") return AsDouble(a) / AsDouble(b);
  if (Is<double>(a) || Is<double>(b) || (op == "**" && AsDouble(b) < 0)) {
    const double x = AsDouble(a), y = AsDouble(b);
    if (op == "+") return x + y;
    if (op == "-") return x - y;
    if (op == "*") return x * y;
    if (op == "//") return std::floor(x / y);
    if (op == "%") return x - y * std::floor(x / y);
    return std::pow(x, y);
  }
  const std::int64_t x = AsInt(a), y = AsInt(b);
  std::int64_t result = 0;
  bool overflow = false;
  if (op == "+") {
    overflow = __builtin_add_overflow(x, y, &result);
  } else if (op == "-") {
    overflow = __builtin_sub_overflow(x, y, &result);
  } else if (op == "*") {
    overflow = __builtin_mul_overflow(x, y, &result);
  } else if (op == "**") {
    result = 1;
    if (y > 64 && x != 0 && x != 1 && x != -1) overflow = true;
    for (std::int64_t i = 0; i < (y > 64 ? 64 + y % 2 : y) && !overflow; ++i) {
      overflow = __builtin_mul_overflow(result, x, &result);
    }
  } else if (x == std::numeric_limits<std::int64_t>::min() && y == -1) {
    overflow = op == "//";
  } else {
    const std::int64_t quotient = x / y, rest = x % y;
    const bool down = rest != 0 && (rest < 0) != (y < 0);  // Python rounds towards minus infinity
    result = op == "//" ? quotient - (down ? 1 : 0) : rest + (down ? y : 0);
  }
  return overflow ? Fail("a number is too large") : Value(result);
}

bool Interpreter::Less(const Value& a, const Value& b) {
  if (IsNumber(a) && IsNumber(b)) {
    return Is<double>(a) || Is<double>(b) ? AsDouble(a) < AsDouble(b) : AsInt(a) < AsInt(b);
  }
  if (IsString(a) && IsString(b)) {
    const std::string &x = AsText(a).bytes, &y = AsText(b).bytes;
    return Work(std::min(x.size(), y.size()) / 256) && x < y;
  }
  if (Is<List*>(a) && Is<List*>(b)) {
    const Deeper deeper(&depth_);
    if (depth_ > limits_.depth) OutOf("depth");
    const std::vector<Value>&x = std::get<List*>(a)->items, &y = std::get<List*>(b)->items;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()) && ok(); ++i) {
      if (!Same(x[i], y[i])) return ok() && Less(x[i], y[i]);
    }
    return x.size() < y.size();
  }
  Fail(absl::StrCat("cannot compare ", TypeName(a), " with ", TypeName(b)));
  return false;
}

bool Interpreter::Compare(const std::string& op, const Value& a, const Value& b) {
  if (!ok()) return false;
  if (op == "==") return Same(a, b);
  if (op == "!=") return !Same(a, b);
  if (op == "<") return Less(a, b);
  if (op == ">") return Less(b, a);
  if (op == "<=") return !Less(b, a);
  if (op == ">=") return !Less(a, b);
  return Contains(b, a) == (op == "in");
}

bool Interpreter::Contains(const Value& container, const Value& item) {
  if (IsString(container)) {
    if (!IsString(item)) {
      Fail(absl::StrCat("a ", TypeName(item), " cannot be in a string"));
      return false;
    }
    const std::string &text = AsText(container).bytes, &part = AsText(item).bytes;
    return Work((text.size() + part.size()) / 256) && FindPart(text, part, 0) != std::string::npos;
  }
  if (Is<Dict*>(container)) {
    return FindEntry(std::get<Dict*>(container), item) != nullptr;
  }
  if (Is<List*>(container)) {
    const std::vector<Value>& items = std::get<List*>(container)->items;
    return std::any_of(items.begin(), items.end(),
                       [&](const Value& one) { return !ok() || Same(one, item); });
  }
  if (!Is<Undefined>(container)) Fail(absl::StrCat("nothing is in a ", TypeName(container)));
  return false;
}

Arguments Interpreter::EvaluateArguments(const Expression& expression) {
  Arguments arguments;
  for (std::size_t i = 1; i < expression.operands.size(); ++i) {
    arguments.positional.push_back(Evaluate(*expression.operands[i]));
  }
  for (const auto& [name, value] : expression.named)
    arguments.named.emplace_back(name, Evaluate(*value));
  return arguments;
}

Value Interpreter::Call(const Expression& expression) {
  const Expression& callee = *expression.operands[0];
  Value function;
  if (callee.kind == Kind::kAttribute) {
    const Value self = Evaluate(*callee.operands[0]);
    const Arguments arguments = EvaluateArguments(expression);
    if (!ok()) return Undefined{};
    bool known = false;
    Value result = CallMethod(self, callee.name, arguments, &known);
    if (known || !ok()) return result;
    function = Attribute(self, callee.name);
    if (Is<const Callable*>(function))
      return CallFunction(*std::get<const Callable*>(function), arguments);
    return Fail(absl::StrCat("a ", TypeName(self), " has no method \"", callee.name, "\""));
  }
  function = Evaluate(callee);
  const Arguments arguments = EvaluateArguments(expression);
  if (!ok()) return Undefined{};
  if (!Is<const Callable*>(function)) {
    return Fail(
        absl::StrCat("\"", callee.name, "\" is ", TypeName(function), " and cannot be called"));
  }
  return CallFunction(*std::get<const Callable*>(function), arguments);
}

Value Interpreter::CallFunction(const Callable& callable, const Arguments& arguments) {
  switch (callable.kind) {
    case Callable::Kind::kMacro:
      return CallMacro(callable, arguments);
    case Callable::Kind::kCaller: {
      Text out;
      Scope* outer = std::exchange(scope_, NewScope(callable.scope));
      Execute(callable.statement->body, &out);
      scope_ = outer;
      return NewString(std::move(out));
    }
    case Callable::Kind::kRaise: {
      const Value* message = arguments.Find(0, "message");
      const Text words = message != nullptr ? Printed(*message) : Text();
      if (ok()) {
        status_ = MakeError(absl::StatusCode::kInvalidArgument,
                            absl::StrCat("the model's chat template refuses this conversation: ",
                                         Shortened(words.bytes)),
                            {.reason = "TEMPLATE_REFUSED", .field = "messages"});
      }
      return Undefined{};
    }
    case Callable::Kind::kStrftime: {
      const Value* format = arguments.Find(0, "format");
      if (format == nullptr || !IsString(*format)) return Fail("strftime_now needs a format");
      if (AsText(*format).bytes.size() > 256) return OutOf("memory");
      return NewString(Text(absl::FormatTime(AsText(*format).bytes, now_, absl::UTCTimeZone())));
    }
    case Callable::Kind::kRange: {
      std::int64_t parts[3] = {0, 0, 1};
      const std::size_t count = arguments.positional.size();
      if (count < 1 || count > 3) return Fail("range needs one to three numbers");
      for (std::size_t i = 0; i < count; ++i) {
        const Value& part = arguments.positional[i];
        if (!Is<std::int64_t>(part) && !Is<bool>(part)) return Fail("range needs whole numbers");
        parts[count == 1 ? 1 : i] = AsInt(part);
      }
      if (parts[2] == 0) return Fail("the step of a range is 0");
      List* list = NewList();
      for (std::int64_t at = parts[0]; parts[2] > 0 ? at < parts[1] : at > parts[1];) {
        if (!Charge(sizeof(Value))) return Undefined{};
        list->items.push_back(at);
        if (__builtin_add_overflow(at, parts[2], &at)) break;
      }
      return list;
    }
    case Callable::Kind::kNamespace:
    case Callable::Kind::kDict: {
      Dict* dict = NewDict();
      dict->is_namespace = callable.kind == Callable::Kind::kNamespace;
      if (!arguments.positional.empty() && Is<Dict*>(arguments.positional[0])) {
        dict->entries = std::get<Dict*>(arguments.positional[0])->entries;
      }
      for (const auto& [name, value] : arguments.named) SetEntry(dict, MakeString(name), value);
      Charge(dict->entries.size() * 2 * sizeof(Value));
      return dict;
    }
    case Callable::Kind::kCycle:
      if (arguments.positional.empty()) return Fail("cycle needs values");
      return arguments.positional[callable.index % arguments.positional.size()];
  }
  return Undefined{};
}

Value Interpreter::CallMacro(const Callable& callable, const Arguments& arguments) {
  const Deeper deeper(&depth_);
  if (depth_ > limits_.depth) return OutOf("depth");
  const Statement& macro = *callable.statement;
  if (arguments.positional.size() > macro.parameters.size()) {
    return Fail(absl::StrCat("macro \"", macro.text, "\" takes at most ", macro.parameters.size(),
                             " arguments"));
  }
  if (!Work(macro.parameters.size() * arguments.named.size() / 16)) return Undefined{};
  const Value caller = Lookup("caller");
  Scope* inner = NewScope(callable.scope);
  Scope* outer = std::exchange(scope_, inner);
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const auto& [name, fallback] = macro.parameters[i];
    const Value* given = arguments.Find(i, name);
    Define(inner, name,
           given != nullptr      ? *given
           : fallback != nullptr ? Evaluate(*fallback)
                                 : Value(Undefined{name}));
  }
  if (Is<const Callable*>(caller)) Define(inner, "caller", caller);
  Text out;
  Execute(macro.body, &out);
  scope_ = outer;
  return NewString(std::move(out));
}

}  // namespace ragmesh::chat_template
