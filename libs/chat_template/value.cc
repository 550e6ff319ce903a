#include "libs/chat_template/value.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ragmesh::chat_template {
namespace {

constexpr int kMaxPrintDepth = 64;
constexpr std::size_t kMaxMessageBytes = 300;

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// Shortest digits that read back as the same number, with Python's ".0" and exponents.
std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40];
  for (int digits = 1; digits <= 17; ++digits) {
    std::snprintf(buffer, sizeof(buffer), "%.*g", digits, value);
    if (std::strtod(buffer, nullptr) == value) break;
  }
  std::string text = buffer;
  const std::size_t exponent = text.find('e');
  if (exponent != std::string::npos) {
    const int power = std::atoi(text.c_str() + exponent + 1);
    if (power >= 0 && power < 16) {
      text = absl::StrFormat("%.0f", value);
    } else {
      return text;
    }
  }
  return text.find('.') == std::string::npos ? text + ".0" : text;
}

// Python picks single quotes unless the text has some and no double ones.
std::string StringRepr(absl::string_view text) {
  const char quote =
      text.find('\'') != absl::string_view::npos && text.find('"') == absl::string_view::npos
          ? '"'
          : '\'';
  std::string repr(1, quote);
  for (const char c : text) {
    if (c == quote || c == '\\') {
      repr += {'\\', c};
    } else if (c == '\n') {
      repr += "\\n";
    } else if (c == '\r') {
      repr += "\\r";
    } else if (c == '\t') {
      repr += "\\t";
    } else if (static_cast<unsigned char>(c) < 32 || c == 127) {
      absl::StrAppendFormat(&repr, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      repr += c;
    }
  }
  return repr + quote;
}

// The code point at `at` and its size; a bad byte reads as itself.
std::pair<std::uint32_t, std::size_t> Decode(absl::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t size = lead < 0x80    ? 1
                           : lead >= 0xF0 ? 4
                           : lead >= 0xE0 ? 3
                           : lead >= 0xC0 ? 2
                                          : 1;
  if (size == 1 || at + size > text.size()) return {lead, 1};
  std::uint32_t code = lead & (0x7F >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if (!IsContinuation(text[at + i])) return {lead, 1};
    code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3F);
  }
  return {code, size};
}

std::string JsonString(absl::string_view text, bool ensure_ascii) {
  std::string out = "\"";
  for (std::size_t at = 0; at < text.size();) {
    const auto [code, size] = Decode(text, at);
    switch (code) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (code < 32 || (ensure_ascii && code >= 127 && code < 0x10000)) {
          absl::StrAppendFormat(&out, "\\u%04x", code);
        } else if (ensure_ascii && code >= 0x10000) {
          const std::uint32_t rest = code - 0x10000;
          absl::StrAppendFormat(&out, "\\u%04x\\u%04x", 0xD800 + (rest >> 10),
                                0xDC00 + (rest & 0x3FF));
        } else {
          out.append(text.data() + at, size);
        }
    }
    at += size;
  }
  return out + "\"";
}

}  // namespace

void Text::Append(const Text& other) {
  if (!marks.empty() || !other.marks.empty()) {
    marks.resize(bytes.size(), 0);
    marks += other.marks.empty() ? std::string(other.bytes.size(), 0) : other.marks;
  }
  bytes += other.bytes;
}

Text Text::Like(const Text& like, std::string from) {
  const bool foreign =
      std::any_of(like.marks.begin(), like.marks.end(), [](char mark) { return mark != 0; });
  return Text(from, foreign);
}

Text Text::Slice(std::size_t begin, std::size_t end) const {
  Text slice;
  slice.bytes = bytes.substr(begin, end - begin);
  if (!marks.empty()) slice.marks = marks.substr(begin, end - begin);
  return slice;
}

absl::string_view Shortened(absl::string_view text) {
  if (text.size() <= kMaxMessageBytes) return text;
  std::size_t size = kMaxMessageBytes;
  while (size > 0 && IsContinuation(text[size])) --size;
  return text.substr(0, size);
}

Value* Dict::Find(absl::string_view key) {
  for (auto& [known, value] : entries) {
    if (IsString(known) && AsText(known).bytes == key) return &value;
  }
  return nullptr;
}

Value MakeString(Text text) { return std::make_shared<const Text>(std::move(text)); }
Value MakeString(absl::string_view plain) { return MakeString(Text(plain)); }

std::int64_t AsInt(const Value& value) {
  return Is<bool>(value) ? static_cast<std::int64_t>(std::get<bool>(value))
                         : std::get<std::int64_t>(value);
}

double AsDouble(const Value& value) {
  return Is<double>(value) ? std::get<double>(value) : static_cast<double>(AsInt(value));
}

bool Truthy(const Value& value) {
  if (Is<bool>(value)) return std::get<bool>(value);
  if (IsNumber(value)) return AsDouble(value) != 0;
  if (IsString(value)) return !AsText(value).bytes.empty();
  if (Is<List*>(value)) return !std::get<List*>(value)->items.empty();
  if (Is<Dict*>(value))
    return std::get<Dict*>(value)->is_namespace || !std::get<Dict*>(value)->entries.empty();
  return Is<const Callable*>(value);
}

namespace {

bool EqualWithin(const Value& a, const Value& b, int depth, std::size_t* budget) {
  if (depth > kMaxPrintDepth || *budget == 0) return false;
  --*budget;
  if (IsNumber(a) && IsNumber(b)) {
    return Is<double>(a) || Is<double>(b) ? AsDouble(a) == AsDouble(b) : AsInt(a) == AsInt(b);
  }
  if (a.index() != b.index()) return false;
  const auto equal = [&](const Value& i, const Value& j) {
    return EqualWithin(i, j, depth + 1, budget);
  };
  if (IsString(a)) {
    const std::string &x = AsText(a).bytes, &y = AsText(b).bytes;
    if (x.size() != y.size()) return false;
    *budget -= std::min(*budget, x.size() / 256);
    return *budget > 0 && x == y;
  }
  if (Is<List*>(a)) {
    const List &x = *std::get<List*>(a), &y = *std::get<List*>(b);
    if (&x == &y) return true;
    return x.tuple == y.tuple &&
           std::equal(x.items.begin(), x.items.end(), y.items.begin(), y.items.end(), equal);
  }
  if (Is<Dict*>(a)) {
    const Dict &x = *std::get<Dict*>(a), &y = *std::get<Dict*>(b);
    if (&x == &y) return true;
    if (x.is_namespace || y.is_namespace || x.entries.size() != y.entries.size()) return false;
    return std::all_of(x.entries.begin(), x.entries.end(), [&](const auto& entry) {
      const auto other =
          std::find_if(y.entries.begin(), y.entries.end(),
                       [&](const auto& candidate) { return equal(candidate.first, entry.first); });
      return other != y.entries.end() && equal(entry.second, other->second);
    });
  }
  if (Is<const Callable*>(a)) return std::get<const Callable*>(a) == std::get<const Callable*>(b);
  return true;  // undefined and none
}

}  // namespace

bool Equal(const Value& a, const Value& b, std::size_t* budget) {
  return EqualWithin(a, b, 0, budget);
}

const char* TypeName(const Value& value) {
  static constexpr const char* kNames[] = {"undefined", "NoneType", "bool", "int",     "float",
                                           "str",       "list",     "dict", "callable"};
  return kNames[value.index()];
}

namespace {

// Appends what printing `value` gives; strings with quotes when they stand inside something.
void Print(const Value& value, int depth, std::size_t max_bytes, Text* out) {
  const bool too_long = depth > 0 && IsString(value) && AsText(value).bytes.size() > max_bytes;
  if (depth > kMaxPrintDepth || out->bytes.size() > max_bytes || too_long) {
    out->Append("...");
  } else if (Is<None>(value)) {
    out->Append("None");
  } else if (Is<bool>(value)) {
    out->Append(std::get<bool>(value) ? "True" : "False");
  } else if (Is<std::int64_t>(value)) {
    out->Append(absl::StrCat(std::get<std::int64_t>(value)));
  } else if (Is<double>(value)) {
    out->Append(FloatRepr(std::get<double>(value)));
  } else if (IsString(value)) {
    out->Append(depth == 0 ? AsText(value)
                           : Text::Like(AsText(value), StringRepr(AsText(value).bytes)));
  } else if (Is<List*>(value)) {
    const List& list = *std::get<List*>(value);
    out->Append(list.tuple ? "(" : "[");
    for (std::size_t i = 0; i < list.items.size() && out->bytes.size() <= max_bytes; ++i) {
      if (i > 0) out->Append(", ");
      Print(list.items[i], depth + 1, max_bytes, out);
    }
    out->Append(list.tuple ? (list.items.size() == 1 ? ",)" : ")") : "]");
  } else if (Is<Dict*>(value)) {
    out->Append("{");
    bool first = true;
    for (const auto& [key, entry] : std::get<Dict*>(value)->entries) {
      if (out->bytes.size() > max_bytes) break;
      if (!std::exchange(first, false)) out->Append(", ");
      Print(key, depth + 1, max_bytes, out);
      out->Append(": ");
      Print(entry, depth + 1, max_bytes, out);
    }
    out->Append("}");
  } else if (Is<const Callable*>(value)) {
    out->Append("<function>");
  } else if (depth > 0) {
    out->Append("Undefined");
  }
}

}  // namespace

Text ToText(const Value& value, std::size_t max_bytes) {
  if (IsString(value)) return AsText(value);
  Text out;
  Print(value, 0, max_bytes, &out);
  return out;
}

bool ToJson(const Value& value, const JsonStyle& style, Text* out, int depth) {
  if (depth > kMaxPrintDepth || out->bytes.size() > style.max_bytes) return false;
  if (IsString(value) && AsText(value).bytes.size() > style.max_bytes) return false;
  const auto new_line = [&](int level) {
    if (style.indent >= 0)
      out->Append("\n" + std::string(static_cast<std::size_t>(style.indent * level), ' '));
  };
  absl::string_view separator = style.item_separator;
  if (style.indent >= 0 && separator == ", ") separator = ",";
  if (Is<None>(value)) {
    out->Append("null");
  } else if (Is<bool>(value)) {
    out->Append(std::get<bool>(value) ? "true" : "false");
  } else if (IsNumber(value)) {
    out->Append(ToText(value, style.max_bytes));
  } else if (IsString(value)) {
    out->Append(Text::Like(AsText(value), JsonString(AsText(value).bytes, style.ensure_ascii)));
  } else if (Is<List*>(value)) {
    const List& list = *std::get<List*>(value);
    out->Append("[");
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out->Append(separator);
      new_line(depth + 1);
      if (!ToJson(list.items[i], style, out, depth + 1)) return false;
    }
    if (!list.items.empty()) new_line(depth);
    out->Append("]");
  } else if (Is<Dict*>(value) && !std::get<Dict*>(value)->is_namespace) {
    std::vector<std::pair<Text, const Value*>> entries;
    for (const auto& [key, entry] : std::get<Dict*>(value)->entries) {
      if (Is<List*>(key) || Is<Dict*>(key) || Is<const Callable*>(key)) return false;
      entries.emplace_back(ToText(key, style.max_bytes), &entry);
    }
    if (style.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [](const auto& a, const auto& b) { return a.first.bytes < b.first.bytes; });
    }
    out->Append("{");
    bool first = true;
    for (auto& [key, entry] : entries) {
      if (!std::exchange(first, false)) out->Append(separator);
      new_line(depth + 1);
      if (!ToJson(MakeString(std::move(key)), style, out, depth + 1)) return false;
      out->Append(style.key_separator);
      if (!ToJson(*entry, style, out, depth + 1)) return false;
    }
    if (!entries.empty()) new_line(depth);
    out->Append("}");
  } else {
    return false;
  }
  return true;
}

std::size_t CountCharacters(absl::string_view text) {
  return text.size() -
         static_cast<std::size_t>(std::count_if(text.begin(), text.end(), IsContinuation));
}

std::size_t CharacterOffset(absl::string_view text, std::size_t index) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    if (IsContinuation(text[at])) continue;
    if (index-- == 0) return at;
  }
  return at;
}

}  // namespace ragmesh::chat_template
