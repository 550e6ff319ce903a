// How BERT's own tokenizer sees single characters. The classes are Unicode's, with the exceptions
// its authors made.
#ifndef RAGMESH_LIBS_TEXT_BERT_CHARACTERS_H_
#define RAGMESH_LIBS_TEXT_BERT_CHARACTERS_H_

namespace ragmesh::text {

// Separates words: White_Space.
bool IsBertSpace(char32_t c);

// Dropped before anything else: U+0000, U+FFFD, and controls, formats, private use, except tab,
// line feed and return.
bool IsBertDropped(char32_t c);

// Stands alone as a word: ASCII punctuation and symbols, and every Unicode punctuation category.
bool IsBertPunctuation(char32_t c);

// Ideographs of the unified and compatibility blocks; each becomes a word of its own. Not kana, not
// Hangul.
bool IsBertIdeograph(char32_t c);

// Removed when accents are stripped: a non-spacing mark.
bool IsNonSpacingMark(char32_t c);

// 0 for a base character; others may change places within a run of non-zero ones.
int CombiningClass(char32_t c);

// Canonical decomposition of one character into `out`, which has room for kMaxDecomposition;
// returns how many.
inline constexpr int kMaxDecomposition = 32;
int DecomposeCanonically(char32_t c, char32_t* out);

// Lower case of one character into `out`, which has room for 2; returns how many. Only U+0130 gives
// two.
int ToLower(char32_t c, char32_t* out);

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_BERT_CHARACTERS_H_
