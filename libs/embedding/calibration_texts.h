// Texts a model is shown while its weights are rounded.
#ifndef RAGMESH_LIBS_EMBEDDING_CALIBRATION_TEXTS_H_
#define RAGMESH_LIBS_EMBEDDING_CALIBRATION_TEXTS_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ragmesh::embedding {

// Paragraphs and questions of many kinds, about 2,000 tokens: prose of several fields,
// instructions, code, rows of tables, some languages. They show how large each activation gets, for
// which a little of everything does better than much of one thing.
absl::Span<const absl::string_view> CalibrationTexts();

// Others of the same kinds, about 700 tokens, on which the loss is measured.
absl::Span<const absl::string_view> ComparisonTexts();

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_CALIBRATION_TEXTS_H_
