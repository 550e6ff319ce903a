// Methods of strings, lists and dictionaries, as Python has them.
#include <string.h>
#include <utf8proc.h>

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/chat_template/interpreter.h"

namespace ragmesh::chat_template {
namespace {

// The code point that begins at `at`, -1 for a bad byte; *size is its length.
utf8proc_int32_t Decode(absl::string_view text, std::size_t at, std::size_t* size) {
  utf8proc_int32_t code = -1;
  const utf8proc_ssize_t read =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()) + at,
                       static_cast<utf8proc_ssize_t>(text.size() - at), &code);
  *size = read > 0 ? static_cast<std::size_t>(read) : 1;
  return code;
}

bool IsSpace(utf8proc_int32_t code) {
  return (code >= 9 && code <= 13) || (code >= 0x1C && code <= 0x20) || code == 0x85 ||
         code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
         code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

// Where the character that ends at `end` begins.
std::size_t Before(absl::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

// What Strip takes away: white space when `characters` is null.
class Stripped {
 public:
  explicit Stripped(const std::string* characters) : spaces_(characters == nullptr) {
    if (spaces_) return;
    for (std::size_t at = 0, size = 0; at < characters->size(); at += size) {
      Decode(*characters, at, &size);
      characters_.insert(characters->substr(at, size));
    }
  }
  bool Has(absl::string_view character) const {
    std::size_t size = 0;
    return spaces_ ? IsSpace(Decode(character, 0, &size))
                   : characters_.find(std::string(character)) != characters_.end();
  }

 private:
  const bool spaces_;
  std::set<std::string> characters_;
};

template <typename Predicate>
bool AllCharacters(absl::string_view text, Predicate predicate) {
  for (std::size_t at = 0, size = 0; at < text.size(); at += size) {
    if (!predicate(Decode(text, at, &size))) return false;
  }
  return !text.empty();
}

bool IsAlpha(utf8proc_int32_t code) {
  const utf8proc_category_t category = utf8proc_category(code);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}
bool IsDigit(utf8proc_int32_t code) { return utf8proc_category(code) == UTF8PROC_CATEGORY_ND; }

bool Matches(const Text& self, const Value& what, bool at_start) {
  if (Is<List*>(what)) {  // a tuple of alternatives
    const std::vector<Value>& items = std::get<List*>(what)->items;
    return std::any_of(items.begin(), items.end(), [&](const Value& one) {
      return IsString(one) && Matches(self, one, at_start);
    });
  }
  const std::string& part = AsText(what).bytes;
  return at_start ? absl::StartsWith(self.bytes, part) : absl::EndsWith(self.bytes, part);
}

}  // namespace

Text Strip(const Text& text, const std::string* characters, bool left, bool right) {
  const Stripped stripped(characters);
  std::size_t begin = 0, end = text.bytes.size();
  const absl::string_view bytes = text.bytes;
  while (left && begin < end) {
    std::size_t size = 0;
    Decode(bytes, begin, &size);
    if (!stripped.Has(bytes.substr(begin, size))) break;
    begin += size;
  }
  while (right && end > begin) {
    const std::size_t at = std::max(Before(bytes, end), begin);
    if (!stripped.Has(bytes.substr(at, end - at))) break;
    end = at;
  }
  return text.Slice(begin, end);
}

std::size_t FindPart(absl::string_view text, absl::string_view part, std::size_t from) {
  if (from > text.size()) return std::string::npos;
  if (part.empty()) return from;
  // std::string's search takes time in the product of the two sizes.
  const void* found = memmem(text.data() + from, text.size() - from, part.data(), part.size());
  return found == nullptr ? std::string::npos
                          : static_cast<std::size_t>(static_cast<const char*>(found) - text.data());
}

Text Replace(const Text& text, const Text& from, const Text& to, std::size_t most,
             std::size_t max_bytes) {
  Text out;
  std::size_t at = 0;
  while (most > 0 && at <= text.bytes.size() && out.bytes.size() <= max_bytes) {
    const std::size_t found = FindPart(text.bytes, from.bytes, at);
    if (found == std::string::npos) break;
    out.Append(text.Slice(at, found));
    out.Append(to);
    at = found + from.bytes.size();
    --most;
    if (from.bytes.empty()) {  // an empty pattern stands before each character and at the end
      if (at >= text.bytes.size()) return out;
      const std::size_t next = at + CharacterOffset(absl::string_view(text.bytes).substr(at), 1);
      out.Append(text.Slice(at, next));
      at = next;
    }
  }
  if (at < text.bytes.size()) out.Append(text.Slice(at, text.bytes.size()));
  return out;
}

std::string ChangeCase(absl::string_view text, bool upper) {
  std::string out;
  for (std::size_t at = 0, size = 0; at < text.size(); at += size) {
    const utf8proc_int32_t code = Decode(text, at, &size);
    if (code < 0) {
      out.append(text.data() + at, size);
      continue;
    }
    utf8proc_uint8_t buffer[4];
    const utf8proc_ssize_t wrote =
        utf8proc_encode_char(upper ? utf8proc_toupper(code) : utf8proc_tolower(code), buffer);
    out.append(reinterpret_cast<const char*>(buffer), static_cast<std::size_t>(wrote));
  }
  return out;
}

std::string Capitalise(absl::string_view text, bool every_word) {
  std::string out;
  bool begins = true;
  for (std::size_t at = 0, size = 0; at < text.size(); at += size) {
    const utf8proc_int32_t code = Decode(text, at, &size);
    out += ChangeCase(text.substr(at, size), begins);
    begins = every_word && !(code >= 0 && IsAlpha(code)) && code != '\'';
  }
  return out;
}

Value Interpreter::CallMethod(const Value& self, const std::string& name,
                              const Arguments& arguments, bool* known) {
  *known = true;
  if (IsString(self)) return StringMethod(AsText(self), name, arguments, known);
  if (Is<List*>(self)) return ListMethod(std::get<List*>(self), name, arguments, known);
  if (Is<Dict*>(self) && !std::get<Dict*>(self)->is_namespace) {
    return DictMethod(std::get<Dict*>(self), name, arguments, known);
  }
  *known = false;
  return Undefined{};
}

Value Interpreter::Replaced(const Text& text, const Text& from, const Text& to, std::int64_t most) {
  if (!Work((text.bytes.size() + from.bytes.size()) / 64)) return Undefined{};
  Text out = Replace(text, from, to, most < 0 ? SIZE_MAX : static_cast<std::size_t>(most),
                     limits_.output_bytes);
  return out.bytes.size() > limits_.output_bytes ? OutOf("memory") : NewString(std::move(out));
}

// Searching from the right may look at every byte of `part` for each of `text`.
bool Interpreter::WorkOfSearchFromRight(absl::string_view text, absl::string_view part) {
  return Work(text.size() * part.size() / 8192);
}

Value Interpreter::Split(const Text& self, const Arguments& arguments, bool from_right) {
  const Value *separator = arguments.Find(0, "sep"), *maximum = arguments.Find(1, "maxsplit");
  std::size_t most = SIZE_MAX;
  if (maximum != nullptr && Is<std::int64_t>(*maximum) && AsInt(*maximum) >= 0) {
    most = static_cast<std::size_t>(AsInt(*maximum));
  }
  std::vector<Text> parts;
  if (separator == nullptr || Is<None>(*separator)) {
    if (from_right && most != SIZE_MAX) return Fail("rsplit needs a separator when it is limited");
    Text rest = Strip(self, nullptr, true, false);
    while (!rest.bytes.empty() && Charge(64)) {
      std::size_t end = 0, size = 0;
      while (end < rest.bytes.size() && !IsSpace(Decode(rest.bytes, end, &size))) end += size;
      if (parts.size() == most) end = rest.bytes.size();
      parts.push_back(rest.Slice(0, end));
      if (!Work(rest.bytes.size() / 256)) break;
      rest = Strip(rest.Slice(end, rest.bytes.size()), nullptr, true, false);
    }
  } else {
    if (!IsString(*separator) || AsText(*separator).bytes.empty())
      return Fail("split needs a string that is not empty");
    const std::string& by = AsText(*separator).bytes;
    std::size_t begin = 0, end = self.bytes.size();
    if (from_right && !WorkOfSearchFromRight(self.bytes, by)) return Undefined{};
    while (parts.size() < most && Charge(64)) {
      const std::size_t found =
          from_right ? (end < by.size() ? std::string::npos : self.bytes.rfind(by, end - by.size()))
                     : FindPart(self.bytes, by, begin);
      if (found == std::string::npos) break;
      parts.push_back(from_right ? self.Slice(found + by.size(), end) : self.Slice(begin, found));
      (from_right ? end : begin) = from_right ? found : found + by.size();
    }
    parts.push_back(self.Slice(begin, end));
    if (from_right) std::reverse(parts.begin(), parts.end());
  }
  List* list = NewList();
  for (Text& part : parts) list->items.push_back(NewString(std::move(part)));
  return list;
}

Value Interpreter::StringMethod(const Text& self, const std::string& name,
                                const Arguments& arguments, bool* known) {
  Work(self.bytes.size() / 64);
  const Value* first = arguments.positional.empty() ? nullptr : &arguments.positional[0];
  const auto needs_string = [&] { return first != nullptr && IsString(*first); };
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    const std::string* characters = needs_string() ? &AsText(*first).bytes : nullptr;
    if (characters != nullptr && !Work(characters->size())) return Undefined{};
    return NewString(Strip(self, characters, name != "rstrip", name != "lstrip"));
  }
  if (name == "split" || name == "rsplit") return Split(self, arguments, name == "rsplit");
  if (name == "splitlines") {
    List* list = NewList();
    for (std::size_t at = 0; at < self.bytes.size() && Charge(64);) {
      const std::size_t end = std::min(self.bytes.find('\n', at), self.bytes.size());
      list->items.push_back(NewString(self.Slice(at, end)));
      at = end + 1;
    }
    return list;
  }
  if (name == "startswith" || name == "endswith") {
    if (!needs_string() && (first == nullptr || !Is<List*>(*first)))
      return Fail(absl::StrCat(name, " needs a string"));
    if (Is<List*>(*first)) {
      for (const Value& part : std::get<List*>(*first)->items) {
        if (!Work(1 + (IsString(part) ? AsText(part).bytes.size() / 256 : 0))) return Undefined{};
      }
    }
    return Matches(self, *first, name == "startswith");
  }
  if (name == "removeprefix" || name == "removesuffix") {
    if (!needs_string()) return Fail(absl::StrCat(name, " needs a string"));
    const std::size_t size = self.bytes.size(), part = AsText(*first).bytes.size();
    if (!Matches(self, *first, name == "removeprefix")) return NewString(self);
    return NewString(name == "removeprefix" ? self.Slice(part, size) : self.Slice(0, size - part));
  }
  if (name == "upper" || name == "lower")
    return NewString(Text::Like(self, ChangeCase(self.bytes, name == "upper")));
  if (name == "title" || name == "capitalize") {
    return NewString(Text::Like(self, Capitalise(self.bytes, name == "title")));
  }
  if (name == "replace") {
    if (!needs_string() || arguments.positional.size() < 2 || !IsString(arguments.positional[1])) {
      return Fail("replace needs two strings");
    }
    const Value* count = arguments.Find(2, "count");
    const std::int64_t most = count != nullptr && Is<std::int64_t>(*count) ? AsInt(*count) : -1;
    return Replaced(self, AsText(*first), AsText(arguments.positional[1]), most);
  }
  if (name == "find" || name == "rfind" || name == "count" || name == "index") {
    if (!needs_string()) return Fail(absl::StrCat(name, " needs a string"));
    const std::string& part = AsText(*first).bytes;
    if (!Work(part.size() / 64)) return Undefined{};
    if (name == "count") {
      std::int64_t count = 0;
      for (std::size_t at = 0;
           !part.empty() && (at = FindPart(self.bytes, part, at)) != std::string::npos;
           at += part.size()) {
        ++count;
      }
      return count;
    }
    if (name == "rfind" && !WorkOfSearchFromRight(self.bytes, part)) return Undefined{};
    const std::size_t found =
        name == "rfind" ? self.bytes.rfind(part) : FindPart(self.bytes, part, 0);
    if (found == std::string::npos)
      return name == "index" ? Fail("substring not found") : Value(std::int64_t{-1});
    return static_cast<std::int64_t>(
        CountCharacters(absl::string_view(self.bytes).substr(0, found)));
  }
  if (name == "join") {
    if (first == nullptr) return Fail("join needs a list");
    Text out;
    bool begins = true;
    for (const Value& item : Iterate(*first)) {
      if (!IsString(item)) return Fail("join needs a list of strings");
      if (!std::exchange(begins, false)) out.Append(self);
      out.Append(AsText(item));
      if (!Charge() || out.bytes.size() > limits_.output_bytes) return OutOf("memory");
    }
    return NewString(std::move(out));
  }
  if (name == "isdigit") return AllCharacters(self.bytes, IsDigit);
  if (name == "isalpha") return AllCharacters(self.bytes, IsAlpha);
  if (name == "isalnum")
    return AllCharacters(self.bytes, [](auto code) { return IsAlpha(code) || IsDigit(code); });
  if (name == "isspace") return AllCharacters(self.bytes, IsSpace);
  if (name == "isupper" || name == "islower")
    return ApplyTest(name.substr(2), MakeString(self), {});
  *known = false;
  return Undefined{};
}

Value Interpreter::ListMethod(List* self, const std::string& name, const Arguments& arguments,
                              bool* known) {
  const Value* first = arguments.positional.empty() ? nullptr : &arguments.positional[0];
  if (name == "append" && first != nullptr) {
    Charge(sizeof(Value));
    self->items.push_back(*first);
    return None{};
  }
  if (name == "extend" && first != nullptr) {
    const std::vector<Value> items = Iterate(*first);
    self->items.insert(self->items.end(), items.begin(), items.end());
    return None{};
  }
  if (name == "insert" && arguments.positional.size() == 2 && Is<std::int64_t>(*first)) {
    Charge(sizeof(Value));
    Work(self->items.size() / 64);
    const auto size = static_cast<std::int64_t>(self->items.size());
    std::int64_t at = AsInt(*first);
    if (at < 0) at += size;
    self->items.insert(self->items.begin() + std::clamp<std::int64_t>(at, 0, size),
                       arguments.positional[1]);
    return None{};
  }
  if (name == "pop") {
    const auto size = static_cast<std::int64_t>(self->items.size());
    std::int64_t at = first != nullptr && Is<std::int64_t>(*first) ? AsInt(*first) : -1;
    if (at < 0) at += size;
    if (at < 0 || at >= size) return Fail("pop from beyond the list");
    Work(self->items.size() / 64);
    Value value = self->items[static_cast<std::size_t>(at)];
    self->items.erase(self->items.begin() + at);
    return value;
  }
  if ((name == "index" || name == "count") && first != nullptr) {
    const auto same = [&](const Value& item) { return ok() && Same(item, *first); };
    if (name == "count")
      return std::int64_t{std::count_if(self->items.begin(), self->items.end(), same)};
    const auto found = std::find_if(self->items.begin(), self->items.end(), same);
    return found == self->items.end() ? Fail("the value is not in the list")
                                      : Value(std::int64_t{found - self->items.begin()});
  }
  if (name == "copy") {
    List* copy = NewList();
    copy->items = Iterate(self);
    return copy;
  }
  *known = false;
  return Undefined{};
}

Value Interpreter::DictMethod(Dict* self, const std::string& name, const Arguments& arguments,
                              bool* known) {
  Work(self->entries.size() / 16);
  const Value* first = arguments.positional.empty() ? nullptr : &arguments.positional[0];
  const Value fallback = arguments.positional.size() > 1 ? arguments.positional[1] : Value(None{});
  if ((name == "get" || name == "setdefault") && first != nullptr) {
    if (const Value* found = FindEntry(self, *first); found != nullptr) return *found;
    if (name == "setdefault") {
      Charge(2 * sizeof(Value));
      SetEntry(self, *first, fallback);
    }
    return fallback;
  }
  if (name == "items" || name == "keys" || name == "values") {
    List* list = NewList();
    for (const auto& [key, value] : self->entries) {
      if (!Charge(sizeof(Value))) break;
      if (name == "items") {
        List* pair = NewList(true);
        pair->items = {key, value};
        list->items.push_back(pair);
      } else {
        list->items.push_back(name == "keys" ? key : value);
      }
    }
    return list;
  }
  if (name == "pop" && first != nullptr) {
    for (auto entry = self->entries.begin(); entry != self->entries.end(); ++entry) {
      if (!Same(entry->first, *first)) continue;
      Value value = entry->second;
      self->entries.erase(entry);
      return value;
    }
    return arguments.positional.size() > 1 ? fallback : Fail("pop of a key that is not there");
  }
  if (name == "update") {
    std::vector<std::pair<Value, Value>> more;
    if (first != nullptr && Is<Dict*>(*first)) more = std::get<Dict*>(*first)->entries;
    for (const auto& [key, value] : arguments.named) more.emplace_back(MakeString(key), value);
    for (const auto& [key, value] : more) {
      if (!Charge(2 * sizeof(Value))) break;
      SetEntry(self, key, value);
    }
    return None{};
  }
  if (name == "copy") {
    Dict* copy = NewDict();
    Charge(self->entries.size() * 2 * sizeof(Value));
    copy->entries = self->entries;
    return copy;
  }
  *known = false;
  return Undefined{};
}

}  // namespace ragmesh::chat_template
