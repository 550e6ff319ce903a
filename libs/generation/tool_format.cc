#include "libs/generation/tool_format.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::generation {
namespace {

using Json = nlohmann::ordered_json;

// Words that no template has of its own.
constexpr char kTool[] = "qz_tool", kName[] = "qz_called";
constexpr char kId[] = "qzAAAAAA1";
static_assert(sizeof(kId) == kCallIdBytes + 1);
constexpr char kArgument[] = "qz_argument";

// What stands around names and arguments is short; more of it is no form of a call.
constexpr std::size_t kMaxPieceBytes = 128;

absl::Status NoFormat(absl::string_view why) {
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat("tools cannot be used with this model: ", why),
                   {.reason = "NO_TOOL_FORMAT",
                    .field = "tools",
                    .next_step = "Leave tools out, or use a model whose chat template has tools."});
}

constexpr char kUnreadable[] = "its chat template writes calls in a way that is not read here";

Json Call(bool typed) {
  Json function = {{"name", kName}};
  function["arguments"] = typed ? Json({{kArgument, "qz"}}) : Json(R"({"qz_argument": "qz"})");
  return {{"id", kId}, {"type", "function"}, {"function", std::move(function)}};
}

// A question with this answer to it; nullopt when the template refuses it.
std::optional<std::string> Render(const ToolFormatSource& source, Json answer) {
  const Json schema = Json::parse(
      R"({"type": "object", "properties": {"qz_argument": {"type": "string", "description": "qz"}},
          "required": ["qz_argument"]})");
  Json tool = {{"type", "function"}};
  tool["function"] = {{"name", kTool}, {"description", "qz"}, {"parameters", schema}};
  Json context = {{"bos_token", source.bos}, {"eos_token", source.eos}};
  context["add_generation_prompt"] = false;
  context["tools"] = Json::array({std::move(tool)});
  context["messages"] = {{{"role", "user"}, {"content", "qz"}}};
  context["messages"].push_back(std::move(answer));
  const auto rendered = source.chat_template.Render(context, absl::UnixEpoch());
  if (!rendered.ok()) return std::nullopt;
  return rendered->text;
}

Json Answer(absl::string_view text) {
  return {{"role", "assistant"}, {"content", std::string(text)}};
}

Json CallsAnswer(std::size_t calls, bool typed) {
  Json answer = Answer("");
  answer["tool_calls"] = Json(calls, Call(typed));
  return answer;
}

// Where the object with kArgument lies, at `from` or behind; npos when it is not spelled as JSON.
std::pair<std::size_t, std::size_t> FindArguments(absl::string_view text, std::size_t from) {
  const std::size_t key = text.find("\"qz_argument\"", from);
  if (key == absl::string_view::npos) return {key, key};
  const std::size_t begin = text.rfind('{', key);
  const std::size_t end = text.find('}', key);
  if (begin == absl::string_view::npos || begin < from || end == absl::string_view::npos)
    return {absl::string_view::npos, 0};
  const absl::string_view object = text.substr(begin, end + 1 - begin);
  const Json read = Json::parse(object.begin(), object.end(), nullptr, false);
  if (!read.is_object() || read.value(kArgument, Json()) != "qz")
    return {absl::string_view::npos, 0};
  return {begin, end + 1};
}

// The first end of text in `text`, else its end.
std::size_t FindEnd(absl::string_view text, const ToolFormatSource& source) {
  std::size_t end = text.size();
  for (const std::string& spelling : source.ends) end = std::min(end, text.find(spelling));
  return end;
}

std::string WithIdMarks(absl::string_view text) {
  return absl::StrReplaceAll(text, {{kId, std::string(kCallIdBytes, kIdMark)}});
}

// `at`, or the beginning of the control token that lies around it.
std::size_t BeforeControl(absl::string_view text, std::size_t at,
                          const std::vector<std::string>& controls) {
  std::size_t first = at;
  for (const std::string& control : controls) {
    for (std::size_t back = 1; back < control.size() && back <= at; ++back) {
      if (absl::StartsWith(text.substr(at - back), control)) first = std::min(first, at - back);
    }
  }
  return first;
}

std::string WithControlMarks(absl::string_view text, const std::vector<std::string>& controls) {
  std::string marked;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t longest = 0;
    for (const std::string& control : controls) {
      if (control.size() > longest && absl::StartsWith(text.substr(at), control))
        longest = control.size();
    }
    if (longest > 0) marked += kControlMark;
    const std::size_t size = std::max<std::size_t>(longest, 1);
    marked.append(text.data() + at, size);
    at += size;
  }
  return marked;
}

// A call in a text: where its name and its arguments lie.
struct Found {
  std::size_t name = 0, behind_name = 0;
  std::size_t arguments = 0, behind_arguments = 0;
};

std::optional<Found> FindCall(absl::string_view text, std::size_t from) {
  Found found;
  found.name = text.find(kName, from);
  if (found.name == absl::string_view::npos) return std::nullopt;
  found.behind_name = found.name + sizeof(kName) - 1;
  std::tie(found.arguments, found.behind_arguments) = FindArguments(text, found.behind_name);
  const bool apart = text.find(kName, found.behind_name) >= found.behind_arguments;
  if (found.arguments == absl::string_view::npos || !apart) return std::nullopt;
  return found;
}

// What stands between one call and the next, when that is the same for all; empty when the model
// makes one call at a time, or counts them.
std::string FindNext(const ToolFormatSource& source, const ToolFormat& format) {
  const auto text = Render(source, CallsAnswer(3, format.typed_arguments));
  if (!text.has_value()) return "";
  std::string next;
  std::optional<Found> last = FindCall(*text, 0);
  for (int call = 1; call < 3; ++call) {
    if (!last.has_value()) return "";
    const std::optional<Found> found = FindCall(*text, last->behind_arguments);
    if (!found.has_value()) return "";
    const std::string between = WithIdMarks(
        absl::string_view(*text).substr(found->behind_name, found->arguments - found->behind_name));
    const std::string stands = WithIdMarks(absl::string_view(*text).substr(
        last->behind_arguments, found->name - last->behind_arguments));
    if (between != format.between || (call > 1 && stands != next)) return "";
    next = stands;
    last = found;
  }
  return next;
}

// The pieces around names and arguments; the turn's own beginning is cut off `before`.
absl::StatusOr<ToolFormat> FindPieces(const ToolFormatSource& source, bool typed) {
  const auto text = Render(source, CallsAnswer(1, typed));
  if (!text.has_value()) return NoFormat("its chat template refuses a conversation with a call");
  if (text->find(kTool) == std::string::npos)
    return NoFormat("its chat template does not write them");
  if (text->find(kName) == std::string::npos)
    return NoFormat("its chat template does not write calls");
  const std::optional<Found> call = FindCall(*text, 0);
  if (!call.has_value()) return NoFormat(kUnreadable);
  // The same turn with words begins alike, up to where the call is: no call begins with a letter.
  const std::string plain = Render(source, Answer("qz")).value_or("");
  const auto name_at = text->begin() + static_cast<std::ptrdiff_t>(call->name);
  const auto parting = std::mismatch(text->begin(), name_at, plain.begin(), plain.end()).first;
  const std::size_t turn =
      BeforeControl(*text, static_cast<std::size_t>(parting - text->begin()), source.controls);
  const absl::string_view whole = *text;
  ToolFormat format;
  format.typed_arguments = typed;
  format.before = WithIdMarks(whole.substr(turn, call->name - turn));
  format.between =
      WithIdMarks(whole.substr(call->behind_name, call->arguments - call->behind_name));
  const absl::string_view behind = whole.substr(call->behind_arguments);
  format.after = WithIdMarks(behind.substr(0, FindEnd(behind, source)));
  format.next = FindNext(source, format);
  if (std::max({format.before.size(), format.between.size(), format.after.size(),
                format.next.size()}) > kMaxPieceBytes) {
    return NoFormat(kUnreadable);
  }
  return format;
}

// Where in `before` the object with the name begins; npos when the name is no member of one.
std::size_t FindObject(const ToolFormat& format) {
  const absl::string_view before = absl::StripTrailingAsciiWhitespace(format.before);
  const std::size_t brace = before.rfind('{');
  if (brace == absl::string_view::npos || !absl::EndsWith(before, "\"")) return std::string::npos;
  const std::string object = absl::StrCat(before.substr(brace), "n", format.between, "{}}");
  const Json read = Json::parse(object, nullptr, /*allow_exceptions=*/false);
  const bool is_call = read.is_object() && read.value("name", Json()) == "n" &&
                       (read.contains("arguments") || read.contains("parameters"));
  return is_call ? brace : std::string::npos;
}

// What readers go by, made from what the template writes.
absl::Status Describe(const ToolFormatSource& source, ToolFormat* format) {
  const std::size_t object = FindObject(*format);
  format->is_object = object != std::string::npos;
  absl::string_view open = absl::string_view(format->before).substr(0, object);
  open = absl::StripTrailingAsciiWhitespace(open);
  absl::string_view close = absl::StripLeadingAsciiWhitespace(format->after);
  if (format->is_object) {
    if (absl::EndsWith(open, "[")) open.remove_suffix(1);
    const std::size_t brace = close.find('}');
    close.remove_prefix(brace == absl::string_view::npos ? 0 : brace + 1);
    close = absl::StripLeadingAsciiWhitespace(close);
    if (absl::StartsWith(close, "]")) close.remove_prefix(1);
  }
  format->open = std::string(absl::StripTrailingAsciiWhitespace(open));
  format->close = std::string(absl::StripLeadingAsciiWhitespace(close));
  const std::string python = "<|python_tag|>";
  const auto& controls = source.controls;
  if (format->open.empty() && std::count(controls.begin(), controls.end(), python) > 0)
    format->also_open = kControlMark + python;
  // A brace before the arguments would be of a notation that only looks like JSON.
  const bool braced = !format->is_object && absl::StrContains(format->between, "{");
  const bool marked = format->open.empty() || format->open[0] == kControlMark ||
                      format->open.find(format->open[0], 1) == std::string::npos;
  if (braced || !marked || (format->open.empty() && !format->is_object))
    return NoFormat(kUnreadable);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ToolFormat> FindToolFormat(const ToolFormatSource& source) {
  absl::StatusOr<ToolFormat> found = FindPieces(source, /*typed=*/true);
  if (!found.ok()) {
    absl::StatusOr<ToolFormat> with_text = FindPieces(source, /*typed=*/false);
    if (!with_text.ok()) return found.status();
    found = std::move(with_text);
  }
  // White space between the turn's header and a call is the header's own, and so at its end.
  found->before =
      WithControlMarks(absl::StripLeadingAsciiWhitespace(found->before), source.controls);
  found->between = WithControlMarks(found->between, source.controls);
  found->next = WithControlMarks(found->next, source.controls);
  found->after =
      WithControlMarks(absl::StripTrailingAsciiWhitespace(found->after), source.controls);
  RAGMESH_RETURN_IF_ERROR(Describe(source, &*found));
  return found;
}

}  // namespace ragmesh::generation
