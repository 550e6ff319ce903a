#include "libs/trace/trace_context.h"

#include <algorithm>
#include <cstdint>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"

namespace ragmesh::trace {
namespace {

constexpr std::size_t kVersion00Length = 55;  // 2 + 1 + 32 + 1 + 16 + 1 + 2

bool IsLowerHex(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '0'; });
}

// 16 random digits, not all zero.
std::string RandomId() {
  thread_local absl::BitGen random;
  return absl::StrCat(
      absl::Hex(absl::Uniform<std::uint64_t>(absl::IntervalClosed, random, 1, ~std::uint64_t{0}),
                absl::kZeroPad16));
}

}  // namespace

std::string TraceContext::ToString() const {
  return absl::StrCat("00-", trace_id, "-", span_id, sampled ? "-01" : "-00");
}

std::optional<TraceContext> ParseTraceParent(absl::string_view value) {
  if (value.size() < kVersion00Length || value[2] != '-' || value[35] != '-' || value[52] != '-')
    return std::nullopt;
  const absl::string_view version = value.substr(0, 2), flags = value.substr(53, 2);
  if (!IsLowerHex(version) || version == "ff" || !IsLowerHex(flags)) return std::nullopt;
  const bool longer = value.size() > kVersion00Length;
  if (longer && (version == "00" || value[kVersion00Length] != '-')) return std::nullopt;
  TraceContext context{std::string(value.substr(3, 32)), std::string(value.substr(36, 16))};
  if (!IsLowerHex(context.trace_id) || IsZero(context.trace_id)) return std::nullopt;
  if (!IsLowerHex(context.span_id) || IsZero(context.span_id)) return std::nullopt;
  const char low = flags[1];
  context.sampled = ((low <= '9' ? low - '0' : low - 'a' + 10) & 1) != 0;
  return context;
}

TraceContext NewTrace() { return {RandomId() + RandomId(), RandomId()}; }

TraceContext ChildOf(absl::string_view traceparent) {
  auto parent = ParseTraceParent(traceparent);
  if (!parent.has_value()) return NewTrace();
  parent->span_id = RandomId();
  return *parent;
}

std::string TraceId(absl::string_view traceparent) {
  const auto context = ParseTraceParent(traceparent);
  return context.has_value() ? context->trace_id : "";
}

}  // namespace ragmesh::trace
