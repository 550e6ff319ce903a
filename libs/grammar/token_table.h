// The tokens of one vocabulary as a trie of their bytes.
#ifndef RAGMESH_LIBS_GRAMMAR_TOKEN_TABLE_H_
#define RAGMESH_LIBS_GRAMMAR_TOKEN_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ragmesh::grammar {

// Immutable and thread-safe; one for each vocabulary, shared by all grammars. Takes about three
// times the bytes of the tokens, and 16 bytes for each node of the trie.
class TokenTable {
 public:
  static constexpr std::size_t kMaxTokens = std::size_t{1} << 24;
  static constexpr std::size_t kMaxTokenBytes = 4096;
  static constexpr std::size_t kMaxTotalBytes = std::size_t{1} << 30;

  // tokens[i] is what token i writes: bytes, possibly part of a character. `never[i]` says that no
  // grammar allows token i: control tokens, ends of text among them, and unused ids. Tokens that
  // write nothing are never allowed either, since a stream of them would not end. INVALID_ARGUMENT
  // when the lists differ in length; RESOURCE_EXHAUSTED over one of the bounds above.
  static absl::StatusOr<std::shared_ptr<const TokenTable>> Create(
      absl::Span<const absl::string_view> tokens, const std::vector<bool>& never);

  std::size_t size() const { return begins_.size() - 1; }
  std::size_t mask_words() const { return (size() + 31) / 32; }
  std::size_t longest() const { return longest_; }

  // Empty for a token that is never allowed. `token` is below size().
  absl::string_view Bytes(std::uint32_t token) const {
    return absl::string_view(bytes_).substr(begins_[token], begins_[token + 1] - begins_[token]);
  }

  static constexpr std::uint32_t kNoToken = ~0u;

  // Nodes lie in depth-first order, a node's descendants right behind it. Node 0 is the root.
  struct TrieNode {
    std::uint8_t byte = 0;           // that leads here
    bool shared = false;             // several tokens end here
    std::uint16_t depth = 0;         // in bytes
    std::uint32_t end = 0;           // of the descendants
    std::uint32_t token = kNoToken;  // that ends here
    std::uint32_t parent = 0;
  };
  absl::Span<const TrieNode> nodes() const { return nodes_; }

  // Further tokens with the bytes of node.token, for a node that is shared.
  absl::Span<const std::uint32_t> OthersAt(const TrieNode& node) const;

 private:
  TokenTable() = default;

  std::string bytes_;
  std::vector<std::uint32_t> begins_;
  std::vector<TrieNode> nodes_;
  std::vector<std::uint32_t> sorted_;    // ids by bytes, then by id
  std::vector<std::uint32_t> position_;  // of each id in sorted_
  std::size_t longest_ = 0;
};

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_TOKEN_TABLE_H_
