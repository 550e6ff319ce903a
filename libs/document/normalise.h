// The normalisation step "ragmesh-text-1", applied to the text of every block.
//
// In this order:
//  1. Bytes that are not UTF-8 become U+FFFD.
//  2. Line breaks (CR LF, CR, VT, FF, NEL, U+2028, U+2029) become LF.
//  3. Removed: C0 and C1 controls except tab and LF, U+FFFE and U+FFFF, soft hyphens, zero-width
//  space, word joiner and
//     invisible operators (U+2060-2064), byte order marks, bidirectional controls, tag characters
//     (U+E0000-E007F), supplementary variation selectors (U+E0100-E01EF). Zero-width (non-)joiners
//     stay between two letters, marks or symbols outside ASCII, where scripts and emoji need them.
//  4. Latin ligatures U+FB00-FB06 become their letters. Nothing else is folded: superscripts,
//  fractions and full-width
//     forms keep their meaning.
//  5. Unicode NFC.
//  6. Prose: a hyphen at a line end between a letter and a lower-case letter goes, with the line
//  break. Blanks of every
//     kind (tab, no-break space, U+2000-200A, U+3000 ...) become one space per run; blanks around
//     line breaks go; a run of line breaks becomes one; both ends are trimmed. Code: no-break
//     spaces become spaces; blanks at line ends and blank lines at both ends go. The rest stays.
//     Line (headings, table cells): as prose, then each line break becomes a space.
//
// Normalising twice gives the same text. A change of any rule is a new name.
#ifndef RAGMESH_LIBS_DOCUMENT_NORMALISE_H_
#define RAGMESH_LIBS_DOCUMENT_NORMALISE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ragmesh::document {

inline constexpr char kNormalisationName[] = "ragmesh-text-1";

enum class TextForm { kProse, kCode, kLine };

// Linear in text.size(). Thread-safe.
std::string Normalise(absl::string_view text, TextForm form);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_NORMALISE_H_
