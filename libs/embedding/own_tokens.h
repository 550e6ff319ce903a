// Whether what came with a passage is what this encoder would have made of it.
#ifndef RAGMESH_LIBS_EMBEDDING_OWN_TOKENS_H_
#define RAGMESH_LIBS_EMBEDDING_OWN_TOKENS_H_

#include "libs/embedding/text_encoder.h"
#include "libs/stages/passage_tokens.h"

namespace ragmesh::embedding {

// Both are false for anything that is not well-formed: whatever the bytes, a caller may use them
// when these say so.
bool HasOwnIds(const stages::PassageTokens& tokens, const TextEncoder& encoder);
bool HasOwnVectors(const stages::PassageTokens& tokens, const TextEncoder& encoder);

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_OWN_TOKENS_H_
