#include "libs/chat_template/lexer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/chat_template/value.h"

namespace ragmesh::chat_template {
namespace {

void AppendUtf8(std::uint32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    *out += {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
  } else if (code < 0x10000) {
    *out += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
             static_cast<char>(0x80 | (code & 0x3F))};
  } else {
    *out +=
        {static_cast<char>(0xF0 | (code >> 18 & 7)), static_cast<char>(0x80 | (code >> 12 & 0x3F)),
         static_cast<char>(0x80 | (code >> 6 & 0x3F)), static_cast<char>(0x80 | (code & 0x3F))};
  }
}

class Lexer {
 public:
  explicit Lexer(absl::string_view source) : source_(source) {
    if (absl::EndsWith(source_, "\n"))
      source_.remove_suffix(1);  // Jinja drops one line end at the end
  }

  absl::StatusOr<std::vector<Token>> Run() {
    while (position_ < source_.size()) RAGMESH_RETURN_IF_ERROR(Next());
    tokens_.push_back({TokenType::kEnd, "", line_});
    return std::move(tokens_);
  }

 private:
  absl::string_view Rest() const { return source_.substr(position_); }

  void Advance(std::size_t count) {
    line_ += static_cast<int>(
        std::count(source_.begin() + position_, source_.begin() + position_ + count, '\n'));
    position_ += count;
  }

  // Data up to the next tag, then the tag.
  absl::Status Next() {
    std::size_t tag = position_;
    while (true) {
      tag = source_.find('{', tag);
      if (tag == absl::string_view::npos || tag + 1 >= source_.size()) {
        AddData(Rest());
        Advance(source_.size() - position_);
        return absl::OkStatus();
      }
      const char kind = source_[tag + 1];
      if (kind == '{' || kind == '%' || kind == '#') break;
      ++tag;
    }
    const char kind = source_[tag + 1];
    const char control = tag + 2 < source_.size() ? source_[tag + 2] : 0;
    absl::string_view data = source_.substr(position_, tag - position_);
    if (control == '-') {
      data = absl::StripTrailingAsciiWhitespace(data);
    } else if (control != '+' && kind != '{') {
      const std::size_t line_begin = data.rfind('\n') + 1;  // 0 when there is none
      const absl::string_view indent = data.substr(line_begin);
      if ((line_begin > 0 || line_starting_) && absl::StripAsciiWhitespace(indent).empty()) {
        data = data.substr(0, line_begin);
      }
    }
    AddData(data);
    Advance(tag + 2 - position_);
    if (control == '-' || control == '+') Advance(1);
    if (kind == '#') return Comment();
    if (kind == '%') {
      const absl::string_view name = absl::StripLeadingAsciiWhitespace(Rest());
      if (absl::StartsWith(name, "raw") && name.size() > 3 && !absl::ascii_isalnum(name[3]) &&
          name[3] != '_') {
        return Raw();
      }
    }
    tokens_.push_back({kind == '{' ? TokenType::kPrintBegin : TokenType::kBlockBegin, "", line_});
    return Expression(kind == '{');
  }

  void AddData(absl::string_view data) {
    if (!data.empty()) tokens_.push_back({TokenType::kData, std::string(data), line_});
  }

  // Whitespace after a tag that ends in `closing`, whose sign stands before it.
  void AfterTag(char sign, bool trims) {
    line_starting_ = false;
    if (sign == '-') {
      const std::size_t blank = Rest().size() - absl::StripLeadingAsciiWhitespace(Rest()).size();
      line_starting_ = blank > 0 && source_[position_ + blank - 1] == '\n';
      Advance(blank);
    } else if (trims && sign != '+' && absl::StartsWith(Rest(), "\n")) {
      Advance(1);
      line_starting_ = true;
    }
  }

  absl::Status Comment() {
    const std::size_t end = source_.find("#}", position_);
    if (end == absl::string_view::npos) return BadTemplate(line_, "a comment does not end");
    const char sign = end > position_ ? source_[end - 1] : 0;
    Advance(end + 2 - position_);
    AfterTag(sign, true);
    return absl::OkStatus();
  }

  // {% raw %} .. {% endraw %}: data as it stands.
  absl::Status Raw() {
    const std::size_t open = source_.find("%}", position_);
    if (open == absl::string_view::npos) return BadTemplate(line_, "a raw block does not end");
    const char sign = source_[open - 1];
    Advance(open + 2 - position_);
    AfterTag(sign, true);
    for (std::size_t at = position_; (at = source_.find("{%", at)) != absl::string_view::npos;
         at += 2) {
      std::size_t inside = at + 2;
      const bool strips = inside < source_.size() && source_[inside] == '-';
      if (strips) ++inside;
      while (inside < source_.size() && absl::ascii_isspace(source_[inside])) ++inside;
      if (!absl::StartsWith(source_.substr(inside), "endraw")) continue;
      const std::size_t close = source_.find("%}", inside);
      if (close == absl::string_view::npos) break;
      const absl::string_view data = source_.substr(position_, at - position_);
      AddData(strips ? absl::StripTrailingAsciiWhitespace(data) : data);
      const char end_sign = source_[close - 1];
      Advance(close + 2 - position_);
      AfterTag(end_sign, true);
      return absl::OkStatus();
    }
    return BadTemplate(line_, "a raw block does not end");
  }

  // Tokens up to the end of the tag. Inside brackets "}}" closes two dictionaries, not the tag.
  absl::Status Expression(bool print) {
    const absl::string_view closing = print ? "}}" : "%}";
    std::string open;
    while (true) {
      Advance(Rest().size() - absl::StripLeadingAsciiWhitespace(Rest()).size());
      if (Rest().empty()) return BadTemplate(line_, "a tag does not end");
      const char sign = Rest()[0];
      const std::size_t skip = sign == '-' || sign == '+' ? 1 : 0;
      if (open.empty() && absl::StartsWith(Rest().substr(skip), closing)) {
        tokens_.push_back({print ? TokenType::kPrintEnd : TokenType::kBlockEnd, "", line_});
        Advance(skip + 2);
        AfterTag(skip > 0 ? sign : 0, !print);
        return absl::OkStatus();
      }
      RAGMESH_RETURN_IF_ERROR(Piece(&open));
    }
  }

  absl::Status Piece(std::string* open) {
    const char first = Rest()[0];
    if (first == '"' || first == '\'') return String(first);
    if (absl::ascii_isdigit(first)) return Number();
    if (absl::ascii_isalpha(first) || first == '_') {
      std::size_t size = 1;
      while (size < Rest().size() && (absl::ascii_isalnum(Rest()[size]) || Rest()[size] == '_'))
        ++size;
      return Add(TokenType::kName, size);
    }
    for (const absl::string_view op : {"**", "//", "==", "!=", "<=", ">="}) {
      if (absl::StartsWith(Rest(), op)) return Add(TokenType::kOperator, 2);
    }
    if (absl::string_view("+-*/%~<>=.,:|()[]{}").find(first) == absl::string_view::npos) {
      return BadTemplate(line_,
                         absl::StrCat("unexpected character '", absl::string_view(&first, 1), "'"));
    }
    if (first == '(' || first == '[' || first == '{') open->push_back(first);
    if (first == ')' || first == ']' || first == '}') {
      const char match = first == ')' ? '(' : first == ']' ? '[' : '{';
      if (open->empty() || open->back() != match)
        return BadTemplate(line_, "brackets do not match");
      open->pop_back();
    }
    return Add(TokenType::kOperator, 1);
  }

  absl::Status Add(TokenType type, std::size_t size) {
    tokens_.push_back({type, std::string(Rest().substr(0, size)), line_});
    Advance(size);
    return absl::OkStatus();
  }

  absl::Status Number() {
    const auto digits = [&](std::size_t at) {
      while (at < Rest().size() && (absl::ascii_isdigit(Rest()[at]) || Rest()[at] == '_')) ++at;
      return at;
    };
    std::size_t size = digits(0);
    bool real = false;
    if (size + 1 < Rest().size() && Rest()[size] == '.' && absl::ascii_isdigit(Rest()[size + 1])) {
      size = digits(size + 1);
      real = true;
    }
    if (size < Rest().size() && (Rest()[size] == 'e' || Rest()[size] == 'E')) {
      std::size_t power = size + 1;
      if (power < Rest().size() && (Rest()[power] == '-' || Rest()[power] == '+')) ++power;
      if (digits(power) > power) {
        size = digits(power);
        real = true;
      }
    }
    RAGMESH_RETURN_IF_ERROR(Add(real ? TokenType::kFloat : TokenType::kInteger, size));
    std::string& text = tokens_.back().text;
    text.erase(std::remove(text.begin(), text.end(), '_'), text.end());
    return absl::OkStatus();
  }

  absl::Status String(char quote) {
    std::string value;
    std::size_t at = 1;
    for (; at < Rest().size() && Rest()[at] != quote; ++at) {
      if (Rest()[at] != '\\' || at + 1 >= Rest().size()) {
        value.push_back(Rest()[at]);
        continue;
      }
      at = Escape(at + 1, &value);
    }
    if (at >= Rest().size()) return BadTemplate(line_, "a string does not end");
    tokens_.push_back({TokenType::kString, std::move(value), line_});
    Advance(at + 1);
    return absl::OkStatus();
  }

  // Reads the escape whose letter is at `at`; returns the place of its last character.
  std::size_t Escape(std::size_t at, std::string* value) {
    const char letter = Rest()[at];
    static constexpr absl::string_view kLetters = "ntrbfav\\'\"", kValues = "\n\t\r\b\f\a\v\\'\"";
    if (const std::size_t known = kLetters.find(letter); known != absl::string_view::npos) {
      value->push_back(kValues[known]);
      return at;
    }
    if (letter == '\n') return at;  // a continued line
    const std::size_t width = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    std::uint32_t code = 0;
    std::size_t i = 1;
    for (; i <= width && at + i < Rest().size() && absl::ascii_isxdigit(Rest()[at + i]); ++i) {
      const char digit = absl::ascii_tolower(Rest()[at + i]);
      code = code * 16 + static_cast<std::uint32_t>(absl::ascii_isdigit(digit) ? digit - '0'
                                                                               : digit - 'a' + 10);
    }
    if (width == 0 || i <= width || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      *value += {'\\', letter};
      return at;
    }
    AppendUtf8(code, value);
    return at + width;
  }

  absl::string_view source_;
  std::size_t position_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

absl::Status BadTemplate(int line, absl::string_view problem) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("chat template, line ", line, ": ", Shortened(problem)),
                   {.reason = "BAD_TEMPLATE", .field = "chat_template"});
}

absl::StatusOr<std::vector<Token>> Tokenise(absl::string_view source) {
  return Lexer(source).Run();
}

}  // namespace ragmesh::chat_template
