#include "libs/generation/prefix_cache.h"

#include <algorithm>
#include <utility>

namespace ragmesh::generation {

using quant::kBlockPositions;

PrefixCache::~PrefixCache() {
  for (const Node* node : recent_) pool_->Release(node->block);
}

std::vector<std::uint32_t> PrefixCache::Block(absl::Span<const std::uint32_t> tokens,
                                              std::size_t i) {
  const auto block = tokens.subspan(i * kBlockPositions, kBlockPositions);
  return {block.begin(), block.end()};
}

std::size_t PrefixCache::Find(absl::string_view salt, absl::Span<const std::uint32_t> tokens,
                              KvCache* cache) {
  const auto root = roots_.find(salt);
  if (root == roots_.end()) return 0;
  Node* node = root->second.get();
  std::size_t found = 0;
  for (; (found + 1) * kBlockPositions <= tokens.size(); ++found) {
    const auto child = node->children.find(Block(tokens, found));
    if (child == node->children.end()) break;
    node = child->second.get();
    cache->Append(node->block);
  }
  Touch(node);
  std::size_t positions = found * kBlockPositions;
  const auto [nearest, alike] = Nearest(*node, tokens.subspan(positions));
  if (alike > 0 && cache->AppendCopy(nearest->block)) positions += alike;
  return positions;
}

std::pair<const PrefixCache::Node*, std::size_t> PrefixCache::Nearest(
    const Node& node, absl::Span<const std::uint32_t> tokens) {
  constexpr int kLookedAt = 64;  // of many questions after one text, any few will do
  std::pair<const Node*, std::size_t> nearest = {nullptr, 0};
  int left = kLookedAt;
  for (const auto& [block, child] : node.children) {
    if (left-- == 0) break;
    const auto end = std::mismatch(block.begin(), block.end(), tokens.begin(), tokens.end()).first;
    const auto alike = static_cast<std::size_t>(end - block.begin());
    if (alike > nearest.second) nearest = {child.get(), alike};
  }
  return nearest;
}

void PrefixCache::Keep(absl::string_view salt, absl::Span<const std::uint32_t> tokens,
                       const KvCache& cache) {
  if (tokens.size() < kBlockPositions) return;
  std::unique_ptr<Node>& root = roots_[salt];
  if (root == nullptr) root = std::make_unique<Node>();
  Node* node = root.get();
  for (std::size_t i = 0; (i + 1) * kBlockPositions <= tokens.size(); ++i) {
    std::unique_ptr<Node>& child = node->children[Block(tokens, i)];
    if (child == nullptr) {
      child = std::make_unique<Node>();
      child->parent = node;
      child->block = cache.ids()[i];
      child->place = recent_.insert(recent_.begin(), child.get());
      pool_->Hold(child->block);
    }
    node = child.get();
  }
  Touch(node);
}

void PrefixCache::Touch(Node* last) {
  for (Node* node = last; node->parent != nullptr; node = node->parent)
    recent_.splice(recent_.begin(), recent_, node->place);
}

std::size_t PrefixCache::Evict(std::size_t blocks) {
  std::size_t freed = 0;
  for (auto place = recent_.end(); place != recent_.begin() && freed < blocks;) {
    Node* node = *--place;
    if (!node->children.empty() || pool_->holders(node->block) > 1) continue;
    ++place;  // stays valid when the node goes
    Remove(node);
    ++freed;
  }
  return freed;
}

void PrefixCache::Remove(Node* node) {
  pool_->Release(node->block);
  recent_.erase(node->place);
  Node* parent = node->parent;
  for (auto child = parent->children.begin(); child != parent->children.end(); ++child) {
    if (child->second.get() != node) continue;
    parent->children.erase(child);
    break;
  }
  if (parent->parent != nullptr || !parent->children.empty()) return;
  for (auto root = roots_.begin(); root != roots_.end(); ++root) {
    if (root->second.get() != parent) continue;
    roots_.erase(root);
    break;
  }
}

}  // namespace ragmesh::generation
