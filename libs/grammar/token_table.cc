#include "libs/grammar/token_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::grammar {

absl::StatusOr<std::shared_ptr<const TokenTable>> TokenTable::Create(
    absl::Span<const absl::string_view> tokens, const std::vector<bool>& never) {
  if (tokens.size() != never.size())
    return InvalidField("never", "must have one entry for each token");
  if (tokens.size() > kMaxTokens) {
    return LimitExceeded("tokens", static_cast<long long>(tokens.size()),
                         static_cast<long long>(kMaxTokens), "tokens");
  }
  std::shared_ptr<TokenTable> table(new TokenTable);
  table->begins_.push_back(0);
  table->position_.resize(tokens.size());
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    if (!never[id]) {
      if (tokens[id].size() > kMaxTokenBytes) {
        return LimitExceeded(absl::StrCat("tokens[", id, "]"),
                             static_cast<long long>(tokens[id].size()),
                             static_cast<long long>(kMaxTokenBytes), "bytes");
      }
      if (table->bytes_.size() > kMaxTotalBytes) {
        return LimitExceeded("tokens", static_cast<long long>(table->bytes_.size()),
                             static_cast<long long>(kMaxTotalBytes), "bytes");
      }
      table->bytes_.append(tokens[id].data(), tokens[id].size());
      table->longest_ = std::max(table->longest_, tokens[id].size());
      if (!tokens[id].empty()) table->sorted_.push_back(static_cast<std::uint32_t>(id));
    }
    table->begins_.push_back(static_cast<std::uint32_t>(table->bytes_.size()));
  }
  std::vector<std::uint32_t>& sorted = table->sorted_;
  std::sort(sorted.begin(), sorted.end(), [&](std::uint32_t a, std::uint32_t b) {
    const int order = table->Bytes(a).compare(table->Bytes(b));
    return order != 0 ? order < 0 : a < b;
  });
  // Each token shares a path with the one before it, and adds the rest of its own.
  std::vector<TrieNode>& nodes = table->nodes_;
  nodes.emplace_back();
  std::vector<std::uint32_t> path = {0};
  absl::string_view before;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    table->position_[sorted[i]] = static_cast<std::uint32_t>(i);
    const absl::string_view bytes = table->Bytes(sorted[i]);
    std::size_t common = 0;
    while (common < before.size() && common < bytes.size() && before[common] == bytes[common])
      ++common;
    while (path.size() > common + 1) {
      nodes[path.back()].end = static_cast<std::uint32_t>(nodes.size());
      path.pop_back();
    }
    for (std::size_t at = common; at < bytes.size(); ++at) {
      TrieNode node;
      node.byte = static_cast<std::uint8_t>(bytes[at]);
      node.depth = static_cast<std::uint16_t>(at + 1);
      node.parent = path.back();
      path.push_back(static_cast<std::uint32_t>(nodes.size()));
      nodes.push_back(node);
    }
    TrieNode& last = nodes[path.back()];
    if (last.token == kNoToken) {
      last.token = sorted[i];
    } else {
      last.shared = true;
    }
    before = bytes;
  }
  for (const std::uint32_t open : path) nodes[open].end = static_cast<std::uint32_t>(nodes.size());
  return table;
}

absl::Span<const std::uint32_t> TokenTable::OthersAt(const TrieNode& node) const {
  const std::size_t begin = position_[node.token] + 1;
  std::size_t end = begin;
  while (end < sorted_.size() && Bytes(sorted_[end]) == Bytes(node.token)) ++end;
  return absl::MakeConstSpan(sorted_).subspan(begin, end - begin);
}

}  // namespace ragmesh::grammar
