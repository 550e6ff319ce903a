// Calls of functions, macros and methods in an Interpreter.
#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/chat_template/interpreter.h"

namespace ragmesh::chat_template {

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
  if (callee.kind == Expression::Kind::kAttribute) {
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
        list->items.emplace_back(at);
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
