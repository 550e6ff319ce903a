#include "libs/generation/dry.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ragmesh::generation {
namespace {

// A longer rest of a breaker is cut, so that looking for one stays linear.
constexpr std::size_t kMaxTail = 20;
// Natural logarithm of the largest float: no penalty is larger.
constexpr double kMaxLogPenalty = 88.7228391;

bool BeginsWith(absl::Span<const std::uint32_t> text, absl::Span<const std::uint32_t> begin) {
  return begin.size() <= text.size() && std::equal(begin.begin(), begin.end(), text.begin());
}

}  // namespace

std::shared_ptr<const SequenceBreakers> SequenceBreakers::Create(
    absl::Span<const std::string> texts, std::size_t size,
    absl::FunctionRef<absl::string_view(std::uint32_t)> bytes,
    absl::FunctionRef<std::vector<std::uint32_t>(absl::string_view)> encode) {
  auto breakers = std::make_shared<SequenceBreakers>();
  for (const std::string& text : texts) {
    // Rests of the text by how much of it the token before them holds.
    std::vector<Tail> rests(text.size());
    for (std::size_t held = 1; held < text.size(); ++held) {
      rests[held] = encode(absl::string_view(text).substr(held));
      rests[held].resize(std::min(rests[held].size(), kMaxTail));
    }
    for (std::uint32_t id = 0; id < size; ++id) {
      const absl::string_view word = bytes(id);
      if (word.find(text) != absl::string_view::npos) {
        breakers->Add(id, {});
        continue;
      }
      for (std::size_t held = 1; held < text.size() && held <= word.size(); ++held) {
        if (word.substr(word.size() - held) == absl::string_view(text).substr(0, held))
          breakers->Add(id, rests[held]);
      }
    }
  }
  return breakers;
}

void SequenceBreakers::Add(std::uint32_t head, Tail tail) {
  std::vector<Tail>& tails = tails_[head];
  if (std::find(tails.begin(), tails.end(), tail) == tails.end()) tails.push_back(std::move(tail));
}

std::size_t SequenceBreakers::Match(absl::Span<const std::uint32_t> tokens) const {
  const auto found = tokens.empty() ? tails_.end() : tails_.find(tokens[0]);
  if (found == tails_.end()) return 0;
  std::size_t longest = 0;
  for (const Tail& tail : found->second) {
    if (BeginsWith(tokens.subspan(1), tail)) longest = std::max(longest, tail.size() + 1);
  }
  return longest;
}

bool SequenceBreakers::Breaks(std::uint32_t id) const {
  const auto found = tails_.find(id);
  return found != tails_.end() && std::any_of(found->second.begin(), found->second.end(),
                                              [](const Tail& tail) { return tail.empty(); });
}

Dry::Dry(const stages::Sampling& sampling, std::shared_ptr<const SequenceBreakers> breakers)
    : multiplier_(sampling.dry_multiplier),
      base_(sampling.dry_base),
      allowed_length_(sampling.dry_allowed_length),
      last_n_(sampling.dry_penalty_last_n < 0
                  ? std::numeric_limits<std::size_t>::max()
                  : static_cast<std::size_t>(sampling.dry_penalty_last_n)),
      breakers_(std::move(breakers)) {}

// Tokens at the end of the text after its last breaker: no repetition counts for more.
std::size_t Dry::LongestRepetition(absl::Span<const std::uint32_t> text) const {
  if (breakers_ == nullptr) return text.size();
  for (std::size_t back = 1; back <= text.size(); ++back) {
    const std::size_t broken = breakers_->Match(text.last(back));
    if (broken > 0) return back - broken;
  }
  return text.size();
}

// lengths_[k]: how many of the last tokens of `text` also stand `k` places before its end. The
// Z-function (Gusfield 1997) of the text read backwards.
void Dry::MeasureRepetitions(absl::Span<const std::uint32_t> text) {
  const std::size_t size = text.size();
  const auto back = [&](std::size_t i) { return text[size - 1 - i]; };
  lengths_.assign(size, 0);
  std::size_t left = 0, right = 0;  // the match found so far that ends last: [left, right)
  for (std::size_t k = 1; k < size; ++k) {
    std::size_t length = k < right ? std::min<std::size_t>(right - k, lengths_[k - left]) : 0;
    while (k + length < size && back(length) == back(k + length)) ++length;
    lengths_[k] = static_cast<std::uint32_t>(length);
    if (k + length > right) {
      left = k;
      right = k + length;
    }
  }
}

void Dry::Apply(absl::Span<const std::uint32_t> context, absl::Span<float> logits) {
  const absl::Span<const std::uint32_t> text = context.last(std::min(context.size(), last_n_));
  if (text.size() <= allowed_length_) return;
  const std::size_t longest = LongestRepetition(text);
  if (longest < allowed_length_) return;
  MeasureRepetitions(text);
  follow_.clear();
  for (std::size_t k = 1; k < text.size(); ++k) {
    const std::size_t length = std::min<std::size_t>(lengths_[k], longest);
    if (length >= allowed_length_)
      follow_.push_back({text[text.size() - k], static_cast<std::uint32_t>(length)});
  }
  std::sort(follow_.begin(), follow_.end());
  // As in llama.cpp, a base of hardly more than 1 needs no bound.
  const double most = base_ > 1.000001 ? std::floor(kMaxLogPenalty / std::log(base_)) : HUGE_VAL;
  for (std::size_t i = 0; i < follow_.size(); ++i) {
    const auto [id, length] = follow_[i];
    if (i + 1 < follow_.size() && follow_[i + 1].first == id) continue;  // a longer one comes
    if (id >= logits.size() || !std::isfinite(logits[id])) continue;
    if (breakers_ != nullptr && breakers_->Breaks(id)) continue;
    const double over = std::min<double>(length - static_cast<double>(allowed_length_), most);
    // Never to infinity: the token may be the only one that is allowed.
    logits[id] = static_cast<float>(std::max<double>(
        logits[id] - multiplier_ * std::pow(base_, over), std::numeric_limits<float>::lowest()));
  }
}

}  // namespace ragmesh::generation
