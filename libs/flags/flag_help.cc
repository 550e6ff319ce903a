#include "libs/flags/flag_help.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"

namespace ragmesh::flags {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::size_t kHelpColumn = 6;

// `text` broken between words, every line indented.
std::string Wrap(absl::string_view text, std::size_t indent) {
  const std::string margin(indent, ' ');
  std::string out = margin;
  std::size_t column = indent;
  for (absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    if (column > indent && column + 1 + word.size() > kWidth) {
      absl::StrAppend(&out, "\n", margin);
      column = indent;
    }
    absl::StrAppend(&out, column > indent ? " " : "", word);
    column += word.size() + (column > indent ? 1 : 0);
  }
  return out + "\n";
}

std::string Usage(const HelpPage& page) {
  std::string usage = absl::StrCat("Usage: ", page.program);
  if (!page.flags.empty()) absl::StrAppend(&usage, " [flags]");
  if (!page.commands.empty()) absl::StrAppend(&usage, " COMMAND");
  for (const Argument& argument : page.arguments) {
    const std::string name = absl::StrCat(argument.name, argument.list ? "..." : "");
    absl::StrAppend(&usage, " ", argument.required ? name : absl::StrCat("[", name, "]"));
  }
  return usage + "\n";
}

void AppendFlag(const Flag& flag, std::string* out) {
  absl::StrAppend(out, "  --", flag.name, flag.form.empty() ? "" : "=", flag.form, "\n");
  const std::string initial = flag.initial.empty() ? "empty" : flag.initial;
  absl::StrAppend(out, Wrap(absl::StrCat(flag.help, " Default: ", initial, ". [",
                                         EnvironmentName(flag.name), "]"),
                            kHelpColumn));
}

}  // namespace

std::string EnvironmentName(absl::string_view flag) {
  return absl::StrCat("RAGMESH_",
                      absl::StrReplaceAll(absl::AsciiStrToUpper(flag), {{"-", "_"}, {".", "_"}}));
}

std::string RenderHelp(const HelpPage& page) {
  std::string out = Usage(page);
  absl::StrAppend(&out, "\n", Wrap(page.about, 0));
  if (!page.example.empty()) absl::StrAppend(&out, "\nExample:\n  ", page.example, "\n");
  if (!page.commands.empty()) {
    absl::StrAppend(&out, "\nCommands (", page.program, " COMMAND --help tells more):\n");
    std::size_t width = 0;
    for (const auto& [name, about] : page.commands) width = std::max(width, name.size());
    for (const auto& [name, about] : page.commands) {
      absl::StrAppend(&out, "  ", name, std::string(width - name.size() + 2, ' '), about, "\n");
    }
  }
  if (!page.arguments.empty()) {
    absl::StrAppend(&out, "\nArguments:\n");
    for (const Argument& argument : page.arguments) {
      absl::StrAppend(&out, "  ", argument.name, "\n", Wrap(argument.help, kHelpColumn));
    }
  }
  // Groups in the order they first appear.
  std::vector<std::string> groups;
  for (const Flag& flag : page.flags) {
    if (std::find(groups.begin(), groups.end(), flag.group) == groups.end())
      groups.push_back(flag.group);
  }
  for (const std::string& group : groups) {
    absl::StrAppend(&out, "\n", group.empty() ? "Flags" : group, ":\n");
    for (const Flag& flag : page.flags) {
      if (flag.group == group) AppendFlag(flag, &out);
    }
  }
  absl::StrAppend(&out, "\nAlso:\n  --help     print this text\n  --version  print the version\n");
  if (!page.flags.empty()) {
    absl::StrAppend(
        &out, "\n",
        Wrap("A flag may also be given by the environment variable in brackets; the command line "
             "wins over the environment.",
             0));
  }
  return out;
}

}  // namespace ragmesh::flags
