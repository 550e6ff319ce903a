// One grammar over one vocabulary, with what has been found out about the two.
#ifndef RAGMESH_LIBS_GRAMMAR_CONSTRAINT_H_
#define RAGMESH_LIBS_GRAMMAR_CONSTRAINT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "libs/grammar/configurations.h"
#include "libs/grammar/grammar.h"
#include "libs/grammar/token_table.h"

namespace ragmesh::grammar {

// Keeps the masks it has made and the steps it has taken, for all streams under the same grammar:
// make one and share it. Thread-safe; a call holds the lock while it works.
//
// A mask is made at three prices. Of a configuration met before it is copied. Else it begins as
// the mask of the configuration cut at its outermost frames, which is the same in every nesting;
// there, only tokens that leave such a frame are undecided, and those are tried. Else the whole
// trie of tokens is walked once.
class Constraint {
 public:
  struct Options {
    std::size_t max_mask_bytes = 24 << 20;           // kept masks, all forgotten beyond
    std::size_t max_configuration_bytes = 32 << 20;  // besides those that streams stand on
    std::int64_t max_work = 4'000'000;  // stacks looked at by one call, about 50 ms of them
    Configurations::Bounds bounds;
  };

  // RESOURCE_EXHAUSTED / GRAMMAR_TOO_AMBIGUOUS when the beginning alone takes more than a call may.
  static absl::StatusOr<std::shared_ptr<Constraint>> Create(
      Grammar::Ptr grammar, std::shared_ptr<const TokenTable> tokens, const Options& options);
  static absl::StatusOr<std::shared_ptr<Constraint>> Create(
      Grammar::Ptr grammar, std::shared_ptr<const TokenTable> tokens) {
    return Create(std::move(grammar), std::move(tokens), Options());
  }

  const TokenTable& tokens() const { return *tokens_; }

  struct Counts {
    std::size_t copied = 0;   // masks met before
    std::size_t adapted = 0;  // from a cut configuration met before
    std::size_t walked = 0;   // made from the whole trie
    std::size_t configuration_bytes = 0;
    std::size_t mask_bytes = 0;
  };
  Counts counts() const;

 private:
  friend class Matcher;

  struct Mask {
    std::vector<std::uint32_t> words;
    // Nodes of the trie beneath which a cut configuration does not decide.
    std::vector<std::uint32_t> undecided;
    std::size_t bytes() const { return 4 * (words.capacity() + undecided.capacity()); }
  };
  using Masks = absl::flat_hash_map<ConfigurationId, std::unique_ptr<Mask>>;

  Constraint(Grammar::Ptr grammar, std::shared_ptr<const TokenTable> tokens,
             const Options& options);

  // The position of one matcher. Registered while it lives, since KeepOnly renumbers.
  void Enroll(ConfigurationId* position, const ConfigurationId* from);
  void Leave(ConfigurationId* position);
  absl::Status FillMask(const ConfigurationId& position, absl::Span<std::uint32_t> words);
  bool Accept(ConfigurationId* position, absl::string_view bytes, bool* gave_up);
  bool MayEnd(const ConfigurationId& position) const;
  std::string ForcedBytes(const ConfigurationId& position, std::size_t max);

  void ForgetWholeMasks() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void BeginCall() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const Mask* CutMask(ConfigurationId cut) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  template <bool kCut>
  void Walk(ConfigurationId from, std::uint32_t node, Mask* mask)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ConfigurationId StepTo(ConfigurationId from, std::uint32_t node)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Keep(Masks* masks, ConfigurationId id, std::unique_ptr<Mask> mask)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Grammar::Ptr grammar_;
  const std::shared_ptr<const TokenTable> tokens_;
  const Options options_;

  mutable absl::Mutex mutex_;
  Configurations configurations_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<ConfigurationId*> positions_ ABSL_GUARDED_BY(mutex_);
  Masks whole_ ABSL_GUARDED_BY(mutex_);  // by configuration
  Masks cut_ ABSL_GUARDED_BY(mutex_);    // by cut configuration
  Counts counts_ ABSL_GUARDED_BY(mutex_);
  std::size_t forget_at_bytes_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::uint32_t> path_ ABSL_GUARDED_BY(mutex_);  // of Walk, by depth
};

// Where one text stands in the grammar. A copy costs little and goes on by itself, which is how to
// look ahead and come back. One thread at a time may use a matcher; copies may be used by others.
class Matcher {
 public:
  // At the beginning of a text.
  explicit Matcher(std::shared_ptr<Constraint> constraint);
  Matcher(const Matcher& other);
  Matcher& operator=(const Matcher& other);
  ~Matcher();

  // Sets bit i % 32 of words[i / 32] when token i may come next, and clears all others: those of
  // ends of text too, see CanEnd(). `words` has at least tokens().mask_words() words.
  // RESOURCE_EXHAUSTED / GRAMMAR_TOO_AMBIGUOUS when the text can be read in too many ways at once;
  // the words are then all 0. Some 10 us when the grammar has been here before, up to a
  // millisecond for a large vocabulary when it has not.
  absl::Status Mask(absl::Span<std::uint32_t> words) const;

  // Goes on past a token or bytes. False, and the matcher stays where it was, when they may not
  // come next. True for exactly the tokens of Mask() unless it gives up, and for empty `bytes`.
  bool Accept(std::uint32_t token);
  bool AcceptBytes(absl::string_view bytes);

  // The last refusal was not the grammar's: finding out would have taken more work than a call may
  // do. Mask() gives the status for it.
  bool gave_up() const { return gave_up_; }

  // The text is complete: an end of text may come next.
  bool CanEnd() const;

  // The bytes that must come next, as long as there is no choice, at most `max`; empty when there
  // is one, or when the text can end. They may break off within a character. A model may part them
  // into tokens in more ways than one, and its last token may reach further.
  std::string ForcedBytes(std::size_t max = 256) const;

 private:
  std::shared_ptr<Constraint> constraint_;
  ConfigurationId position_ = Configurations::kDead;
  bool gave_up_ = false;
};

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_CONSTRAINT_H_
