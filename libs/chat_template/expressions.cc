// The expressions of an Interpreter.
#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "libs/chat_template/interpreter.h"

namespace ragmesh::chat_template {
namespace {

using Kind = Expression::Kind;

}  // namespace

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

}  // namespace ragmesh::chat_template
