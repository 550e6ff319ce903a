// From the vectors of a text's tokens to one for the text.
#ifndef RAGMESH_LIBS_EMBEDDING_POOLING_H_
#define RAGMESH_LIBS_EMBEDDING_POOLING_H_

#include <cstddef>
#include <functional>
#include <vector>

#include "absl/types/span.h"
#include "libs/embedding/encoder_model.h"

namespace ragmesh::embedding {

// Turns the hidden states of one text, `tokens` rows, into what the caller wants of them. Runs on a
// compute thread, possibly after the caller has given up: it must own or outlive what it uses.
using Reduce =
    std::function<std::vector<float>(std::size_t tokens, absl::Span<const float> hidden)>;

// One vector of unit length, pooled as the model was trained to: the mean of all tokens, or the
// first. A vector of zeros stays so. `model` may go before what is returned.
Reduce SentenceVectors(const EncoderModel& model);

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_POOLING_H_
