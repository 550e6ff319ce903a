#include "libs/document/pdf_layout.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace ragmesh::document {
namespace {

constexpr std::size_t kMinColumnRuns = 4;  // on each side of a gutter
constexpr double kMinColumnEms =
    9;  // width of the middle run of a column; narrower ones are table cells
constexpr double kMaxCrossingShare =
    0.35;  // of the runs may cross a gutter: titles, wide figures and their captions
constexpr int kMaxColumnDepth = 4;

struct Line {
  std::string text;
  double left = 0;
  double right = 0;
  double top = 0;
  double bottom = 0;
  double font_size = 0;
  bool bold = false;
};

double Width(const PageRun& run) { return run.right - run.left; }
double MiddleOf(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double MiddleFontSize(const std::vector<PageRun>& runs) {
  std::vector<double> sizes;
  for (const PageRun& run : runs) sizes.push_back(run.font_size);
  return std::max(MiddleOf(std::move(sizes)), 1.0);
}

// Is one side of a gutter a column of running text?
bool IsColumn(const std::vector<PageRun>& runs, const std::vector<int>& side, int which,
              double em) {
  std::vector<double> widths;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (side[i] == which) widths.push_back(Width(runs[i]));
  }
  return widths.size() >= kMinColumnRuns && MiddleOf(std::move(widths)) >= kMinColumnEms * em;
}

// Puts each run left (-1), right (1) or across (0) of the best gutter. False when the page has
// none.
bool FindGutter(const std::vector<PageRun>& runs, double em, std::vector<int>* side) {
  std::vector<double> candidates;  // left edges where columns begin
  for (const PageRun& run : runs) candidates.push_back(run.left);
  std::sort(candidates.begin(), candidates.end());
  std::size_t best_crossing = runs.size();
  double best = 0;
  // Sorted right edges make the number of runs ending before x a search; those that begin before x
  // are known by rank.
  std::vector<double> rights;
  for (const PageRun& run : runs) rights.push_back(run.right);
  std::sort(rights.begin(), rights.end());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (i > 0 && candidates[i] - candidates[i - 1] < 0.1) continue;
    const double x = candidates[i] - 0.1 * em;
    const auto begun = static_cast<std::size_t>(
        std::lower_bound(candidates.begin(), candidates.end(), x) - candidates.begin());
    const auto ended = static_cast<std::size_t>(
        std::upper_bound(rights.begin(), rights.end(), x - 0.4 * em) - rights.begin());
    const std::size_t left = ended;
    const std::size_t right = runs.size() - begun;
    const std::size_t crossing = begun >= ended ? begun - ended : 0;
    if (left < kMinColumnRuns || right < kMinColumnRuns) continue;
    if (crossing < best_crossing) {
      best_crossing = crossing;
      best = x;
    }
  }
  if (static_cast<double>(best_crossing) > kMaxCrossingShare * static_cast<double>(runs.size()))
    return false;
  side->assign(runs.size(), 0);
  double left_bottom = -1e9, left_top = 1e9, right_bottom = -1e9, right_top = 1e9;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].right <= best - 0.4 * em) {
      (*side)[i] = -1;
      left_top = std::min(left_top, runs[i].top);
      left_bottom = std::max(left_bottom, runs[i].bottom);
    } else if (runs[i].left >= best) {
      (*side)[i] = 1;
      right_top = std::min(right_top, runs[i].top);
      right_bottom = std::max(right_bottom, runs[i].bottom);
    }
  }
  // Two paragraphs one above the other, the lower one indented, are not two columns.
  const double overlap = std::min(left_bottom, right_bottom) - std::max(left_top, right_top);
  if (overlap < 3 * em) return false;
  return IsColumn(runs, *side, -1, em) && IsColumn(runs, *side, 1, em);
}

// Joins runs that stand side by side; `runs` are of one column.
std::vector<Line> MakeLines(std::vector<PageRun> runs) {
  std::stable_sort(runs.begin(), runs.end(), [](const PageRun& a, const PageRun& b) {
    return a.top + a.bottom < b.top + b.bottom;
  });
  std::vector<std::vector<PageRun>> rows;
  double row_top = 0;
  double row_bottom = 0;
  for (PageRun& run : runs) {
    const double middle = (run.top + run.bottom) / 2;
    const bool same = !rows.empty() && middle < row_bottom && middle > row_top &&
                      (row_top + row_bottom) / 2 > run.top;
    if (!same) {
      rows.emplace_back();
      row_top = run.top;
      row_bottom = run.bottom;
    }
    rows.back().push_back(std::move(run));
  }
  std::vector<Line> lines;
  for (std::vector<PageRun>& row : rows) {
    std::stable_sort(row.begin(), row.end(),
                     [](const PageRun& a, const PageRun& b) { return a.left < b.left; });
    Line line;
    line.left = row.front().left;
    line.top = row.front().top;
    line.bottom = row.front().bottom;
    line.bold = true;
    double widest = -1;
    for (const PageRun& run : row) {
      const bool touching = !line.text.empty() && run.left - line.right < 0.12 * run.font_size;
      absl::StrAppend(&line.text, line.text.empty() || touching ? "" : " ", run.text);
      line.right = std::max(line.right, run.right);
      line.top = std::min(line.top, run.top);
      line.bottom = std::max(line.bottom, run.bottom);
      line.bold = line.bold && run.bold;
      if (Width(run) > widest) {
        widest = Width(run);
        line.font_size = run.font_size;
      }
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

bool EndsSentence(const std::string& text) {
  return !text.empty() && absl::StrContains(".!?:;", text.substr(text.size() - 1));
}

bool SameSize(double a, double b) { return std::abs(a - b) <= 0.08 * std::max(a, b); }

void AppendParagraphs(std::vector<Line> lines, std::vector<PageParagraph>* paragraphs) {
  if (lines.empty()) return;
  std::vector<double> gaps;
  double left = lines[0].left;
  double right = lines[0].right;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    left = std::min(left, lines[i].left);
    right = std::max(right, lines[i].right);
    if (i > 0 && lines[i].top > lines[i - 1].top &&
        SameSize(lines[i].font_size, lines[i - 1].font_size)) {
      gaps.push_back(lines[i].bottom - lines[i - 1].bottom);
    }
  }
  const double leading = MiddleOf(std::move(gaps));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    Line& line = lines[i];
    bool begins = i == 0;
    if (!begins) {
      const Line& before = lines[i - 1];
      const double step = line.bottom - before.bottom;
      const double usual = leading > 0 ? leading : 1.2 * line.font_size;
      begins = step > std::max(1.35 * usual, 0.9 * line.font_size) ||
               !SameSize(line.font_size, before.font_size) || line.bold != before.bold ||
               BeginsListItem(line.text) ||
               (line.left - before.left > 0.8 * line.font_size && !BeginsListItem(before.text) &&
                before.left - left < 0.8 * line.font_size) ||
               (EndsSentence(before.text) && before.right < right - 0.25 * (right - left));
    }
    if (begins) {
      paragraphs->push_back({std::move(line.text), line.font_size, line.bold, 1});
    } else {
      absl::StrAppend(&paragraphs->back().text, "\n", line.text);
      ++paragraphs->back().lines;
    }
  }
}

// A paragraph may run on in the next column: no sentence end before, a lower-case letter after.
// `first` is the first paragraph of that column.
void JoinAcrossColumns(std::size_t first, std::vector<PageParagraph>* paragraphs) {
  if (first == 0 || first >= paragraphs->size()) return;
  PageParagraph& before = (*paragraphs)[first - 1];
  PageParagraph& after = (*paragraphs)[first];
  const bool runs_on = before.lines > 2 && !EndsSentence(before.text) &&
                       absl::ascii_islower(static_cast<unsigned char>(after.text[0])) &&
                       SameSize(before.font_size, after.font_size) && before.bold == after.bold &&
                       !BeginsListItem(after.text);
  if (!runs_on) return;
  absl::StrAppend(&before.text, "\n", after.text);
  before.lines += after.lines;
  paragraphs->erase(paragraphs->begin() + static_cast<std::ptrdiff_t>(first));
}

void Arrange(std::vector<PageRun> runs, int depth, std::vector<PageParagraph>* paragraphs) {
  if (runs.empty()) return;
  const double em = MiddleFontSize(runs);
  std::vector<int> side;
  if (depth >= kMaxColumnDepth || runs.size() < 2 * kMinColumnRuns ||
      !FindGutter(runs, em, &side)) {
    AppendParagraphs(MakeLines(std::move(runs)), paragraphs);
    return;
  }
  // Runs across the gutter cut the page into bands; in each band the left column comes before the
  // right one.
  std::vector<std::size_t> across;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (side[i] == 0) across.push_back(i);
  }
  std::sort(across.begin(), across.end(),
            [&](std::size_t a, std::size_t b) { return runs[a].top < runs[b].top; });
  const auto arrange_band = [&](double top, double bottom) {
    for (const int which : {-1, 1}) {
      std::vector<PageRun> column;
      for (std::size_t i = 0; i < runs.size(); ++i) {
        const double middle = (runs[i].top + runs[i].bottom) / 2;
        if (side[i] == which && middle >= top && middle < bottom)
          column.push_back(std::move(runs[i]));
      }
      const std::size_t first = paragraphs->size();
      Arrange(std::move(column), depth + 1, paragraphs);
      if (which == 1) JoinAcrossColumns(first, paragraphs);
    }
  };
  double top = -1e9;
  for (std::size_t i = 0; i < across.size();) {
    // Runs across that follow each other without column text between them are one full-width piece.
    const double begin = runs[across[i]].top;
    std::vector<PageRun> piece;
    double end = runs[across[i]].bottom;
    while (i < across.size()) {
      bool column_between = false;
      for (std::size_t j = 0; j < runs.size() && !piece.empty(); ++j) {
        const double middle = (runs[j].top + runs[j].bottom) / 2;
        column_between =
            column_between || (side[j] != 0 && middle > end && middle < runs[across[i]].top);
      }
      if (column_between) break;
      end = std::max(end, runs[across[i]].bottom);
      piece.push_back(std::move(runs[across[i++]]));
    }
    arrange_band(top, begin);
    AppendParagraphs(MakeLines(std::move(piece)), paragraphs);
    top = begin;
  }
  arrange_band(top, 1e9);
}

}  // namespace

bool BeginsListItem(const std::string& line) {
  for (const absl::string_view bullet : {"\u2022", "\u25CF", "\u25E6", "\u25AA", "\u25A0", "\u2023",
                                         "\u00B7", "\u2013 ", "- ", "* ", "\uF0B7", "\uF0A7"}) {
    if (absl::StartsWith(line, bullet)) return true;
  }
  std::size_t i = !line.empty() && line[0] == '(' ? 1 : 0;
  const std::size_t begin = i;
  while (i < line.size() && absl::ascii_isdigit(static_cast<unsigned char>(line[i])) &&
         i - begin < 3)
    ++i;
  if (i == begin && i < line.size() && absl::ascii_isalpha(static_cast<unsigned char>(line[i])) &&
      begin == 1)
    ++i;
  if (i == begin || i + 1 >= line.size()) return false;
  return (line[i] == ')' || (begin == 0 && line[i] == '.')) && line[i + 1] == ' ';
}

std::vector<PageParagraph> LayOutPage(std::vector<PageRun> runs) {
  std::vector<PageParagraph> paragraphs;
  Arrange(std::move(runs), 0, &paragraphs);
  return paragraphs;
}

}  // namespace ragmesh::document
