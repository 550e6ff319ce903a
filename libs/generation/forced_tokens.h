// Guesses from a grammar: what must come next is written without a choice.
#ifndef RAGMESH_LIBS_GENERATION_FORCED_TOKENS_H_
#define RAGMESH_LIBS_GENERATION_FORCED_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "libs/grammar/constraint.h"
#include "libs/grammar/token_table.h"

namespace ragmesh::generation {

// At most `max` tokens that spell the bytes that must come next, each the longest that fits. A
// model may well part the same bytes in another way, and its last token may reach further than they
// do.
std::vector<std::uint32_t> ForcedTokens(const grammar::Matcher& matcher,
                                        const grammar::TokenTable& table, std::size_t max);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_FORCED_TOKENS_H_
