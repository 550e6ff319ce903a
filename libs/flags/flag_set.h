// Command-line flags with environment and defaults, help that teaches, and typed errors.
//
//   flags::FlagSet flags("ragmesh-embedder", "Turns texts into vectors.", "ragmesh-embedder
//   --listen 127.0.0.1:7703"); flags.Group("Limits"); flags.Int("workers", &config.workers, {1,
//   1024}, "threads", "Calls worked on at once."); RAGMESH_ASSIGN_OR_RETURN(const flags::Parsed
//   parsed, flags.Parse(argc, argv));
//
// A value comes from the command line, else from the environment (RAGMESH_WORKERS for --workers),
// else it is what the target held when the flag was declared: that is the default shown by --help.
#ifndef RAGMESH_LIBS_FLAGS_FLAG_SET_H_
#define RAGMESH_LIBS_FLAGS_FLAG_SET_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ragmesh::flags {

// Inclusive bounds.
template <typename T>
struct Range {
  T min;
  T max;
};

struct Parsed {
  bool exit = false;  // --help or --version was asked for: print `text` and leave with status 0
  std::string text;
  std::string
      command;  // names of the subcommands chosen, joined by a space; empty when there are none
};

// One command with its flags and subcommands. Targets are borrowed and written by Parse; after an
// error they may hold part of what was parsed. Not thread-safe.
class FlagSet {
 public:
  // `about`: what the program does, in a sentence or two. `example`: a command line to start from.
  FlagSet(std::string program, std::string about, std::string example = "");
  ~FlagSet();
  FlagSet(const FlagSet&) = delete;
  FlagSet& operator=(const FlagSet&) = delete;

  // Flags declared from here on are listed under `title` in --help.
  void Group(std::string title);

  // `name` has no dashes in front; words are joined by "_", and "-" is understood for it. `help` is
  // one or two sentences.
  void String(const std::string& name, std::string* target, const std::string& help);
  // One of `choices`.
  void Choice(const std::string& name, std::string* target, std::vector<std::string> choices,
              const std::string& help);
  void Int(const std::string& name, std::int64_t* target, Range<std::int64_t> range,
           const std::string& unit, const std::string& help);
  void Double(const std::string& name, double* target, Range<double> range, const std::string& unit,
              const std::string& help);
  // --name, --name=false, --no-name.
  void Bool(const std::string& name, bool* target, const std::string& help);
  // "5s", "1m30s", "250ms"; "inf" only when the range allows it.
  void Duration(const std::string& name, absl::Duration* target, Range<absl::Duration> range,
                const std::string& help);
  // "4096", "64KiB", "64MiB", "2GiB", "10MB".
  void Bytes(const std::string& name, std::int64_t* target, Range<std::int64_t> range,
             const std::string& help);
  // "a,b" or the flag several times.
  void StringList(const std::string& name, std::vector<std::string>* target,
                  const std::string& help);

  // What --help says of the flags declared so far in place of their targets' values: "what it is
  // now", where a flag that is not given leaves alone what it would set.
  void DefaultsAre(const std::string& words);

  // What no flag can tell by itself, such as one that another needs: asked once all flags are read,
  // in order of declaration, and not for --help. Its error is Parse's.
  void Check(std::function<absl::Status()> check);

  // An argument without a flag, in the order declared. The last one may be a list.
  void Positional(const std::string& name, std::string* target, bool required,
                  const std::string& help);
  void PositionalList(const std::string& name, std::vector<std::string>* target, bool required,
                      const std::string& help);

  // A command of its own below this one; owned by this FlagSet. With subcommands, one of them must
  // be given.
  FlagSet& Subcommand(const std::string& name, const std::string& about,
                      const std::string& example = "");

  // INVALID_ARGUMENT naming the flag, what is wrong and what to do; an unknown flag comes with the
  // nearest known one.
  absl::StatusOr<Parsed> Parse(int argc, const char* const* argv);

  // Parse, then print and leave: status 0 after --help and --version, 2 with the error on stderr.
  Parsed ParseOrExit(int argc, const char* const* argv);

  // Whether the last Parse found a value for a flag, on the command line or in the environment.
  bool Given(const std::string& name) const;

  // What --help prints.
  std::string Help() const;

  // Every flag with its value in force, "name=value", in order of declaration; values of names that
  // end in "password", "secret" or "token" are hidden. For the log line at start.
  std::vector<std::string> Values() const;

 private:
  struct State;
  FlagSet(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The forms of Duration and Bytes flags, for other text that holds them.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);
absl::StatusOr<std::int64_t> ParseBytes(absl::string_view text);
std::string FormatBytes(std::int64_t bytes);

}  // namespace ragmesh::flags

#endif  // RAGMESH_LIBS_FLAGS_FLAG_SET_H_
