#include "libs/bridge/path_template.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/http/message.h"
#include "libs/text/utf8.h"

namespace ragmesh::bridge {
namespace {

constexpr std::size_t kMaxSegments = 64;

bool IsFieldPath(absl::string_view path) {
  for (absl::string_view name : absl::StrSplit(path, '.')) {
    if (name.empty() || absl::ascii_isdigit(name[0])) return false;
    for (char c : name) {
      if (!absl::ascii_isalnum(c) && c != '_') return false;
    }
  }
  return true;
}

// Undoes percent-encoding but leaves "%2F" as it is, so that a slash inside a segment stays apart
// from one between two.
std::optional<std::string> DecodeKeepingSlashes(absl::string_view text) {
  std::vector<std::string> parts;
  std::string rest(text);
  for (absl::string_view piece : absl::StrSplit(absl::string_view(rest), '%')) {
    if (!parts.empty() && absl::StartsWithIgnoreCase(piece, "2f")) {
      parts.push_back(absl::StrCat("%25", piece));
    } else {
      parts.push_back(parts.empty() ? std::string(piece) : absl::StrCat("%", piece));
    }
  }
  return http::PercentDecode(absl::StrJoin(parts, ""));
}

}  // namespace

class PathTemplate::Parser {
 public:
  Parser(absl::string_view text, PathTemplate& out) : text_(text), out_(out) {}

  absl::Status Parse() {
    if (!Take('/')) return Bad("must begin with '/'");
    RAGMESH_RETURN_IF_ERROR(Segments(/*in_variable=*/false));
    if (Take(':')) {
      out_.verb_ = Literal();
      if (out_.verb_.empty()) return Bad("has an empty verb");
    }
    if (at_ != text_.size()) return Bad(absl::StrCat("has an unexpected character at ", at_));
    for (std::size_t i = 0; i + 1 < out_.segments_.size(); ++i) {
      if (out_.segments_[i].kind == Kind::kRest) return Bad("has ** before its last segment");
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Bad(absl::string_view problem) const {
    return InvalidField("path template", absl::StrCat("\"", text_, "\" ", problem));
  }
  bool Take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  std::string Literal() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && !absl::StrContains("/{}=:*", absl::string_view(&text_[at_], 1)))
      ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  absl::Status Segments(bool in_variable) {
    do {
      if (out_.segments_.size() >= kMaxSegments) return Bad("has too many segments");
      if (Take('{')) {
        if (in_variable) return Bad("has a variable inside a variable");
        RAGMESH_RETURN_IF_ERROR(TakeVariable());
      } else if (Take('*')) {
        out_.segments_.push_back({Take('*') ? Kind::kRest : Kind::kAny, ""});
      } else {
        std::string literal = Literal();
        const bool is_root = text_ == "/";
        if (literal.empty() && !is_root) return Bad("has an empty segment");
        if (!is_root) out_.segments_.push_back({Kind::kLiteral, std::move(literal)});
      }
    } while (Take('/'));
    return absl::OkStatus();
  }

  absl::Status TakeVariable() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != '=' && text_[at_] != '}') ++at_;
    Variable variable{std::string(text_.substr(begin, at_ - begin)), out_.segments_.size(), 0};
    if (!IsFieldPath(variable.field_path)) return Bad("has a variable that is no field path");
    for (const Variable& other : out_.variables_) {
      if (other.field_path == variable.field_path) return Bad("has a variable twice");
    }
    if (Take('=')) {
      RAGMESH_RETURN_IF_ERROR(Segments(/*in_variable=*/true));
    } else {
      out_.segments_.push_back({Kind::kAny, ""});
    }
    if (!Take('}')) return Bad("has a variable without its '}'");
    variable.end = out_.segments_.size();
    out_.variables_.push_back(std::move(variable));
    return absl::OkStatus();
  }

  const absl::string_view text_;
  PathTemplate& out_;
  std::size_t at_ = 0;
};

absl::StatusOr<PathTemplate> PathTemplate::Parse(absl::string_view text) {
  PathTemplate out;
  RAGMESH_RETURN_IF_ERROR(Parser(text, out).Parse());
  return out;
}

std::optional<std::vector<PathBinding>> PathTemplate::Match(absl::string_view path) const {
  if (!absl::StartsWith(path, "/")) return std::nullopt;
  path.remove_prefix(1);
  if (!verb_.empty()) {
    if (!absl::EndsWith(path, absl::StrCat(":", verb_))) return std::nullopt;
    path.remove_suffix(verb_.size() + 1);
  }
  if (segments_.empty())
    return path.empty() ? std::make_optional<std::vector<PathBinding>>() : std::nullopt;
  const std::vector<absl::string_view> parts = absl::StrSplit(path, '/');
  const bool open_ended = segments_.back().kind == Kind::kRest;
  if (open_ended ? parts.size() + 1 < segments_.size() : parts.size() != segments_.size())
    return std::nullopt;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (segments_[i].kind == Kind::kRest) break;
    if (parts[i].empty()) return std::nullopt;
    if (segments_[i].kind == Kind::kLiteral &&
        http::PercentDecode(parts[i]) != segments_[i].literal) {
      return std::nullopt;
    }
  }
  std::vector<PathBinding> bindings;
  for (const Variable& variable : variables_) {
    const bool rest = segments_[variable.end - 1].kind == Kind::kRest;
    const auto begin = parts.begin() + static_cast<std::ptrdiff_t>(variable.begin);
    const auto end = rest ? parts.end() : parts.begin() + static_cast<std::ptrdiff_t>(variable.end);
    const std::string raw = absl::StrJoin(begin, end, "/");
    const bool single = !rest && variable.end - variable.begin == 1;
    auto text = single ? http::PercentDecode(raw) : DecodeKeepingSlashes(raw);
    if (!text.has_value() || !text::IsValidUtf8(*text)) return std::nullopt;
    bindings.emplace_back(variable.field_path, *std::move(text));
  }
  return bindings;
}

std::string PathTemplate::OpenApiPath() const {
  std::string path;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    const Variable* variable = nullptr;
    for (const Variable& candidate : variables_) {
      if (candidate.begin <= i && i < candidate.end) variable = &candidate;
    }
    if (variable == nullptr) {
      absl::StrAppend(&path, "/", segments_[i].kind == Kind::kLiteral ? segments_[i].literal : "*");
    } else if (variable->begin == i) {
      absl::StrAppend(&path, "/{", variable->field_path, "}");
    }
  }
  if (path.empty()) path.push_back('/');
  return verb_.empty() ? path : absl::StrCat(path, ":", verb_);
}

std::vector<std::string> PathTemplate::variables() const {
  std::vector<std::string> names;
  for (const Variable& variable : variables_) names.push_back(variable.field_path);
  return names;
}

std::strong_ordering PathTemplate::operator<=>(const PathTemplate& other) const {
  if (verb_.empty() != other.verb_.empty()) {
    return verb_.empty() ? std::strong_ordering::greater : std::strong_ordering::less;
  }
  // Kinds are declared in the order of specificity.
  if (const auto order = segments_ <=> other.segments_; order != 0) return order;
  return verb_ <=> other.verb_;
}

}  // namespace ragmesh::bridge
