#include "services/ragmesh/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/text/utf8.h"

namespace ragmesh::cli {
namespace {

constexpr absl::Duration kRedraw = absl::Milliseconds(100);
constexpr absl::Duration kPlainLine = absl::Seconds(3);
constexpr int kBarCells = 24;

std::string Styled(bool colour, const char* code, absl::string_view text) {
  return colour ? absl::StrCat("\x1b[", code, "m", text, "\x1b[0m") : std::string(text);
}

}  // namespace

Terminal Terminal::Of(int fd) {
  Terminal terminal;
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || absl::string_view(term) == "dumb";
  terminal.interactive = isatty(fd) && !dumb;
  terminal.colour = terminal.interactive && std::getenv("NO_COLOR") == nullptr;
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) terminal.columns = size.ws_col;
  return terminal;
}

std::string Terminal::Bold(absl::string_view text) const { return Styled(colour, "1", text); }
std::string Terminal::Dim(absl::string_view text) const { return Styled(colour, "2", text); }
std::string Terminal::Good(absl::string_view text) const { return Styled(colour, "32", text); }
std::string Terminal::Bad(absl::string_view text) const { return Styled(colour, "31", text); }

std::string Printable(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are C2 80 to C2 9F in UTF-8; terminals read some as escape sequences.
    const bool c1 = c == 0xC2 && i + 1 < text.size() &&
                    static_cast<unsigned char>(text[i + 1]) >= 0x80 &&
                    static_cast<unsigned char>(text[i + 1]) <= 0x9F;
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F || c1) {
      out += "\xEF\xBF\xBD";
      i += c1;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string Wrap(absl::string_view text, int columns, int indent) {
  const std::string margin(static_cast<std::size_t>(std::max(0, indent)), ' ');
  const auto room = static_cast<std::size_t>(std::max(20, columns - indent));
  std::string out, line;
  std::size_t line_width = 0;
  const auto flush = [&] {
    absl::StrAppend(&out, out.empty() ? "" : "\n", margin, line);
    line.clear();
    line_width = 0;
  };
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t end = std::min(text.find_first_of(" \t\n", at), text.size());
    const absl::string_view word = text.substr(at, end - at);
    const std::size_t width = static_cast<std::size_t>(
        std::count_if(word.begin(), word.end(), [](char c) { return (c & 0xC0) != 0x80; }));
    if (!word.empty()) {
      if (line_width > 0 && line_width + 1 + width > room) flush();
      absl::StrAppend(&line, line.empty() ? "" : " ", word);
      line_width += width + (line_width > 0);
    }
    if (end < text.size() && text[end] == '\n') flush();
    at = end + 1;
  }
  if (!line.empty() || out.empty()) flush();
  return out;
}

Progress::Progress(std::string label, std::string unit, bool quiet)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      quiet_(quiet),
      terminal_(Terminal::Of(STDERR_FILENO)),
      begin_(absl::Now()),
      shown_(begin_ - absl::Hours(1)) {}

Progress::~Progress() { Clear(); }

void Progress::Clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

std::string Progress::Line(std::uint64_t done, std::uint64_t total, absl::string_view note,
                           double part, absl::Time now) const {
  const double seconds = std::max(0.001, absl::ToDoubleSeconds(now - begin_));
  std::string line = absl::StrCat(label_, " ");
  if (total > 0) {
    const double share =
        std::min(1.0, (static_cast<double>(done) + part) / static_cast<double>(total));
    if (terminal_.interactive) {
      const int filled = static_cast<int>(share * kBarCells);
      absl::StrAppend(&line, "[", std::string(static_cast<std::size_t>(filled), '#'),
                      std::string(static_cast<std::size_t>(kBarCells - filled), '.'), "] ");
    }
    absl::StrAppend(&line, absl::StrFormat("%3.0f%% ", 100 * share), done, "/", total, " ", unit_);
    if (share > 0 && share < 1 && seconds > 1) {
      absl::StrAppend(&line, absl::StrFormat(", %.0f s left", seconds / share * (1 - share)));
    }
  } else {
    absl::StrAppend(&line, done, " ", unit_);
  }
  if (!note.empty()) absl::StrAppend(&line, ", ", note);
  return line;
}

void Progress::Update(std::uint64_t done, std::uint64_t total, absl::string_view note,
                      double part) {
  if (quiet_) return;
  const absl::Time now = absl::Now();
  if (now - shown_ < (terminal_.interactive ? kRedraw : kPlainLine)) return;
  shown_ = now;
  std::string line = Printable(Line(done, total, note, part, now));
  if (terminal_.interactive) {
    // Cut at a code point so that the line never wraps, which would break the next redraw.
    if (line.size() >= static_cast<std::size_t>(terminal_.columns))
      line.resize(text::FloorCodePoint(line, static_cast<std::size_t>(terminal_.columns - 1)));
    std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
    drawn_ = true;
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

}  // namespace ragmesh::cli
