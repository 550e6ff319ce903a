// Which writing a character belongs to, where that decides how text is cut.
#ifndef RAGMESH_LIBS_TEXT_SCRIPTS_H_
#define RAGMESH_LIBS_TEXT_SCRIPTS_H_

namespace ragmesh::text {

// Han, kana and Hangul: written without spaces that tell words apart, a character carrying about as
// much as a short word elsewhere. The long-vowel mark of both kana counts.
bool IsIdeographic(char32_t character);

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_SCRIPTS_H_
