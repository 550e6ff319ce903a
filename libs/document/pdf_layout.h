// From letters on a page to paragraphs in reading order. Knows nothing of PDFium; tests build pages
// by hand.
#ifndef RAGMESH_LIBS_DOCUMENT_PDF_LAYOUT_H_
#define RAGMESH_LIBS_DOCUMENT_PDF_LAYOUT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace ragmesh::document {

// A run of letters of one line without a wide gap, upright: x grows to the right, y downwards, in
// points.
struct PageRun {
  std::string text;  // UTF-8
  double left = 0;
  double right = 0;
  double top = 0;
  double bottom = 0;
  double font_size = 0;
  bool bold = false;
};

struct PageParagraph {
  std::string text;      // lines joined by "\n"
  double font_size = 0;  // of most of its letters
  bool bold = false;     // all of it
  std::uint32_t lines = 0;
};

// Order: columns left to right where lines of running text share a gutter, full-width runs above
// and below them in their place, else top to bottom. A paragraph ends at a wide gap, a change of
// size or weight, an indented line, a bullet, or after a short line. O(n log n) for ordinary pages.
std::vector<PageParagraph> LayOutPage(std::vector<PageRun> runs);

// "- item", "1. item", "(a) item": what begins a list item.
bool BeginsListItem(const std::string& line);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_PDF_LAYOUT_H_
