#include "libs/generation/forced_tokens.h"

#include <string>

#include "absl/strings/string_view.h"

namespace ragmesh::generation {
namespace {

using grammar::TokenTable;

struct Match {
  std::uint32_t token = TokenTable::kNoToken;
  std::size_t bytes = 0;
};

// The longest token that `text` begins with.
Match LongestToken(const TokenTable& table, absl::string_view text) {
  const auto nodes = table.nodes();
  Match longest;
  std::uint32_t node = 0;
  for (std::size_t depth = 0; depth < text.size(); ++depth) {
    const auto byte = static_cast<std::uint8_t>(text[depth]);
    std::uint32_t child = node + 1;
    while (child < nodes[node].end && nodes[child].byte != byte) child = nodes[child].end;
    if (child >= nodes[node].end) break;
    node = child;
    if (nodes[node].token != TokenTable::kNoToken) longest = {nodes[node].token, depth + 1};
  }
  return longest;
}

}  // namespace

std::vector<std::uint32_t> ForcedTokens(const grammar::Matcher& matcher, const TokenTable& table,
                                        std::size_t max) {
  constexpr std::size_t kBytesPerToken = 8;  // more than most have
  const std::string forced = matcher.ForcedBytes(kBytesPerToken * max);
  std::vector<std::uint32_t> tokens;
  absl::string_view left = forced;
  while (tokens.size() < max && !left.empty()) {
    const Match match = LongestToken(table, left);
    if (match.bytes == 0) break;  // no token begins so
    tokens.push_back(match.token);
    left.remove_prefix(match.bytes);
  }
  return tokens;
}

}  // namespace ragmesh::generation
