#include "libs/grammar/configurations.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace ragmesh::grammar {

using Kind = Automaton::State::Kind;

Configurations::Configurations(const Automaton* automaton, const Bounds& bounds,
                               std::int64_t start_work)
    : automaton_(*automaton),
      bounds_(bounds),
      start_work_(start_work),
      classes_(automaton->classes()) {
  Begin();
}

void Configurations::Begin() {
  SetBudget(std::numeric_limits<std::int64_t>::max());
  for (const std::uint32_t bottom : {kBottom, kCutFrame}) {
    frames_.Intern({{bottom, kMark}});
    depths_.push_back(0);
  }
  kernel_.clear();
  flags_ = 0;
  Intern();  // kDead
  SetBudget(start_work_);
  seen_.Clear();
  kernel_.clear();
  Follow(automaton_.rules[automaton_.root].start, kBottom);
  start_ = Intern();
}

// Adds what `state` over `frame` comes to without a byte: states that read or call, and where
// rules that end here are waited for.
void Configurations::Follow(StateId state, std::uint32_t frame) {
  work_.push_back({state, frame});
  while (!work_.empty()) {
    const Item item = work_.back();
    work_.pop_back();
    if (!Spend(1) || !seen_.Add(item)) continue;
    const Automaton::State& at = automaton_.states[item.state];
    switch (at.kind) {
      case Kind::kByte:
      case Kind::kCall:
        kernel_.push_back(item);
        break;
      case Kind::kSplit:
        work_.push_back({at.other, item.frame});
        work_.push_back({at.next, item.frame});
        break;
      case Kind::kFinal:
        if (item.frame == kBottom) {
          flags_ |= kEnded;
        } else if (item.frame == kCutFrame) {
          flags_ |= kLeft;
        } else {
          for (const Item& caller : frames_[item.frame]) work_.push_back(caller);
        }
        break;
    }
  }
}

ConfigurationId Configurations::Intern() {
  if (kernel_.size() > bounds_.max_width) exhausted_ = true;
  if (exhausted_) return kDead;
  std::sort(kernel_.begin(), kernel_.end());
  kernel_.insert(kernel_.begin(), {flags_, kMark});
  if (const std::uint32_t known = kernels_.Find(kernel_); known != ItemLists::kNone) return known;
  Expand();
  if (exhausted_) return kDead;  // and nothing half-done is kept
  // Where all that could go on is too deep, nothing does.
  if (reading_.empty() && flags_ == 0 && kernels_.size() > kDead) return kDead;
  readers_.Add(reading_);
  Automaton::ClassSet any{};
  for (const Item& item : reading_) {
    const Automaton::ClassSet& set = automaton_.sets[automaton_.states[item.state].other];
    for (std::size_t i = 0; i < any.size(); ++i) any[i] |= set[i];
  }
  for (std::size_t c = 0; c < classes_; ++c) steps_.push_back(Contains(any, c) ? kUnknown : kDead);
  return kernels_.Intern(kernel_);
}

std::uint32_t Configurations::AddFrame(absl::Span<const Item> callers) {
  const std::uint32_t count = frames_.size();
  const std::uint32_t frame = frames_.Intern(callers);
  if (frame == count) {
    std::uint32_t depth = 0;
    for (const Item& caller : callers) depth = std::max(depth, depths_[caller.frame]);
    depths_.push_back(depth + 1);
  }
  return frame;
}

// Adds what the start of a rule comes to without a byte. That the rule ends there too is no news to
// its callers, who then need not call it.
void Configurations::Enter(StateId start, std::uint32_t frame, std::vector<Call>* calls) {
  work_.push_back({start, frame});
  while (!work_.empty()) {
    const Item item = work_.back();
    work_.pop_back();
    const Automaton::State& at = automaton_.states[item.state];
    if (at.kind == Kind::kFinal || !Spend(1) || !seen_.Add(item)) continue;
    if (at.kind == Kind::kByte) {
      reading_.push_back(item);
    } else if (at.kind == Kind::kSplit) {
      work_.push_back({at.other, item.frame});
      work_.push_back({at.next, item.frame});
    } else if (automaton_.states[at.next].kind == Kind::kFinal) {
      // A call at the end of a rule leaves no frame, so that recursion there takes no depth.
      work_.push_back({automaton_.rules[at.other].start, item.frame});
    } else {
      calls->push_back({automaton_.rules[at.other].order, at.other, {at.next, item.frame}});
      std::push_heap(calls->begin(), calls->end());
    }
  }
}

// Finds the stacks that can read a byte, those of called rules included.
void Configurations::Expand() {
  std::vector<Call> calls;  // a heap, first in the order of rules on top
  reading_.clear();
  seen_.Clear();
  for (std::size_t i = 1; i < kernel_.size(); ++i)
    Enter(kernel_[i].state, kernel_[i].frame, &calls);
  // Rules only call what comes later in their order, so the callers of the first are complete.
  std::vector<Item> callers;
  while (!calls.empty() && !exhausted_) {
    const std::uint32_t rule = calls.front().rule;
    callers.clear();
    while (!calls.empty() && calls.front().rule == rule) {
      callers.push_back(calls.front().caller);
      std::pop_heap(calls.begin(), calls.end());
      calls.pop_back();
    }
    std::sort(callers.begin(), callers.end());
    callers.erase(std::unique(callers.begin(), callers.end()), callers.end());
    const bool too_deep = std::any_of(callers.begin(), callers.end(), [&](const Item& caller) {
      return depths_[caller.frame] >= bounds_.max_depth;
    });
    if (too_deep) continue;
    if (!Spend(callers.size())) break;
    Enter(automaton_.rules[rule].start, AddFrame(callers), &calls);
  }
  if (reading_.size() > bounds_.max_width) exhausted_ = true;
  Spend(classes_ + reading_.size());
}

std::uint32_t Configurations::TakeStep(ConfigurationId from, std::size_t byte_class) {
  if (exhausted_) return kDead;
  kernel_.clear();
  flags_ = 0;
  seen_.Clear();
  const absl::Span<const Item> readers = readers_[from];
  Spend(readers.size());
  for (const Item& item : readers) {
    const Automaton::State& state = automaton_.states[item.state];
    if (Contains(automaton_.sets[state.other], byte_class)) Follow(state.next, item.frame);
  }
  std::uint32_t to = Intern();
  if (exhausted_) return kDead;
  if ((flags_ & kLeft) != 0) to |= kLeftBit;
  return steps_[from * classes_ + byte_class] = to;
}

std::size_t Configurations::Depth(ConfigurationId id) const {
  std::uint32_t depth = 0;
  for (const Item& item : kernels_[id].subspan(1)) depth = std::max(depth, depths_[item.frame]);
  return depth;
}

ConfigurationId Configurations::Cut(ConfigurationId id) {
  kernel_.clear();
  flags_ = 0;
  for (const Item& item : kernels_[id].subspan(1))
    kernel_.push_back({automaton_.representatives[item.state], kCutFrame});
  std::sort(kernel_.begin(), kernel_.end());
  kernel_.erase(std::unique(kernel_.begin(), kernel_.end()), kernel_.end());
  return Intern();
}

std::size_t Configurations::bytes() const {
  return frames_.bytes() + depths_.capacity() * 4 + kernels_.bytes() + readers_.bytes() +
         steps_.capacity() * 4;
}

void Configurations::KeepOnly(absl::Span<ConfigurationId* const> kept) {
  const ItemLists old_frames = std::exchange(frames_, {}),
                  old_kernels = std::exchange(kernels_, {});
  // Frames only refer to frames made before them.
  std::vector<bool> used(old_frames.size(), false);
  for (const ConfigurationId* id : kept) {
    for (const Item& item : old_kernels[*id].subspan(1)) used[item.frame] = true;
  }
  for (std::uint32_t frame = old_frames.size(); frame-- > kCutFrame + 1;) {
    if (!used[frame]) continue;
    for (const Item& caller : old_frames[frame]) used[caller.frame] = true;
  }
  depths_ = {};
  readers_ = {};
  steps_ = {};
  Begin();  // which did not exhaust the same budget the first time
  SetBudget(std::numeric_limits<std::int64_t>::max());
  std::vector<std::uint32_t> renamed = {kBottom, kCutFrame};
  const auto rename = [&](absl::Span<const Item> items) {
    std::vector<Item> result;
    for (const Item& item : items) result.push_back({item.state, renamed[item.frame]});
    std::sort(result.begin(), result.end());
    return result;
  };
  for (std::uint32_t frame = kCutFrame + 1; frame < old_frames.size(); ++frame) {
    renamed.push_back(used[frame] ? AddFrame(rename(old_frames[frame])) : kMark);
  }
  for (ConfigurationId* id : kept) {
    flags_ = old_kernels[*id][0].state;
    kernel_ = rename(old_kernels[*id].subspan(1));
    *id = Intern();
  }
}

}  // namespace ragmesh::grammar
