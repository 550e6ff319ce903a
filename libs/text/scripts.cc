#include "libs/text/scripts.h"

#include <unicode/uscript.h>

namespace ragmesh::text {

bool IsIdeographic(char32_t character) {
  if (character < 0x1100)
    return false;  // nothing below Hangul Jamo: the usual case, without a table look-up
  UErrorCode error = U_ZERO_ERROR;
  switch (uscript_getScript(static_cast<UChar32>(character), &error)) {
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_HANGUL:
      return true;
    default:
      // The long-vowel mark belongs to both kana and so to neither script.
      return character == 0x30FC;
  }
}

}  // namespace ragmesh::text
