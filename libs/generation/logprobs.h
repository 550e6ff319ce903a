// What a model thought of the token that was chosen, and of others.
#ifndef RAGMESH_LIBS_GENERATION_LOGPROBS_H_
#define RAGMESH_LIBS_GENERATION_LOGPROBS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "libs/stages/generator.h"

namespace ragmesh::generation {

// Log-softmax of the logits as the model gave them, before bias, penalties, filters and
// temperature, for `chosen` and the `top` likeliest. Bytes are left empty. One pass over the logits
// for each of the two.
stages::TokenLogprobs ReadLogprobs(absl::Span<const float> logits, std::uint32_t chosen,
                                   std::size_t top);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_LOGPROBS_H_
