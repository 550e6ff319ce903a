#include "libs/segment/columns.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>
#include <variant>
#include <vector>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/segment/string_table.h"

namespace ragmesh::segment {

using stages::Filter;
using stages::MetadataValue;
using vector_index::SlotSet;

// One step of a filter: ranges of columns, to be united.
struct FilterPlan {
  const Columns& columns;

  using Ranges = std::vector<std::pair<const ValueColumn*, ValueColumn::Range>>;

  // Lists equal a text when one of their elements does.
  void AddEqual(const std::string& field, const MetadataValue& value, Ranges* ranges) const {
    const std::string key = KeyOf(value);
    const ValueKind kind = KindOf(value);
    if (kind == ValueKind::kNumber && key.empty()) return;
    if (const ValueColumn* column = columns.Find(kind, field); column != nullptr)
      ranges->emplace_back(column, column->Equal(key));
    if (kind != ValueKind::kString) return;
    if (const ValueColumn* column = columns.Find(ValueKind::kList, field); column != nullptr)
      ranges->emplace_back(column, column->Equal(key));
  }

  Ranges operator()(const stages::FilterEquals& node) const {
    Ranges ranges;
    AddEqual(node.field, node.value, &ranges);
    return ranges;
  }
  Ranges operator()(const stages::FilterIn& node) const {
    Ranges ranges;
    std::set<std::pair<ValueKind, std::string>> keys;  // a value given twice counts once
    for (const MetadataValue& value : node.values) {
      if (keys.emplace(KindOf(value), KeyOf(value)).second) AddEqual(node.field, value, &ranges);
    }
    return ranges;
  }
  Ranges operator()(const stages::FilterPrefix& node) const {
    Ranges ranges;
    for (const ValueKind kind : {ValueKind::kString, ValueKind::kList}) {
      if (const ValueColumn* column = columns.Find(kind, node.field); column != nullptr)
        ranges.emplace_back(column, column->Prefix(node.prefix));
    }
    return ranges;
  }
  Ranges operator()(const stages::FilterRange& node) const {
    const auto& bounds = {&node.greater_than, &node.greater_or_equal, &node.less_than,
                          &node.less_or_equal};
    const auto* const given = *std::find_if(bounds.begin(), bounds.end(),
                                            [](const auto* bound) { return bound->has_value(); });
    const ValueColumn* const column = columns.Find(KindOf(**given), node.field);
    if (column == nullptr) return {};
    ValueColumn::Range range = {0, column->values()};
    if (node.greater_than.has_value())
      range = ValueColumn::Common(range, column->Above(KeyOf(*node.greater_than)));
    if (node.greater_or_equal.has_value())
      range = ValueColumn::Common(range, column->From(KeyOf(*node.greater_or_equal)));
    if (node.less_than.has_value())
      range = ValueColumn::Common(range, {0, column->From(KeyOf(*node.less_than)).begin});
    if (node.less_or_equal.has_value())
      range = ValueColumn::Common(range, {0, column->Above(KeyOf(*node.less_or_equal)).begin});
    return {{column, range}};
  }
};

namespace {

constexpr std::uint64_t kAlign = 8;

struct Place {
  std::uint64_t offset, size;
};

template <typename Node>
constexpr bool kIsComparison =
    std::is_same_v<Node, stages::FilterEquals> || std::is_same_v<Node, stages::FilterIn> ||
    std::is_same_v<Node, stages::FilterPrefix> || std::is_same_v<Node, stages::FilterRange>;

}  // namespace

void ColumnsBuilder::Add(absl::string_view field, const MetadataValue& value, std::uint32_t row) {
  const ValueKind kind = KindOf(value);
  if (kind == ValueKind::kList) {
    const auto& list = std::get<std::vector<std::string>>(value);
    for (const std::string& element : std::set<std::string>(list.begin(), list.end()))
      columns_[{kind, std::string(field)}].Add(element, row);
    return;
  }
  const std::string key = KeyOf(value);
  if (kind == ValueKind::kNumber && key.empty()) return;  // NaN
  columns_[{kind, std::string(field)}].Add(key, row);
}

// size of names u64 | names, each after a byte for its kind | places | columns
std::string ColumnsBuilder::Take(std::uint32_t rows) {
  StringTableBuilder names;
  std::vector<Place> places;
  std::string columns;
  for (auto& [name, builder] : columns_) {
    names.Add(std::string(1, static_cast<char>(name.first)) + name.second);
    const std::string column = builder.Take(rows);
    places.push_back({columns.size(), column.size()});
    columns += column;
    columns.resize((columns.size() + kAlign - 1) / kAlign * kAlign, '\0');
  }
  columns_.clear();
  std::string head = names.Take(/*with_lookup=*/false);
  head.resize((head.size() + kAlign - 1) / kAlign * kAlign, '\0');
  const std::uint64_t names_size = head.size();
  std::string out(reinterpret_cast<const char*>(&names_size), sizeof(names_size));
  out += head;
  out.append(reinterpret_cast<const char*>(places.data()), places.size() * sizeof(Place));
  return out + columns;
}

absl::StatusOr<Columns> Columns::Open(absl::string_view bytes, std::uint32_t rows) {
  const auto damaged = [] { return Corrupt("columns", "have impossible sizes"); };
  std::uint64_t names_size;
  if (bytes.size() < sizeof(names_size)) return damaged();
  std::memcpy(&names_size, bytes.data(), sizeof(names_size));
  bytes.remove_prefix(sizeof(names_size));
  if (names_size > bytes.size() || names_size % kAlign != 0) return damaged();
  RAGMESH_ASSIGN_OR_RETURN(const StringTable names, StringTable::Open(bytes.substr(0, names_size)));
  bytes.remove_prefix(names_size);
  if (names.size() > bytes.size() / sizeof(Place)) return damaged();
  const char* const places = bytes.data();
  bytes.remove_prefix(names.size() * sizeof(Place));
  Columns columns;
  columns.rows_ = rows;
  for (std::uint64_t i = 0; i < names.size(); ++i) {
    Place place;
    std::memcpy(&place, places + i * sizeof(Place), sizeof(place));
    const absl::string_view name = names[i];
    if (place.offset > bytes.size() || place.size > bytes.size() - place.offset ||
        place.offset % kAlign != 0 || name.empty() ||
        static_cast<std::uint8_t>(name[0]) > static_cast<std::uint8_t>(ValueKind::kList))
      return damaged();
    RAGMESH_ASSIGN_OR_RETURN(
        columns.columns_[std::pair(static_cast<ValueKind>(name[0]), std::string(name.substr(1)))],
        ValueColumn::Open(bytes.substr(place.offset, place.size), rows));
  }
  return columns;
}

const ValueColumn* Columns::Find(ValueKind kind, absl::string_view field) const {
  const auto it = columns_.find(std::pair(kind, std::string(field)));
  return it == columns_.end() ? nullptr : &it->second;
}

std::uint64_t Columns::Estimate(const Filter& filter) const {
  return std::visit(
      [this](const auto& node) -> std::uint64_t {
        using Node = std::decay_t<decltype(node)>;
        std::uint64_t count = 0;
        if constexpr (kIsComparison<Node>) {
          for (const auto& [column, range] : FilterPlan{*this}(node)) count += column->Count(range);
        } else if constexpr (std::is_same_v<Node, stages::FilterAnd>) {
          count = rows_;
          for (const Filter& part : node.filters) count = std::min(count, Estimate(part));
        } else if constexpr (std::is_same_v<Node, stages::FilterOr>) {
          for (const Filter& part : node.filters) count += Estimate(part);
        } else {
          count = rows_;  // a negation's bound would need what it negates from below
        }
        return std::min<std::uint64_t>(count, rows_);
      },
      filter.node);
}

SlotSet Columns::Matching(const Filter& filter) const {
  return std::visit(
      [this](const auto& node) {
        using Node = std::decay_t<decltype(node)>;
        SlotSet set(rows_);
        if constexpr (kIsComparison<Node>) {
          for (const auto& [column, range] : FilterPlan{*this}(node)) column->AddTo(range, &set);
        } else if constexpr (std::is_same_v<Node, stages::FilterAnd>) {
          set.Invert();
          for (const Filter& part : node.filters) set.Intersect(Matching(part));
        } else if constexpr (std::is_same_v<Node, stages::FilterOr>) {
          for (const Filter& part : node.filters) set.Unite(Matching(part));
        } else {
          set = Matching(*node.filter);
          set.Invert();
        }
        return set;
      },
      filter.node);
}

SlotSet Columns::WithAny(absl::string_view field, absl::Span<const std::string> values) const {
  SlotSet set(rows_);
  const ValueColumn* const column = Find(ValueKind::kList, field);
  if (column == nullptr) return set;
  for (const std::string& value : values) column->AddTo(column->Equal(value), &set);
  return set;
}

bool Columns::HasField(absl::string_view field, const SlotSet& among) const {
  const std::uint64_t others = rows_ - among.Count();
  for (const ValueKind kind : {ValueKind::kString, ValueKind::kNumber, ValueKind::kBool,
                               ValueKind::kTime, ValueKind::kList}) {
    const ValueColumn* const column = Find(kind, field);
    if (column == nullptr) continue;
    const ValueColumn::Range all = {0, column->values()};
    // More rows than those outside, so that one of them is inside.
    if (kind != ValueKind::kList && column->Count(all) > others) return true;
    SlotSet rows(rows_);
    column->AddTo(all, &rows);
    rows.Intersect(among);
    if (rows.Count() > 0) return true;
  }
  return false;
}

}  // namespace ragmesh::segment
