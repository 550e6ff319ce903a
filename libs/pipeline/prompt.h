// The question and what to answer it from, as a small chat model reads them best: few sentences,
// one short instruction.
#ifndef RAGMESH_LIBS_PIPELINE_PROMPT_H_
#define RAGMESH_LIBS_PIPELINE_PROMPT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/answer/evidence.h"
#include "libs/base/call_context.h"
#include "libs/pipeline/search.h"
#include "libs/stages/generator.h"

namespace ragmesh::pipeline {

struct Prompt {
  stages::ChatMessages messages;
  std::uint32_t tokens = 0;
};

// Takes sentences in order of relevance, each with its neighbour, as long as the prompt stays
// within `prompt_tokens` and, with `answer_tokens`, within the model's context; writes them passage
// by passage in their own order. Errors are the generator's; INVALID_ARGUMENT / CONTEXT_TOO_LONG
// when not even the question fits.
absl::StatusOr<Prompt> BuildPrompt(absl::string_view question, const std::vector<Passage>& passages,
                                   const answer::Evidence& evidence, std::uint32_t prompt_tokens,
                                   std::uint32_t answer_tokens, stages::Generator& generator,
                                   const CallContext& call);

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_PROMPT_H_
