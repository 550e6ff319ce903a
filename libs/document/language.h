// The language of a text, by script and by its commonest words.
#ifndef RAGMESH_LIBS_DOCUMENT_LANGUAGE_H_
#define RAGMESH_LIBS_DOCUMENT_LANGUAGE_H_

#include <string>

#include "absl/strings/string_view.h"

namespace ragmesh::document {

// BCP 47 primary tag, or empty when the text is short, mixed, or in a language not known here.
// Knows en de fr es it pt nl sv da pl by words and ru ar he el zh ja ko th hi by script.
std::string DetectLanguage(absl::string_view text);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_LANGUAGE_H_
