#include "libs/stages/sampling.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::stages {
namespace {

constexpr double kMostTokens = 1 << 20;

// What a number may be. NaN is outside every range.
struct Range {
  absl::string_view name;
  double value;
  double low, high;
  bool open_low = false, open_high = false;  // the bound itself is outside
  double off;                                // the value that switches it off
};

absl::Status Check(const Range& range, absl::string_view prefix) {
  const bool above = range.open_low ? range.value > range.low : range.value >= range.low;
  const bool below = range.open_high ? range.value < range.high : range.value <= range.high;
  if (above && below) return absl::OkStatus();
  return InvalidField(
      absl::StrCat(prefix, range.name),
      absl::StrCat("is ", range.value, "; must be ", range.open_low ? "over " : "at least ",
                   range.low, " and ", range.open_high ? "below " : "at most ", range.high),
      absl::StrCat("Leave it out, or set it to ", range.off, "."));
}

absl::Status CheckBias(const std::vector<LogitBias>& list, absl::string_view prefix) {
  const std::string field = absl::StrCat(prefix, "logit_bias");
  if (list.size() > kMaxLogitBias) {
    return InvalidField(
        field, absl::StrCat("has ", list.size(), " entries; must have at most ", kMaxLogitBias),
        "Keep the tokens that matter most.");
  }
  std::vector<std::uint32_t> ids;
  for (const LogitBias& entry : list) {
    ids.push_back(entry.token_id);
    const std::string name = absl::StrCat("logit_bias[", entry.token_id, "]");
    RAGMESH_RETURN_IF_ERROR(
        Check({.name = name, .value = entry.bias, .low = -100, .high = 100, .off = 0}, prefix));
  }
  std::sort(ids.begin(), ids.end());
  if (std::adjacent_find(ids.begin(), ids.end()) != ids.end())
    return InvalidField(field, "names a token twice", "Name each token once.");
  return absl::OkStatus();
}

absl::Status CheckBreakers(const std::vector<std::string>& list, absl::string_view prefix) {
  const std::string field = absl::StrCat(prefix, "dry_sequence_breakers");
  if (list.size() > kMaxSequenceBreakers) {
    return InvalidField(
        field,
        absl::StrCat("has ", list.size(), " texts; must have at most ", kMaxSequenceBreakers),
        "Leave it out for the usual ones.");
  }
  for (const std::string& text : list) {
    if (text.empty() || text.size() > kMaxSequenceBreakerBytes) {
      return InvalidField(field,
                          absl::StrCat("holds a text of ", text.size(),
                                       " bytes; each must have 1 to ", kMaxSequenceBreakerBytes),
                          "Leave it out for the usual ones.");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSampling(const Sampling& sampling, absl::string_view prefix) {
  const Range ranges[] = {
      {.name = "temperature", .value = sampling.temperature, .low = 0, .high = 2, .off = 0},
      {.name = "top_p", .value = sampling.top_p, .low = 0, .high = 1, .open_low = true, .off = 1},
      {.name = "min_p", .value = sampling.min_p, .low = 0, .high = 1, .open_high = true, .off = 0},
      {.name = "typical_p",
       .value = sampling.typical_p,
       .low = 0,
       .high = 1,
       .open_low = true,
       .off = 1},
      {.name = "xtc_probability", .value = sampling.xtc_probability, .low = 0, .high = 1, .off = 0},
      {.name = "xtc_threshold", .value = sampling.xtc_threshold, .low = 0, .high = 1, .off = 0.1},
      {.name = "repeat_penalty",
       .value = sampling.repeat_penalty,
       .low = 0,
       .high = 10,
       .open_low = true,
       .off = 1},
      {.name = "repeat_last_n",
       .value = static_cast<double>(sampling.repeat_last_n),
       .low = -1,
       .high = kMostTokens,
       .off = 0},
      {.name = "frequency_penalty",
       .value = sampling.frequency_penalty,
       .low = -2,
       .high = 2,
       .off = 0},
      {.name = "presence_penalty",
       .value = sampling.presence_penalty,
       .low = -2,
       .high = 2,
       .off = 0},
      {.name = "dry_multiplier", .value = sampling.dry_multiplier, .low = 0, .high = 100, .off = 0},
      {.name = "dry_base", .value = sampling.dry_base, .low = 1, .high = 10, .off = 1.75},
      {.name = "dry_allowed_length",
       .value = static_cast<double>(sampling.dry_allowed_length),
       .low = 0,
       .high = kMostTokens,
       .off = 2},
      {.name = "dry_penalty_last_n",
       .value = static_cast<double>(sampling.dry_penalty_last_n),
       .low = -1,
       .high = kMostTokens,
       .off = 0}};
  for (const Range& range : ranges) RAGMESH_RETURN_IF_ERROR(Check(range, prefix));
  RAGMESH_RETURN_IF_ERROR(CheckBreakers(sampling.dry_sequence_breakers, prefix));
  return CheckBias(sampling.logit_bias, prefix);
}

}  // namespace ragmesh::stages
