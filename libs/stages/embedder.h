// Stage 3: texts -> vectors.
#ifndef RAGMESH_LIBS_STAGES_EMBEDDER_H_
#define RAGMESH_LIBS_STAGES_EMBEDDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/stages/passage_tokens.h"
#include "libs/stages/stage_info.h"

namespace ragmesh::stages {

// Models trained with prefixes ("query: ", "passage: ") get the right one; others treat both alike.
enum class InputType { kQuery, kPassage };

struct EmbedRequest {
  std::vector<std::string> texts;  // 1 to the stage's max_batch_texts; an empty text is allowed
  InputType input_type = InputType::kPassage;
  bool truncate =
      true;  // false: a text over the model's max_tokens is INVALID_ARGUMENT / TEXT_TOO_LONG
  TokenDetail token_detail = TokenDetail::kNone;  // what of Embedding::tokens is wanted
};

struct Embedding {
  std::vector<float> values;      // StageInfo::model.dimension of them, unit length
  std::uint32_t token_count = 0;  // tokens read by the model, special tokens included
  bool truncated = false;
  // As far as wanted. Empty for a text that is too long to keep, and from a model that puts a
  // prefix before texts, since nobody else reads them with it.
  PassageTokens tokens;
};

class Embedder {
 public:
  virtual ~Embedder() = default;

  // One embedding per text, in order. The result for a text does not depend on its company in the
  // batch. UNAVAILABLE / MODEL_NOT_LOADED when the stage has no weights.
  virtual absl::StatusOr<std::vector<Embedding>> Embed(const EmbedRequest& request,
                                                       const CallContext& call) = 0;

  virtual absl::StatusOr<StageInfo> Info(const CallContext& call) = 0;
};

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_EMBEDDER_H_
