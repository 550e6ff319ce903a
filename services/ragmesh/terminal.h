// What the command line may do to the terminal: colours, width, and one line of progress.
#ifndef RAGMESH_SERVICES_RAGMESH_TERMINAL_H_
#define RAGMESH_SERVICES_RAGMESH_TERMINAL_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ragmesh::cli {

// How a stream may be written to. Colours follow NO_COLOR (no-color.org) and TERM=dumb.
struct Terminal {
  bool interactive = false;
  bool colour = false;
  int columns = 80;

  static Terminal Of(int fd);

  std::string Bold(absl::string_view text) const;
  std::string Dim(absl::string_view text) const;
  std::string Good(absl::string_view text) const;
  std::string Bad(absl::string_view text) const;
};

// Documents and models hold text that is not ours: control characters, which could rewrite the
// screen, become U+FFFD. Line feeds and tabs stay.
std::string Printable(absl::string_view text);

// `text` folded at spaces to `columns`, each line after `indent` spaces.
std::string Wrap(absl::string_view text, int columns, int indent);

// One line on stderr: a bar that is redrawn on a terminal, a plain line every few seconds
// elsewhere, nothing when `quiet`.
class Progress {
 public:
  Progress(std::string label, std::string unit, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `total` 0: not known yet. `note` says what is being worked on; `part`, 0 to 1, how much of that
  // one is done.
  void Update(std::uint64_t done, std::uint64_t total, absl::string_view note, double part = 0);
  // Removes the bar so that other text can be printed; the next Update draws it again.
  void Clear();

 private:
  std::string Line(std::uint64_t done, std::uint64_t total, absl::string_view note, double part,
                   absl::Time now) const;

  const std::string label_, unit_;
  const bool quiet_;
  const Terminal terminal_;
  const absl::Time begin_;
  absl::Time shown_;
  bool drawn_ = false;
};

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_TERMINAL_H_
