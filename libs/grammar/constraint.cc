#include "libs/grammar/constraint.h"

#include <algorithm>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/error.h"

namespace ragmesh::grammar {
namespace {

absl::Status TooAmbiguous() {
  return MakeError(absl::StatusCode::kResourceExhausted,
                   "the grammar allows too many readings of the text so far",
                   {.reason = "GRAMMAR_TOO_AMBIGUOUS",
                    .field = "grammar",
                    .next_step = "Rewrite the rules so that a text can be read in one way."});
}

void SetBit(std::uint32_t token, std::vector<std::uint32_t>* words) {
  (*words)[token / 32] |= std::uint32_t{1} << token % 32;
}

}  // namespace

Constraint::Constraint(Grammar::Ptr grammar, std::shared_ptr<const TokenTable> tokens,
                       const Options& options)
    : grammar_(std::move(grammar)),
      tokens_(std::move(tokens)),
      options_(options),
      configurations_(&grammar_->automaton(), options.bounds, options.max_work),
      forget_at_bytes_(options.max_configuration_bytes),
      path_(tokens_->longest() + 1) {}

absl::StatusOr<std::shared_ptr<Constraint>> Constraint::Create(
    Grammar::Ptr grammar, std::shared_ptr<const TokenTable> tokens, const Options& options) {
  std::shared_ptr<Constraint> constraint(
      new Constraint(std::move(grammar), std::move(tokens), options));
  absl::MutexLock lock(&constraint->mutex_);
  if (constraint->configurations_.exhausted()) return TooAmbiguous();
  return constraint;
}

void Constraint::Enroll(ConfigurationId* position, const ConfigurationId* from) {
  absl::MutexLock lock(&mutex_);
  *position = from == nullptr ? configurations_.start() : *from;
  positions_.insert(position);
}

void Constraint::Leave(ConfigurationId* position) {
  absl::MutexLock lock(&mutex_);
  positions_.erase(position);
}

void Constraint::ForgetWholeMasks() {
  whole_.clear();
  counts_.mask_bytes = 0;
  for (const auto& [cut, mask] : cut_) counts_.mask_bytes += mask->bytes();
}

// Before a call, not within it, since ids change.
void Constraint::BeginCall() {
  configurations_.SetBudget(options_.max_work);
  if (configurations_.bytes() <= forget_at_bytes_) return;
  ForgetWholeMasks();
  Masks cut = std::exchange(cut_, {});
  std::vector<ConfigurationId> names;
  for (const auto& [id, mask] : cut) names.push_back(id);
  std::vector<ConfigurationId> renamed = names;
  std::vector<ConfigurationId*> kept(positions_.begin(), positions_.end());
  for (ConfigurationId& id : renamed) kept.push_back(&id);
  configurations_.KeepOnly(kept);
  for (std::size_t i = 0; i < names.size(); ++i) cut_[renamed[i]] = std::move(cut[names[i]]);
  // What streams stand on may be over the bound by itself, and shall not be sorted out every time.
  forget_at_bytes_ = std::max(options_.max_configuration_bytes, 2 * configurations_.bytes());
  configurations_.SetBudget(options_.max_work);
}

// Adds to `mask` the tokens beneath `top` that can follow `from`, where the path of `top` ends.
// Cut: leaves out what lies beneath nodes where the outermost frame is left or kLookahead is
// reached, and notes these nodes.
template <bool kCut>
void Constraint::Walk(ConfigurationId from, std::uint32_t top, Mask* mask) {
  const absl::Span<const TokenTable::TrieNode> nodes = tokens_->nodes();
  const std::array<std::uint8_t, 256>& class_of = grammar_->automaton().class_of;
  std::uint32_t* const path = path_.data();
  path[nodes[top].depth] = from;
  for (std::uint32_t i = top + 1; i < nodes[top].end;) {
    const TokenTable::TrieNode& node = nodes[i];
    const std::uint32_t to = configurations_.Step(path[node.depth - 1], class_of[node.byte]);
    if (to == Configurations::kDead) {
      i = node.end;
      continue;
    }
    if (node.token != TokenTable::kNoToken) {
      SetBit(node.token, &mask->words);
      if (node.shared) {
        for (const std::uint32_t other : tokens_->OthersAt(node)) SetBit(other, &mask->words);
      }
    }
    if (kCut && ((to & Configurations::kLeftBit) != 0 || node.depth == Automaton::kLookahead)) {
      if (node.end > i + 1) mask->undecided.push_back(i);
      i = node.end;
      continue;
    }
    path[node.depth] = to;
    ++i;
  }
}

// After the bytes of the path to `node`; kDead when they may not come.
ConfigurationId Constraint::StepTo(ConfigurationId from, std::uint32_t node) {
  const absl::Span<const TokenTable::TrieNode> nodes = tokens_->nodes();
  std::vector<std::uint8_t> bytes;
  for (std::uint32_t at = node; at != 0; at = nodes[at].parent) bytes.push_back(nodes[at].byte);
  for (auto byte = bytes.rbegin(); byte != bytes.rend() && from != Configurations::kDead; ++byte)
    from = configurations_.Step(from, grammar_->automaton().class_of[*byte]);
  return from;
}

void Constraint::Keep(Masks* masks, ConfigurationId id, std::unique_ptr<Mask> mask) {
  if (counts_.mask_bytes + mask->bytes() > options_.max_mask_bytes) {
    ForgetWholeMasks();
    if (counts_.mask_bytes > options_.max_mask_bytes / 2) {
      cut_.clear();
      counts_.mask_bytes = 0;
    }
  }
  counts_.mask_bytes += mask->bytes();
  (*masks)[id] = std::move(mask);
}

// Null when the work ran out.
const Constraint::Mask* Constraint::CutMask(ConfigurationId cut) {
  if (const auto found = cut_.find(cut); found != cut_.end()) {
    ++counts_.adapted;
    return found->second.get();
  }
  ++counts_.walked;
  auto mask = std::make_unique<Mask>();
  mask->words.resize(tokens_->mask_words());
  Walk<true>(cut, 0, mask.get());
  if (configurations_.exhausted()) return nullptr;
  const Mask* result = mask.get();
  Keep(&cut_, cut, std::move(mask));
  return result;
}

absl::Status Constraint::FillMask(const ConfigurationId& position,
                                  absl::Span<std::uint32_t> words) {
  RAGMESH_CHECK(words.size() >= tokens_->mask_words(), "the mask has room for every token");
  std::fill(words.begin(), words.end(), 0);
  absl::MutexLock lock(&mutex_);
  BeginCall();
  const ConfigurationId id = position;
  if (const auto found = whole_.find(id); found != whole_.end()) {
    ++counts_.copied;
    std::copy(found->second->words.begin(), found->second->words.end(), words.begin());
    return absl::OkStatus();
  }
  auto mask = std::make_unique<Mask>();
  // A cut configuration has all depth before it; near the bound that would allow too much.
  const Automaton& automaton = grammar_->automaton();
  const std::size_t reach = Automaton::kLookahead * (automaton.longest_call_chain + 1);
  if (configurations_.Depth(id) + reach < options_.bounds.max_depth) {
    const ConfigurationId cut = configurations_.Cut(id);
    const Mask* known = configurations_.exhausted() ? nullptr : CutMask(cut);
    if (known == nullptr) return TooAmbiguous();
    mask->words = known->words;
    for (const std::uint32_t node : known->undecided) {
      const ConfigurationId at = StepTo(id, node);
      if (at != Configurations::kDead) Walk<false>(at, node, mask.get());
    }
  } else {
    ++counts_.walked;
    mask->words.resize(tokens_->mask_words());
    Walk<false>(id, 0, mask.get());
  }
  if (configurations_.exhausted()) return TooAmbiguous();
  std::copy(mask->words.begin(), mask->words.end(), words.begin());
  Keep(&whole_, id, std::move(mask));
  return absl::OkStatus();
}

bool Constraint::Accept(ConfigurationId* position, absl::string_view bytes, bool* gave_up) {
  absl::MutexLock lock(&mutex_);
  BeginCall();
  ConfigurationId at = *position;
  for (const char byte : bytes) {
    at = configurations_.Step(at, grammar_->automaton().class_of[static_cast<std::uint8_t>(byte)]);
    if (at == Configurations::kDead) break;
  }
  *gave_up = configurations_.exhausted();
  if (at == Configurations::kDead) return false;
  *position = at;
  return true;
}

bool Constraint::MayEnd(const ConfigurationId& position) const {
  absl::MutexLock lock(&mutex_);
  return configurations_.MayEnd(position);
}

std::string Constraint::ForcedBytes(const ConfigurationId& position, std::size_t max) {
  absl::MutexLock lock(&mutex_);
  BeginCall();
  const Automaton& automaton = grammar_->automaton();
  std::string forced;
  ConfigurationId at = position;
  while (forced.size() < max && !configurations_.MayEnd(at)) {
    const absl::Span<const std::uint32_t> steps = configurations_.Steps(at);
    const auto alive = [](std::uint32_t step) { return step != Configurations::kDead; };
    const auto only = std::find_if(steps.begin(), steps.end(), alive);
    if (only == steps.end() || std::any_of(only + 1, steps.end(), alive)) break;
    const auto byte_class = static_cast<std::size_t>(only - steps.begin());
    if (automaton.byte_of[byte_class] == Automaton::kManyBytes) break;
    at = configurations_.Step(at, byte_class);
    if (at == Configurations::kDead) break;
    forced.push_back(static_cast<char>(automaton.byte_of[byte_class]));
  }
  return forced;
}

Constraint::Counts Constraint::counts() const {
  absl::MutexLock lock(&mutex_);
  Counts counts = counts_;
  counts.configuration_bytes = configurations_.bytes();
  return counts;
}

Matcher::Matcher(std::shared_ptr<Constraint> constraint) : constraint_(std::move(constraint)) {
  constraint_->Enroll(&position_, nullptr);
}

Matcher::Matcher(const Matcher& other) : constraint_(other.constraint_) {
  constraint_->Enroll(&position_, &other.position_);
}

Matcher& Matcher::operator=(const Matcher& other) {
  if (this == &other) return *this;
  constraint_->Leave(&position_);
  constraint_ = other.constraint_;
  constraint_->Enroll(&position_, &other.position_);
  return *this;
}

Matcher::~Matcher() { constraint_->Leave(&position_); }

absl::Status Matcher::Mask(absl::Span<std::uint32_t> words) const {
  return constraint_->FillMask(position_, words);
}

bool Matcher::Accept(std::uint32_t token) {
  const TokenTable& tokens = constraint_->tokens();
  if (token >= tokens.size()) return false;
  const absl::string_view bytes = tokens.Bytes(token);
  gave_up_ = false;
  return !bytes.empty() && AcceptBytes(bytes);
}

bool Matcher::AcceptBytes(absl::string_view bytes) {
  return constraint_->Accept(&position_, bytes, &gave_up_);
}

bool Matcher::CanEnd() const { return constraint_->MayEnd(position_); }

std::string Matcher::ForcedBytes(std::size_t max) const {
  return constraint_->ForcedBytes(position_, max);
}

}  // namespace ragmesh::grammar
