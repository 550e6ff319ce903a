// Filters and tests.
#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/chat_template/interpreter.h"

namespace ragmesh::chat_template {
namespace {

// A view of `arguments`: a copy for each use of a long string would count as nothing.
absl::string_view Option(const Arguments& arguments, std::size_t index, absl::string_view name,
                         absl::string_view fallback) {
  const Value* value = arguments.Find(index, name);
  return value != nullptr && IsString(*value) ? absl::string_view(AsText(*value).bytes) : fallback;
}

std::int64_t Number(const Arguments& arguments, std::size_t index, absl::string_view name,
                    std::int64_t fallback) {
  const Value* value = arguments.Find(index, name);
  return value != nullptr && (Is<std::int64_t>(*value) || Is<bool>(*value)) ? AsInt(*value)
                                                                            : fallback;
}

bool Flag(const Arguments& arguments, std::size_t index, absl::string_view name, bool fallback) {
  const Value* value = arguments.Find(index, name);
  return value != nullptr ? Truthy(*value) : fallback;
}

std::size_t Length(const Value& value) {
  if (IsString(value)) return CountCharacters(AsText(value).bytes);
  if (Is<List*>(value)) return std::get<List*>(value)->items.size();
  return Is<Dict*>(value) ? std::get<Dict*>(value)->entries.size() : 0;
}

}  // namespace

Value Interpreter::ApplyFilter(const Expression& expression, const Value& input) {
  // A filter block has no operand of its own: its chain begins with the block's text.
  Value value = input;
  if (expression.operands[0] != nullptr &&
      expression.operands[0]->kind == Expression::Kind::kFilter &&
      Is<std::shared_ptr<const Text>>(input)) {
    const Expression* first = &expression;
    while (first->operands[0] != nullptr && first->operands[0]->kind == Expression::Kind::kFilter) {
      first = first->operands[0].get();
    }
    if (first->operands[0] == nullptr) value = ApplyFilter(*expression.operands[0], input);
  }
  const Arguments arguments = EvaluateArguments(expression);
  if (!ok()) return Undefined{};
  Work(Length(value) / 16);
  const std::string& name = expression.name;
  bool known = true;
  Value result = StringFilter(name, value, arguments, &known);
  if (known || !ok()) return result;
  known = true;
  result = SequenceFilter(name, value, arguments, &known);
  if (known || !ok()) return result;
  if (name == "default" || name == "d") {
    const bool absent =
        Is<Undefined>(value) || (Flag(arguments, 1, "boolean", false) && !Truthy(value));
    const Value* fallback = arguments.Find(0, "default_value");
    return !absent ? value : fallback != nullptr ? *fallback : MakeString("");
  }
  if (name == "tojson") return ToJsonFilter(value, arguments);
  if (name == "attr") return Attribute(value, Option(arguments, 0, "name", ""));
  if (name == "abs" && IsNumber(value)) {
    if (Is<double>(value)) return std::fabs(std::get<double>(value));
    const std::int64_t number = AsInt(value);
    return number == std::numeric_limits<std::int64_t>::min()
               ? Fail("a number is too large")
               : Value(number < 0 ? -number : number);
  }
  if (name == "int") {
    std::int64_t number = Number(arguments, 0, "default", 0);
    if (Is<double>(value) && std::fabs(std::get<double>(value)) < 9e18) {
      return static_cast<std::int64_t>(std::get<double>(value));
    }
    if (Is<std::int64_t>(value) || Is<bool>(value)) return AsInt(value);
    if (IsString(value)) {
      std::int64_t parsed = 0;
      double real = 0;
      if (absl::SimpleAtoi(AsText(value).bytes, &parsed)) return parsed;
      if (absl::SimpleAtod(AsText(value).bytes, &real) && std::fabs(real) < 9e18)
        return static_cast<std::int64_t>(real);
    }
    return number;
  }
  if (name == "float") {
    double parsed = 0;
    if (IsNumber(value)) return AsDouble(value);
    if (IsString(value) && absl::SimpleAtod(AsText(value).bytes, &parsed)) return parsed;
    const Value* fallback = arguments.Find(0, "default");
    return fallback != nullptr ? *fallback : Value(0.0);
  }
  if (name == "round" && IsNumber(value)) {
    const double scale = std::pow(10.0, static_cast<double>(Number(arguments, 0, "precision", 0)));
    const absl::string_view method = Option(arguments, 1, "method", "common");
    const double scaled = AsDouble(value) * scale;
    return (method == "floor"  ? std::floor(scaled)
            : method == "ceil" ? std::ceil(scaled)
                               : std::nearbyint(scaled)) /
           scale;
  }
  return Fail(
      absl::StrCat("there is no filter \"", name, "\" for a value of type ", TypeName(value)));
}

Value Interpreter::StringFilter(const std::string& name, const Value& input,
                                const Arguments& arguments, bool* known) {
  if (name == "string" || name == "safe")
    return IsString(input) ? input : NewString(Printed(input));
  if (name == "trim") {
    const std::string characters(Option(arguments, 0, "chars", ""));
    if (!Work(characters.size())) return Undefined{};
    return NewString(Strip(Printed(input), characters.empty() ? nullptr : &characters, true, true));
  }
  if (name == "upper" || name == "lower") {
    const Text text = Printed(input);
    return NewString(Text::Like(text, ChangeCase(text.bytes, name == "upper")));
  }
  if (name == "capitalize" || name == "title") {
    const Text text = Printed(input);
    return NewString(Text::Like(text, Capitalise(text.bytes, name == "title")));
  }
  if (name == "replace") {
    const Value *from = arguments.Find(0, "old"), *to = arguments.Find(1, "new");
    if (from == nullptr || to == nullptr) return Fail("replace needs two strings");
    return Replaced(Printed(input), Printed(*from), Printed(*to),
                    Number(arguments, 2, "count", -1));
  }
  if (name == "indent") {
    const Value* width = arguments.Find(0, "width");
    const std::string by = width != nullptr && IsString(*width)
                               ? AsText(*width).bytes
                               : std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(
                                                 Number(arguments, 0, "width", 4), 0, 1000)),
                                             ' ');
    const bool blank = Flag(arguments, 2, "blank", false);
    const Text text = Printed(input);
    Text out;
    if (Flag(arguments, 1, "first", false)) out.Append(by);
    for (std::size_t at = 0; at < text.bytes.size() && Charge(by.size());) {
      const std::size_t line = std::min(text.bytes.find('\n', at), text.bytes.size() - 1) + 1;
      out.Append(text.Slice(at, line));
      const bool more = line < text.bytes.size() || text.bytes[line - 1] == '\n';
      const bool empty = line >= text.bytes.size() || text.bytes[line] == '\n';
      if (more && (!empty || blank)) out.Append(by);
      at = line;
    }
    return NewString(std::move(out));
  }
  if (name == "escape" || name == "e") {
    Text text = Printed(input);
    static constexpr std::pair<const char*, const char*> kEntities[] = {
        {"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"'", "&#39;"}, {"\"", "&#34;"}};
    for (const auto& [from, to] : kEntities) {
      text = Replace(text, Text(from), Text(to), SIZE_MAX, limits_.output_bytes);
      if (text.bytes.size() > limits_.output_bytes) return OutOf("memory");
    }
    return NewString(std::move(text));
  }
  *known = false;
  return Undefined{};
}

Value Interpreter::SequenceFilter(const std::string& name, const Value& input,
                                  const Arguments& arguments, bool* known) {
  if (name == "length" || name == "count") {
    if (IsNumber(input) || Is<None>(input))
      return Fail(absl::StrCat("a ", TypeName(input), " has no length"));
    return static_cast<std::int64_t>(Length(input));
  }
  if (name == "selectattr" || name == "rejectattr" || name == "select" || name == "reject") {
    return Filtered(name, input, arguments);
  }
  if (name == "map") return Map(input, arguments);
  if (name == "items" || name == "dictsort") {
    if (!Is<Dict*>(input)) {
      if (Is<Undefined>(input) && name == "items") return NewList();
      return Fail(absl::StrCat(name, " needs a dictionary, not a ", TypeName(input)));
    }
    std::vector<Value> pairs;
    for (const auto& [key, value] : std::get<Dict*>(input)->entries) {
      List* pair = NewList(true);
      pair->items = {key, value};
      pairs.push_back(pair);
    }
    if (name == "dictsort") {
      Sort(&pairs, Option(arguments, 1, "by", "key") == "value" ? "1" : "0",
           Flag(arguments, 2, "reverse", false), !Flag(arguments, 0, "case_sensitive", false));
    }
    List* list = NewList();
    list->items = std::move(pairs);
    return list;
  }
  const bool ends = name == "first" || name == "last";
  const bool orders = name == "list" || name == "reverse" || name == "sort" || name == "unique";
  const bool folds = name == "join" || name == "sum" || name == "min" || name == "max";
  if (!ends && !orders && !folds) {
    *known = false;
    return Undefined{};
  }
  std::vector<Value> items = Iterate(input);
  if (!ok()) return Undefined{};
  if (ends) {
    if (items.empty()) return Undefined{absl::StrCat("the ", name, " item")};
    return name == "first" ? items.front() : items.back();
  }
  const absl::string_view attribute = Option(arguments, name == "sort" ? 2 : 1, "attribute", "");
  if (name == "join") {
    const Value* separator = arguments.Find(0, "d");
    Text out;
    for (std::size_t i = 0; i < items.size(); ++i) {
      if (i > 0 && separator != nullptr) out.Append(Printed(*separator));
      out.Append(Printed(attribute.empty() ? items[i] : DeepAttribute(items[i], attribute)));
      if (!Charge() || out.bytes.size() > limits_.output_bytes) return OutOf("memory");
    }
    return NewString(std::move(out));
  }
  if (name == "sum") {
    Value total = std::int64_t{0};
    for (const Value& item : items) total = Binary("+", total, item);
    return total;
  }
  if (name == "min" || name == "max") {
    if (items.empty()) return Undefined{"an item of an empty list"};
    Value best = items[0];
    for (const Value& item : items) {
      if (name == "min" ? Less(item, best) : Less(best, item)) best = item;
    }
    return best;
  }
  if (name == "sort") {
    Sort(&items, attribute, Flag(arguments, 0, "reverse", false),
         !Flag(arguments, 1, "case_sensitive", false));
  } else if (name == "reverse") {
    std::reverse(items.begin(), items.end());
  } else if (name == "unique") {
    std::vector<Value> once;
    for (const Value& item : items) {
      if (!Work(1 + once.size() / 16)) return Undefined{};
      if (std::none_of(once.begin(), once.end(),
                       [&](const Value& seen) { return Same(seen, item); })) {
        once.push_back(item);
      }
    }
    items = std::move(once);
  }
  if (name == "reverse" && IsString(input)) {
    Text out;
    for (const Value& item : items) out.Append(AsText(item));
    return NewString(std::move(out));
  }
  List* list = NewList();
  list->items = std::move(items);
  return list;
}

void Interpreter::Sort(std::vector<Value>* values, absl::string_view attribute, bool reverse,
                       bool any_case) {
  if (!Work(values->size() * 8)) return;
  std::vector<std::pair<Value, std::size_t>> keys;
  for (std::size_t i = 0; i < values->size(); ++i) {
    Value key = attribute.empty() ? (*values)[i] : DeepAttribute((*values)[i], attribute);
    if (any_case && IsString(key)) key = NewString(Text(ChangeCase(AsText(key).bytes, false)));
    if (!ok()) return;
    keys.emplace_back(std::move(key), i);
  }
  // A failed comparison answers false throughout, which is an order too.
  std::stable_sort(keys.begin(), keys.end(), [&](const auto& a, const auto& b) {
    return ok() && (reverse ? Less(b.first, a.first) : Less(a.first, b.first));
  });
  std::vector<Value> sorted;
  for (const auto& [key, index] : keys) sorted.push_back((*values)[index]);
  *values = std::move(sorted);
}

// "a.b.0" from the inside of a value, as map(attribute=..) has it.
Value Interpreter::DeepAttribute(const Value& base, absl::string_view path) {
  Value value = base;
  for (const absl::string_view part : absl::StrSplit(path, '.')) {
    if (!Charge(part.size())) break;
    std::int64_t index = 0;
    value = absl::SimpleAtoi(part, &index) ? Item(value, index) : Attribute(value, part);
  }
  return value;
}

Value Interpreter::Map(const Value& input, const Arguments& arguments) {
  List* list = NewList();
  const Value* attribute = arguments.Find(SIZE_MAX, "attribute");
  Expression filter;
  filter.kind = Expression::Kind::kFilter;
  filter.line = line_;
  filter.operands.push_back(nullptr);
  if (attribute == nullptr) {
    if (arguments.positional.empty() || !IsString(arguments.positional[0]))
      return Fail("map needs a filter's name");
    filter.name = AsText(arguments.positional[0]).bytes;
    for (std::size_t i = 1; i < arguments.positional.size(); ++i) {
      auto constant = std::make_unique<Expression>();
      constant->line = line_;
      constant->value = arguments.positional[i];
      filter.operands.push_back(std::move(constant));
    }
  }
  const Value* fallback = arguments.Find(SIZE_MAX, "default");
  for (const Value& item :
       Truthy(input) ? Iterate(input) : std::vector<Value>{}) {  // none counts as empty
    if (!Charge(sizeof(Value))) break;
    Value mapped = attribute != nullptr ? DeepAttribute(item, Printed(*attribute).bytes)
                                        : ApplyFilter(filter, item);
    if (fallback != nullptr && Is<Undefined>(mapped)) mapped = *fallback;
    list->items.push_back(std::move(mapped));
  }
  return list;
}

// select, reject: test(item). selectattr, rejectattr: test(item.attribute). Without a test: truth.
Value Interpreter::Filtered(const std::string& name, const Value& input,
                            const Arguments& arguments) {
  const bool by_attribute = absl::EndsWith(name, "attr");
  std::vector<Value> rest = arguments.positional;
  std::string attribute, test;
  if (by_attribute) {
    if (rest.empty()) return Fail(absl::StrCat(name, " needs an attribute"));
    attribute = Printed(rest[0]).bytes;
    rest.erase(rest.begin());
  }
  if (!rest.empty()) {
    test = Printed(rest[0]).bytes;
    rest.erase(rest.begin());
  }
  List* list = NewList();
  for (const Value& item : Truthy(input) ? Iterate(input) : std::vector<Value>{}) {
    if (!Charge(sizeof(Value))) break;
    const Value subject = by_attribute ? DeepAttribute(item, attribute) : item;
    const bool passes = test.empty() ? Truthy(subject) : ApplyTest(test, subject, rest);
    if (passes == absl::StartsWith(name, "select")) list->items.push_back(item);
  }
  return list;
}

Value Interpreter::ToJsonFilter(const Value& input, const Arguments& arguments) {
  JsonStyle style;
  style.ensure_ascii = Flag(arguments, SIZE_MAX, "ensure_ascii", false);
  style.sort_keys = Flag(arguments, SIZE_MAX, "sort_keys", false);
  style.indent = static_cast<int>(std::min<std::int64_t>(Number(arguments, 0, "indent", -1), 100));
  const Value* separators = arguments.Find(SIZE_MAX, "separators");
  if (separators != nullptr && Is<List*>(*separators) &&
      std::get<List*>(*separators)->items.size() == 2) {
    style.item_separator = Printed(std::get<List*>(*separators)->items[0]).bytes;
    style.key_separator = Printed(std::get<List*>(*separators)->items[1]).bytes;
  }
  style.max_bytes = limits_.output_bytes;
  Text out;
  const bool written = ToJson(input, style, &out);
  Work(out.bytes.size() / 8);
  if (out.bytes.size() > style.max_bytes) return OutOf("memory");
  if (!written) return Fail(absl::StrCat("a ", TypeName(input), " cannot be written as JSON"));
  return NewString(std::move(out));
}

bool Interpreter::ApplyTest(const std::string& name, const Value& value,
                            const std::vector<Value>& arguments) {
  if (!ok()) return false;
  if (name == "defined") return !Is<Undefined>(value);
  if (name == "undefined") return Is<Undefined>(value);
  if (name == "none" || name == "None") return Is<None>(value);
  if (name == "string") return IsString(value);
  if (name == "number") return IsNumber(value);
  if (name == "integer") return Is<std::int64_t>(value);
  if (name == "float") return Is<double>(value);
  if (name == "boolean") return Is<bool>(value);
  if (name == "true") return Is<bool>(value) && std::get<bool>(value);
  if (name == "false") return Is<bool>(value) && !std::get<bool>(value);
  if (name == "mapping") return Is<Dict*>(value) && !std::get<Dict*>(value)->is_namespace;
  if (name == "iterable" || name == "sequence") {
    return IsString(value) || Is<List*>(value) || Is<Dict*>(value) || Is<Undefined>(value);
  }
  if (name == "callable") return Is<const Callable*>(value);
  if (name == "lower" || name == "upper") {
    const std::string text = Printed(value).bytes;
    if (!Work(text.size() / 16)) return false;
    return ChangeCase(text, name == "upper") == text && ChangeCase(text, name != "upper") != text;
  }
  const bool whole = Is<std::int64_t>(value) || Is<bool>(value);
  if (name == "odd") return whole && AsInt(value) % 2 != 0;
  if (name == "even") return whole && AsInt(value) % 2 == 0;
  if (arguments.size() != 1) {
    Fail(absl::StrCat("there is no test \"", name, "\" with ", arguments.size(), " arguments"));
    return false;
  }
  const Value& other = arguments[0];
  if (name == "divisibleby") {
    return whole && (Is<std::int64_t>(other) || Is<bool>(other)) && AsInt(other) != 0 &&
                   AsInt(other) != -1
               ? AsInt(value) % AsInt(other) == 0
               : whole && Is<std::int64_t>(other) && AsInt(other) == -1;
  }
  if (name == "sameas") return value.index() == other.index() && Same(value, other);
  static constexpr std::pair<absl::string_view, const char*> kComparisons[] = {
      {"equalto", "=="},    {"eq", "=="},      {"==", "=="}, {"ne", "!="}, {"!=", "!="},
      {"in", "in"},         {"lt", "<"},       {"<", "<"},   {"le", "<="}, {"gt", ">"},
      {"greaterthan", ">"}, {"lessthan", "<"}, {"ge", ">="}, {">", ">"}};
  for (const auto& [known, op] : kComparisons) {
    if (known == name) return Compare(op, value, other);
  }
  Fail(absl::StrCat("there is no test \"", name, "\""));
  return false;
}

}  // namespace ragmesh::chat_template
