#include "libs/vector_store/filter_fields.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/filter.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint32_t kDocumentsPerCheck = 1024;
constexpr std::size_t kMaxNamesShown = 5;
constexpr std::size_t kMaxNamesKept = 1000;     // of a collection whose every document has its own
constexpr std::size_t kMaxComparedBytes = 128;  // of a name; longer ones are near to nothing

using Names = std::set<absl::string_view>;

// Every field but the reserved ones, which always exist.
struct FieldCollector {
  Names* fields;

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

}  // namespace

absl::Status CheckFilterFields(const ImageView& view, const ChunkSets& visible,
                               const stages::Filter& filter, const CallContext& call) {
  Names unknown;
  std::visit(FieldCollector{&unknown}, filter.node);
  for (std::size_t i = 0; i < view.parts().size() && !unknown.empty(); ++i) {
    std::erase_if(unknown, [&](absl::string_view field) {
      return view.parts()[i].part->HasField(field, *visible.parts[i]);
    });
  }
  if (unknown.empty()) return absl::OkStatus();
  // Documents without chunks have fields too, and the error shows which there are.
  std::set<std::string> names;
  bool sees_documents = false;
  std::uint32_t looked = 0;
  for (const std::uint32_t index : view.Documents()) {
    if (looked++ % kDocumentsPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_ASSIGN_OR_RETURN(const auto record, view.Document(index));
    if (!view.principal().Sees(record->document)) continue;
    sees_documents = true;
    for (const auto& [name, value] : record->document.metadata) {
      unknown.erase(name);
      if (names.size() < kMaxNamesKept) names.insert(name);
    }
    if (unknown.empty()) return absl::OkStatus();
  }
  if (!sees_documents) return absl::OkStatus();
  return UnknownField(*unknown.begin(), names);
}

absl::StatusOr<ChunkSets> AllowedChunks(const ImageView& view,
                                        const std::optional<stages::Filter>& filter,
                                        const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(ChunkSets visible, VisibleChunks(view, call));
  if (!filter.has_value()) return visible;
  RAGMESH_RETURN_IF_ERROR(CheckFilterFields(view, visible, *filter, call));
  return MatchingChunks(view, visible, *filter, call);
}

}  // namespace ragmesh::vector_store
