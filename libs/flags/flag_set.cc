#include "libs/flags/flag_set.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/flags/flag_help.h"
#include "libs/flags/nearest.h"
#include "libs/version/version.h"

namespace ragmesh::flags {
namespace {

using Texts = std::vector<std::string>;
using Apply = std::function<absl::Status(const Texts&)>;

std::string Dashed(const std::string& name) { return absl::StrReplaceAll(name, {{"_", "-"}}); }

// Carries a typed status through CLI11, which reports errors by exceptions.
class StatusError final : public CLI::ParseError {
 public:
  explicit StatusError(absl::Status status)
      : CLI::ParseError("StatusError", std::string(status.message()),
                        CLI::ExitCodes::ConversionError),
        status(std::move(status)) {}
  absl::Status status;
};

// An error about the value of flag `name`.
absl::Status BadValue(const std::string& name, absl::string_view given,
                      absl::string_view next_step) {
  return InvalidField(
      "--" + name, absl::StrCat("is \"", given.substr(0, 200), "\""),
      absl::StrCat(next_step, " It is set by --", name, " or ", EnvironmentName(name), "."));
}

template <typename T, typename Read, typename Format>
Apply RangedApply(const std::string& name, T* target, Range<T> range, Read read, Format format) {
  return [=](const Texts& values) {
    const absl::StatusOr<T> value = read(values.at(0));
    if (!value.ok() || *value < range.min || range.max < *value) {
      return BadValue(name, values.at(0),
                      absl::StrCat("Give ", format(range.min), " to ", format(range.max), "."));
    }
    *target = *value;
    return absl::OkStatus();
  };
}

absl::StatusOr<std::int64_t> ReadInt(const std::string& text) {
  std::int64_t value;
  if (!absl::SimpleAtoi(text, &value)) return absl::InvalidArgumentError("not a whole number");
  return value;
}

absl::StatusOr<double> ReadDouble(const std::string& text) {
  double value;
  if (!absl::SimpleAtod(text, &value) || value != value)
    return absl::InvalidArgumentError("not a number");
  return value;
}

// "(1 to 64 threads)"
std::string RangeText(absl::string_view min, absl::string_view max, absl::string_view unit) {
  return absl::StrCat(" (", min, " to ", max, unit.empty() ? "" : " ", unit, ")");
}

}  // namespace

struct FlagSet::State {
  std::unique_ptr<CLI::App> root;  // at the top only
  CLI::App* app = nullptr;         // owned by `root`, directly or through its parents
  HelpPage page;
  std::string group;
  std::vector<std::pair<std::string, std::unique_ptr<FlagSet>>> children;
  // A switch's text is read after the parse, so that its errors name the flag.
  std::vector<std::pair<std::unique_ptr<std::string>, Apply>> switches;
  std::vector<std::function<absl::Status()>> checks;
  bool help = false;
  bool version = false;

  void Begin() {
    app->set_help_flag();
    app->allow_extras();
    app->add_flag("-h,--help", help);
    app->add_flag("--version", version);
  }

  CLI::Option* Add(const std::string& name, std::string form, const std::string& help_text,
                   Apply apply, std::function<std::string()> show) {
    const std::string dashed = Dashed(name);
    CLI::Option* option =
        app->add_option(dashed == name ? "--" + name : absl::StrCat("--", name, ",--", dashed),
                        [apply = std::move(apply)](const CLI::results_t& values) {
                          absl::Status status = apply(values);
                          if (!status.ok()) throw StatusError(std::move(status));
                          return true;
                        });
    option->envname(EnvironmentName(name));
    page.flags.push_back({name, group, std::move(form), help_text, show(), show});
    return option;
  }

  // Forgets an earlier parse; CLI11 itself forgets all but the targets of its flags.
  void Reset() {
    help = version = false;
    for (auto& [text, apply] : switches) text->clear();
    for (auto& [name, child] : children) child->state_->Reset();
  }

  std::string SeeHelp() const { return absl::StrCat("See ", page.program, " --help."); }

  // What is told of an argument that nothing was declared for.
  absl::Status Unknown(const std::string& argument) const {
    Texts known;
    std::string shown = argument.substr(0, 200),
                problem = "is an argument that is not expected here", nearest;
    if (absl::StartsWith(argument, "-")) {
      absl::string_view name = absl::StripPrefix(absl::StripPrefix(argument, "-"), "-");
      name = name.substr(0, std::min<std::size_t>(name.find('='), 200));
      for (const Flag& flag : page.flags) known.push_back(flag.name);
      known.insert(known.end(), {"help", "version"});
      shown = absl::StrCat("--", name);
      problem = "is not a flag of this command";
      nearest = Nearest(absl::StrReplaceAll(name, {{"-", "_"}}), known);
      if (!nearest.empty()) nearest = "--" + nearest;
    } else if (!children.empty()) {
      for (const auto& [name, child] : children) known.push_back(name);
      problem = "is not a command";
      nearest = Nearest(argument, known);
    }
    return InvalidField(
        shown, problem,
        nearest.empty() ? SeeHelp() : absl::StrCat("Did you mean ", nearest, "? ", SeeHelp()));
  }

  // After CLI11's parse: help, unknown arguments, switches and checks of this command, then of the
  // subcommand given.
  absl::Status Finish(const FlagSet& self, Parsed& parsed) const {
    if (help || version) {
      parsed.exit = true;
      parsed.text = help ? self.Help() : absl::StrCat("ragmesh ", Version(), " ", Commit(), "\n");
      return absl::OkStatus();
    }
    if (const Texts extra = app->remaining(false); !extra.empty()) return Unknown(extra.front());
    for (const auto& [text, apply] : switches) {
      if (!text->empty()) RAGMESH_RETURN_IF_ERROR(apply({*text}));
    }
    for (const auto& check : checks) RAGMESH_RETURN_IF_ERROR(check());
    for (const auto& [name, child] : children) {
      if (!app->got_subcommand(name)) continue;
      absl::StrAppend(&parsed.command, parsed.command.empty() ? "" : " ", name);
      return child->state_->Finish(*child, parsed);
    }
    if (!children.empty()) return InvalidField("COMMAND", "is missing", SeeHelp());
    for (const Argument& argument : page.arguments) {
      if (argument.required && app->get_option(argument.name)->count() == 0) {
        return InvalidField(argument.name, "is missing",
                            absl::StrCat(argument.help, " ", SeeHelp()));
      }
    }
    return absl::OkStatus();
  }
};

FlagSet::FlagSet(std::string program, std::string about, std::string example)
    : state_(std::make_unique<State>()) {
  state_->root = std::make_unique<CLI::App>("", program);
  state_->app = state_->root.get();
  state_->page.program = std::move(program);
  state_->page.about = std::move(about);
  state_->page.example = std::move(example);
  state_->Begin();
}

FlagSet::FlagSet(std::unique_ptr<State> state) : state_(std::move(state)) {}
FlagSet::~FlagSet() = default;

void FlagSet::Group(std::string title) { state_->group = std::move(title); }

void FlagSet::String(const std::string& name, std::string* target, const std::string& help) {
  const auto apply = [target](const Texts& values) {
    *target = values.at(0);
    return absl::OkStatus();
  };
  state_->Add(name, "TEXT", help, apply, [target] { return *target; });
}

void FlagSet::Choice(const std::string& name, std::string* target, std::vector<std::string> choices,
                     const std::string& help) {
  const auto apply = [=](const Texts& values) {
    if (std::find(choices.begin(), choices.end(), values.at(0)) == choices.end()) {
      return BadValue(name, values.at(0),
                      absl::StrCat("Choose one of: ", absl::StrJoin(choices, ", "), "."));
    }
    *target = values.at(0);
    return absl::OkStatus();
  };
  state_->Add(name, absl::StrJoin(choices, "|"), help, apply, [target] { return *target; });
}

void FlagSet::Int(const std::string& name, std::int64_t* target, Range<std::int64_t> range,
                  const std::string& unit, const std::string& help) {
  const auto format = [](std::int64_t value) { return absl::StrCat(value); };
  state_->Add(name, absl::StrCat("N", RangeText(format(range.min), format(range.max), unit)), help,
              RangedApply(name, target, range, ReadInt, format), [=] { return format(*target); });
}

void FlagSet::Double(const std::string& name, double* target, Range<double> range,
                     const std::string& unit, const std::string& help) {
  const auto format = [](double value) { return absl::StrCat(value); };
  state_->Add(name, absl::StrCat("X", RangeText(format(range.min), format(range.max), unit)), help,
              RangedApply(name, target, range, ReadDouble, format),
              [=] { return format(*target); });
}

void FlagSet::Bool(const std::string& name, bool* target, const std::string& help) {
  const auto apply = [=](const Texts& values) {
    const std::string text = absl::AsciiStrToLower(values.at(0));
    bool value = false;
    if (!absl::SimpleAtob(text, &value)) {
      if (text != "on" && text != "off") return BadValue(name, text, "Give true or false.");
      value = text == "on";
    }
    *target = value;
    return absl::OkStatus();
  };
  const std::string dashed = Dashed(name);
  std::string names = absl::StrCat("--", name, "{true},--no-", name, "{false}");
  if (dashed != name) absl::StrAppend(&names, ",--", dashed, "{true},--no-", dashed, "{false}");
  state_->switches.emplace_back(std::make_unique<std::string>(), apply);
  state_->app->add_flag(names, *state_->switches.back().first)->envname(EnvironmentName(name));
  const auto show = [target] { return std::string(*target ? "true" : "false"); };
  state_->page.flags.push_back({name, state_->group, "", help, show(), show});
}

void FlagSet::Duration(const std::string& name, absl::Duration* target, Range<absl::Duration> range,
                       const std::string& help) {
  const auto format = [](absl::Duration value) { return absl::FormatDuration(value); };
  state_->Add(name, absl::StrCat("DURATION", RangeText(format(range.min), format(range.max), "")),
              help, RangedApply(name, target, range, ParseDuration, format),
              [=] { return format(*target); });
}

void FlagSet::Bytes(const std::string& name, std::int64_t* target, Range<std::int64_t> range,
                    const std::string& help) {
  state_->Add(name,
              absl::StrCat("BYTES", RangeText(FormatBytes(range.min), FormatBytes(range.max), "")),
              help, RangedApply(name, target, range, ParseBytes, FormatBytes),
              [=] { return FormatBytes(*target); });
}

void FlagSet::StringList(const std::string& name, std::vector<std::string>* target,
                         const std::string& help) {
  const auto apply = [target](const Texts& values) {
    target->clear();
    for (const std::string& value : values) {
      for (absl::string_view part : absl::StrSplit(value, ',', absl::SkipEmpty()))
        target->emplace_back(part);
    }
    return absl::OkStatus();
  };
  state_->Add(name, "A,B,...", help, apply, [target] { return absl::StrJoin(*target, ","); })
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void FlagSet::DefaultsAre(const std::string& words) {
  for (Flag& flag : state_->page.flags) flag.initial = words;
}

void FlagSet::Check(std::function<absl::Status()> check) {
  state_->checks.push_back(std::move(check));
}

void FlagSet::Positional(const std::string& name, std::string* target, bool required,
                         const std::string& help) {
  state_->app->add_option(name, [target](const CLI::results_t& values) {
    *target = values.at(0);
    return true;
  });
  state_->page.arguments.push_back({name, help, required, false});
}

void FlagSet::PositionalList(const std::string& name, std::vector<std::string>* target,
                             bool required, const std::string& help) {
  state_->app
      ->add_option(name,
                   [target](const CLI::results_t& values) {
                     *target = values;
                     return true;
                   })
      ->expected(-1)  // one or more
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  state_->page.arguments.push_back({name, help, required, true});
}

FlagSet& FlagSet::Subcommand(const std::string& name, const std::string& about,
                             const std::string& example) {
  auto state = std::make_unique<State>();
  state->app = state_->app->add_subcommand(name);
  state->page.program = absl::StrCat(state_->page.program, " ", name);
  state->page.about = about;
  state->page.example = example;
  state->Begin();
  state_->page.commands.emplace_back(name, about.substr(0, about.find(". ")));
  state_->children.emplace_back(name, std::unique_ptr<FlagSet>(new FlagSet(std::move(state))));
  return *state_->children.back().second;
}

namespace {

// The arguments last first, as CLI11 takes them. It would read "--name=" as "--name" and take the
// next argument for the value; an empty value must be an argument of its own.
std::vector<std::string> ForParser(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    if (absl::StartsWith(argument, "--") && argument.find('=') == argument.size() - 1) {
      arguments.emplace_back(argument.substr(0, argument.size() - 1));
      arguments.emplace_back();
    } else {
      arguments.emplace_back(argument);
    }
  }
  std::reverse(arguments.begin(), arguments.end());
  return arguments;
}

}  // namespace

absl::StatusOr<Parsed> FlagSet::Parse(int argc, const char* const* argv) {
  Parsed parsed;
  state_->Reset();
  try {
    state_->app->parse(ForParser(argc, argv));
    RAGMESH_RETURN_IF_ERROR(state_->Finish(*this, parsed));
  } catch (const StatusError& error) {
    return error.status;
  } catch (const CLI::Error& error) {
    return InvalidField("command line", absl::StrCat("is not understood: ", error.what()),
                        state_->SeeHelp());
  }
  return parsed;
}

Parsed FlagSet::ParseOrExit(int argc, const char* const* argv) {
  const absl::StatusOr<Parsed> parsed = Parse(argc, argv);
  if (!parsed.ok()) {
    const auto detail = GetErrorDetail(parsed.status());
    std::fprintf(stderr, "%s: %s\n", state_->page.program.c_str(),
                 std::string(parsed.status().message()).c_str());
    if (detail.has_value() && !detail->next_step.empty())
      std::fprintf(stderr, "%s\n", detail->next_step.c_str());
    std::exit(2);
  }
  if (parsed->exit) {
    std::fputs(parsed->text.c_str(), stdout);
    std::exit(0);
  }
  return *parsed;
}

bool FlagSet::Given(const std::string& name) const {
  return state_->app->get_option("--" + name)->count() > 0;
}

std::string FlagSet::Help() const { return RenderHelp(state_->page); }

std::vector<std::string> FlagSet::Values() const {
  std::vector<std::string> values;
  for (const Flag& flag : state_->page.flags) {
    const bool secret = absl::EndsWith(flag.name, "password") ||
                        absl::EndsWith(flag.name, "secret") || absl::EndsWith(flag.name, "token");
    values.push_back(absl::StrCat(flag.name, "=", secret ? "(hidden)" : flag.show()));
  }
  return values;
}

}  // namespace ragmesh::flags
