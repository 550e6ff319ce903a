// All the ways in which a text can have been read so far, as one number.
#ifndef RAGMESH_LIBS_GRAMMAR_CONFIGURATIONS_H_
#define RAGMESH_LIBS_GRAMMAR_CONFIGURATIONS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "libs/grammar/automaton.h"
#include "libs/grammar/item_lists.h"

namespace ragmesh::grammar {

using ConfigurationId = std::uint32_t;

// A configuration is the set of an automaton's stacks after some bytes. A stack is a state over a
// frame; a frame is the set of stacks that wait for one rule to end, so stacks share what lies
// below, and all callers of a rule at one place share one frame (a graph-structured stack). Frames
// and configurations are kept once each, by content: equal situations have equal numbers, wherever
// in a text they arise. Steps are remembered, which makes this a deterministic automaton that is
// built as texts need it.
//
// Not thread-safe; for use under the lock of its owner.
class Configurations {
 public:
  struct Bounds {
    std::size_t max_depth = 1024;  // frames on one another; deeper calls do not match
    std::size_t max_width = 4096;  // stacks of one configuration
  };

  static constexpr ConfigurationId kDead = 0;       // nothing matches
  static constexpr ConfigurationId kUnknown = ~0u;  // of a step not taken yet

  // What Step returns besides the configuration: the outermost frame of a cut one has been left.
  static constexpr std::uint32_t kLeftBit = 1u << 31;

  // `automaton` outlives this. Finding start() may take `start_work`, counted as in SetBudget; it
  // is kDead, and this exhausted(), when that does not do.
  Configurations(const Automaton* automaton, const Bounds& bounds, std::int64_t start_work);

  ConfigurationId start() const { return start_; }

  // After one more byte of `byte_class`: a configuration, with kLeftBit for a cut one that was
  // left. kDead, and exhausted(), once a budget is used up.
  std::uint32_t Step(ConfigurationId from, std::size_t byte_class) {
    const std::uint32_t known = steps_[from * classes_ + byte_class];
    return known != kUnknown ? known : TakeStep(from, byte_class);
  }

  // The whole text may end here.
  bool MayEnd(ConfigurationId id) const { return (Flags(id) & kEnded) != 0; }
  std::size_t Depth(ConfigurationId id) const;
  // Steps that are not known to be dead, by class.
  absl::Span<const std::uint32_t> Steps(ConfigurationId id) const {
    return absl::MakeConstSpan(steps_).subspan(id * classes_, classes_);
  }

  // The configuration with every frame replaced by one that nothing is known of, and every state by
  // its representative: what follows within kLookahead bytes is the same, until that frame is left.
  ConfigurationId Cut(ConfigurationId id);

  // Work that the next steps may do, in stacks looked at and words stored: bounds time and memory.
  void SetBudget(std::int64_t work) {
    budget_ = work;
    exhausted_ = false;
  }
  bool exhausted() const { return exhausted_; }

  std::size_t bytes() const;

  // Forgets all configurations but kDead, start() and those in `kept`, whose numbers it changes.
  void KeepOnly(absl::Span<ConfigurationId* const> kept);

 private:
  // Frames that hold no callers.
  static constexpr std::uint32_t kBottom = 0;    // below it, the text ends
  static constexpr std::uint32_t kCutFrame = 1;  // of Cut
  static constexpr std::uint32_t kMark = ~0u;    // frame of an item that holds flags, not a state
  enum Flag : std::uint32_t { kEnded = 1, kLeft = 2 };

  struct Call {
    std::uint32_t order, rule;
    Item caller;
    bool operator<(const Call& o) const {
      return order > o.order;
    }  // the first is on top of a heap
  };

  std::uint32_t Flags(ConfigurationId id) const { return kernels_[id][0].state; }
  std::uint32_t TakeStep(ConfigurationId from, std::size_t byte_class);
  void Follow(StateId state, std::uint32_t frame);
  void Enter(StateId start, std::uint32_t frame, std::vector<Call>* calls);
  void Begin();
  ConfigurationId Intern();
  void Expand();
  std::uint32_t AddFrame(absl::Span<const Item> callers);
  bool Spend(std::size_t work) {
    budget_ -= static_cast<std::int64_t>(work);
    if (budget_ < 0) exhausted_ = true;
    return !exhausted_;
  }

  const Automaton& automaton_;
  const Bounds bounds_;
  const std::int64_t start_work_;
  const std::size_t classes_;
  ItemLists frames_;                   // callers: where each goes on, and over which frame
  std::vector<std::uint32_t> depths_;  // of frames
  ItemLists kernels_;  // of each configuration: its flags, then the stacks that bytes have led to
  ItemTable readers_;  // of each configuration: all stacks that can read a byte, by calls too
  std::vector<std::uint32_t> steps_;  // classes_ of each configuration
  ConfigurationId start_ = kDead;

  std::int64_t budget_ = 0;
  bool exhausted_ = false;
  // Of the step that is being taken.
  std::vector<Item> kernel_, work_, reading_;
  std::uint32_t flags_ = 0;
  SeenItems seen_;
};

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_CONFIGURATIONS_H_
