// The values of a template: Python's, as far as chat templates use them.
#ifndef RAGMESH_LIBS_CHAT_TEMPLATE_VALUE_H_
#define RAGMESH_LIBS_CHAT_TEMPLATE_VALUE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::chat_template {

// A string that remembers which of its bytes came from outside. `marks` is empty when none did,
// else as long as `bytes`, with 1 for a foreign byte. Every operation carries marks along with the
// bytes they belong to.
struct Text {
  std::string bytes;
  std::string marks;

  Text() = default;
  explicit Text(absl::string_view plain) : bytes(plain.data(), plain.size()) {}
  Text(absl::string_view content, bool foreign)
      : bytes(content.data(), content.size()), marks(foreign ? content.size() : 0, 1) {}

  void Append(const Text& other);
  void Append(absl::string_view plain) { Append(Text(plain)); }
  // The bytes of `from` as they are, all marked when anything in `like` is.
  static Text Like(const Text& like, std::string from);
  Text Slice(std::size_t begin, std::size_t end) const;
};

struct List;
struct Dict;
struct Callable;

// Cut, at a character, to what a message has room for.
absl::string_view Shortened(absl::string_view text);

struct Undefined {
  Undefined() = default;
  explicit Undefined(absl::string_view missing) : name(Shortened(missing)) {}
  std::string name;  // what was looked for; short, since values are copied freely
};
struct None {};

// Small and copyable. Lists, dictionaries and callables belong to the interpreter's arena.
using Value = std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const Text>,
                           List*, Dict*, const Callable*>;

struct List {
  std::vector<Value> items;
  bool tuple = false;
};

struct Dict {
  std::vector<std::pair<Value, Value>> entries;  // in order of insertion
  bool is_namespace = false;

  Value* Find(absl::string_view key);  // null when there is none
};

template <typename T>
bool Is(const Value& value) {
  return std::holds_alternative<T>(value);
}
inline bool IsString(const Value& value) { return Is<std::shared_ptr<const Text>>(value); }
inline const Text& AsText(const Value& value) {
  return *std::get<std::shared_ptr<const Text>>(value);
}
inline bool IsNumber(const Value& value) {
  return Is<bool>(value) || Is<std::int64_t>(value) || Is<double>(value);
}

Value MakeString(Text text);
Value MakeString(absl::string_view plain);

// bool and int as Python has them: True is 1. `value` is a bool or an integer.
std::int64_t AsInt(const Value& value);
double AsDouble(const Value& value);

bool Truthy(const Value& value);
// Takes 1 from `*budget` for each pair of values and each 256 bytes that it compares. False once
// none is left; two lines of a template can make a value that takes years to compare.
bool Equal(const Value& a, const Value& b, std::size_t* budget);
// "int", "str" and so on, for messages.
const char* TypeName(const Value& value);

// What printing gives: strings bare, containers as Python's repr. Nesting past a bound, and what
// comes after `max_bytes` of a container, print as "...".
Text ToText(const Value& value, std::size_t max_bytes);

struct JsonStyle {
  int indent = -1;  // negative: on one line
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  std::size_t max_bytes = 8 << 20;  // checked before each value
};
// Python's json.dumps. False when `value` holds what JSON cannot, or takes over `max_bytes`.
bool ToJson(const Value& value, const JsonStyle& style, Text* out, int depth = 0);

// Code points: Python's idea of a string's length and indices. `text` may hold any bytes; a stray
// one counts as one.
std::size_t CountCharacters(absl::string_view text);
// Byte offset of character `index`, at most text.size().
std::size_t CharacterOffset(absl::string_view text, std::size_t index);

}  // namespace ragmesh::chat_template

#endif  // RAGMESH_LIBS_CHAT_TEMPLATE_VALUE_H_
