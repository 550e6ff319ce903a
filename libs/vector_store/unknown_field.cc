#include "libs/vector_store/unknown_field.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/vector_store/filter.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::size_t kMaxNamesShown = 5;
constexpr std::size_t kMaxComparedBytes = 128;  // of a name; longer ones are near to nothing

// Every field but the reserved ones, which always exist.
struct FieldCollector {
  std::set<absl::string_view>* fields;

  void operator()(const stages::FilterAnd& node) const { All(node.filters); }
  void operator()(const stages::FilterOr& node) const { All(node.filters); }
  void operator()(const stages::FilterNot& node) const { std::visit(*this, node.filter->node); }
  template <typename Leaf>
  void operator()(const Leaf& leaf) const {
    if (!IsReservedField(leaf.field)) fields->insert(leaf.field);
  }
  void All(const std::vector<stages::Filter>& filters) const {
    for (const stages::Filter& filter : filters) std::visit(*this, filter.node);
  }
};

// Levenshtein's distance, letters compared without their case.
std::size_t Distance(absl::string_view a, absl::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = absl::ascii_tolower(static_cast<unsigned char>(a[i - 1])) ==
                        absl::ascii_tolower(static_cast<unsigned char>(b[j - 1]));
      const std::size_t best = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (same ? 0u : 1u)});
      diagonal = std::exchange(row[j], best);
    }
  }
  return row[b.size()];
}

// The names that may have been meant, the nearest first; without any, the first names there are.
std::vector<std::string> NearNames(absl::string_view field, const std::set<std::string>& names) {
  std::vector<std::pair<std::size_t, std::string>> near;
  for (const std::string& name : names) {
    if (name.size() > kMaxComparedBytes || field.size() > kMaxComparedBytes) continue;
    const std::size_t distance = Distance(field, name);
    const bool part = absl::StrContains(name, field) || absl::StrContains(field, name);
    if (part || distance <= std::max<std::size_t>(2, field.size() / 3))
      near.emplace_back(distance, name);
  }
  std::sort(near.begin(), near.end());
  std::vector<std::string> shown;
  for (auto& [distance, name] : near) {
    if (shown.size() < kMaxNamesShown) shown.push_back(std::move(name));
  }
  for (auto it = names.begin(); near.empty() && it != names.end(); ++it) {
    if (shown.size() < kMaxNamesShown && it->size() <= kMaxComparedBytes) shown.push_back(*it);
  }
  return shown;
}

}  // namespace

std::set<absl::string_view> FieldsOf(const stages::Filter& filter) {
  std::set<absl::string_view> fields;
  std::visit(FieldCollector{&fields}, filter.node);
  return fields;
}

absl::Status UnknownField(absl::string_view field, const std::set<std::string>& names) {
  std::vector<std::string> near = NearNames(field, names);
  const std::string listed = absl::StrJoin(near, "\", \"");
  return MakeError(
      absl::StatusCode::kInvalidArgument,
      absl::StrCat("filter names the field \"", field.substr(0, kMaxComparedBytes),
                   "\", which no document has"),
      {.reason = "UNKNOWN_FILTER_FIELD",
       .field = "filter",
       .next_step = near.empty()
                        ? "The documents have no metadata; filter by document_id, "
                          "document_name, media_type or language."
                        : absl::StrCat("Use a field that documents have: \"", listed, "\"."),
       .metadata = {{"near_fields", absl::StrJoin(near, ",")}}});
}

}  // namespace ragmesh::vector_store
