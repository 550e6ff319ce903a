#include "libs/segment/value_column.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::segment {
namespace {

// As many sets as this would be fully used cost as much memory as twice the entries.
constexpr std::uint64_t kMaxSets = 64;
constexpr std::uint64_t kSmallColumn = 4096;  // entries below which sets save nothing

struct Header {
  std::uint64_t entries;
  std::uint64_t stride;  // entries from one set to the next; 0: sets are of values
  std::uint64_t sets;
  std::uint64_t keys_bytes;
  std::uint32_t rows;
  std::uint32_t values;
};
static_assert(sizeof(Header) == 40);

std::uint64_t ToWords(std::uint64_t bytes) { return (bytes + 7) / 8 * 8; }
std::uint64_t WordsOf(std::uint64_t rows) { return (rows + 63) / 64; }

// Where the parts begin; sizes were checked to be small enough for the sums.
struct Layout {
  explicit Layout(const Header& header)
      : keys(sizeof(Header)),
        ends(keys + ToWords(header.keys_bytes)),
        set_values(ends + ToWords(std::uint64_t{header.values} * 4)),
        entries(set_values + (header.stride == 0 ? ToWords(header.sets * 4) : 0)),
        sets(entries + ToWords(header.entries * 4)),
        end(sets + header.sets * WordsOf(header.rows) * 8) {}
  std::uint64_t keys, ends, set_values, entries, sets, end;
};

template <typename T>
void AppendAll(const std::vector<T>& values, std::string* out) {
  out->append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  out->resize(ToWords(out->size()), '\0');
}

std::vector<std::uint64_t> SetOf(absl::Span<const std::uint32_t> rows, std::uint32_t size) {
  std::vector<std::uint64_t> words(WordsOf(size), 0);
  for (const std::uint32_t row : rows) words[row / 64] |= std::uint64_t{1} << (row % 64);
  return words;
}

}  // namespace

void ValueColumnBuilder::Add(absl::string_view key, std::uint32_t row) {
  rows_of_[key].push_back(row);
}

std::string ValueColumnBuilder::Take(std::uint32_t rows) {
  std::vector<std::pair<std::string, std::vector<std::uint32_t>>> values(
      std::make_move_iterator(rows_of_.begin()), std::make_move_iterator(rows_of_.end()));
  rows_of_.clear();
  std::sort(values.begin(), values.end());
  StringTableBuilder keys;
  std::vector<std::uint32_t> ends, entries, set_values;
  std::vector<bool> seen(rows, false);
  bool single = true;
  for (auto& [key, rows_of_key] : values) {
    keys.Add(key);
    std::sort(rows_of_key.begin(), rows_of_key.end());
    for (const std::uint32_t row : rows_of_key) {
      RAGMESH_CHECK(row < rows, "a row of the column");
      single = single && !seen[row];
      seen[row] = true;
      entries.push_back(row);
    }
    ends.push_back(static_cast<std::uint32_t>(entries.size()));
  }
  std::vector<std::uint64_t> sets;
  Header header = {.entries = entries.size(), .rows = rows};
  header.values = static_cast<std::uint32_t>(values.size());
  const std::uint64_t stride = std::max<std::uint64_t>(kSmallColumn, rows / kMaxSets);
  if (single) {
    header.stride = stride;
    for (std::uint64_t at = stride; at <= entries.size(); at += stride) {
      const std::vector<std::uint64_t> words =
          SetOf(absl::MakeConstSpan(entries).subspan(0, at), rows);
      sets.insert(sets.end(), words.begin(), words.end());
      ++header.sets;
    }
  } else {
    for (std::uint32_t value = 0; value < values.size(); ++value) {
      if (values[value].second.size() < stride) continue;
      const std::vector<std::uint64_t> words = SetOf(values[value].second, rows);
      sets.insert(sets.end(), words.begin(), words.end());
      set_values.push_back(value);
      ++header.sets;
    }
  }
  const std::string key_bytes = keys.Take(/*with_lookup=*/false);
  header.keys_bytes = key_bytes.size();
  std::string out(reinterpret_cast<const char*>(&header), sizeof(header));
  out += key_bytes;
  out.resize(ToWords(out.size()), '\0');
  AppendAll(ends, &out);
  AppendAll(set_values, &out);
  AppendAll(entries, &out);
  AppendAll(sets, &out);
  return out;
}

absl::StatusOr<ValueColumn> ValueColumn::Open(absl::string_view bytes, std::uint32_t rows) {
  Header header;
  if (bytes.size() < sizeof(header)) return Corrupt("column", "is cut off");
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.rows != rows || header.entries > bytes.size() || header.keys_bytes > bytes.size() ||
      header.values > bytes.size() || header.sets > bytes.size() ||
      (header.sets != 0 && WordsOf(rows) > bytes.size() / header.sets) ||
      Layout(header).end != bytes.size())
    return Corrupt("column", "has impossible sizes");
  const Layout layout(header);
  ValueColumn column;
  RAGMESH_ASSIGN_OR_RETURN(column.keys_,
                           StringTable::Open(bytes.substr(layout.keys, header.keys_bytes)));
  if (column.keys_.size() != header.values)
    return Corrupt("column", "has not a key for each value");
  column.rows_ = rows;
  column.entries_ = header.entries;
  column.stride_ = header.stride;
  column.sets_ = header.sets;
  column.ends_ = reinterpret_cast<const std::uint32_t*>(bytes.data() + layout.ends);
  column.set_values_ = reinterpret_cast<const std::uint32_t*>(bytes.data() + layout.set_values);
  column.entry_rows_ = reinterpret_cast<const std::uint32_t*>(bytes.data() + layout.entries);
  column.set_words_ = reinterpret_cast<const std::uint64_t*>(bytes.data() + layout.sets);
  return column;
}

ValueColumn::Range ValueColumn::Equal(absl::string_view key) const {
  const std::uint64_t at = keys_.LowerBound(key);
  return {at, at < keys_.size() && keys_[at] == key ? at + 1 : at};
}

ValueColumn::Range ValueColumn::Above(absl::string_view key) const {
  return {Equal(key).end, keys_.size()};
}

ValueColumn::Range ValueColumn::Prefix(absl::string_view prefix) const {
  // Behind all that begin with it comes what begins with the same and a higher last byte.
  std::string next(prefix);
  while (!next.empty() && next.back() == '\xFF') next.pop_back();
  if (next.empty()) return From(prefix);
  next.back() = static_cast<char>(static_cast<unsigned char>(next.back()) + 1);
  return {keys_.LowerBound(prefix), keys_.LowerBound(next)};
}

ValueColumn::Range ValueColumn::Common(Range a, Range b) {
  const Range common = {std::max(a.begin, b.begin), std::min(a.end, b.end)};
  return common.begin < common.end ? common : Range{};
}

std::uint64_t ValueColumn::FirstEntry(std::uint64_t value) const {
  return value == 0 ? 0 : std::min<std::uint64_t>(ends_[value - 1], entries_);
}

std::uint64_t ValueColumn::Count(Range range) const {
  return range.begin < range.end ? FirstEntry(range.end) - FirstEntry(range.begin) : 0;
}

const std::uint64_t* ValueColumn::SetWords(std::uint64_t set) const {
  return set_words_ + set * WordsOf(rows_);
}

void ValueColumn::AddEntries(std::uint64_t first, std::uint64_t last,
                             vector_index::SlotSet* set) const {
  for (std::uint64_t entry = first; entry < last; ++entry) {
    if (entry_rows_[entry] < rows_) set->Add(entry_rows_[entry]);
  }
}

void ValueColumn::AddTo(Range range, vector_index::SlotSet* set) const {
  if (!(range.begin < range.end)) return;
  const std::uint64_t first = FirstEntry(range.begin), last = FirstEntry(range.end);
  if (stride_ == 0) {
    std::uint64_t entry = first;
    const auto* const begin = std::lower_bound(set_values_, set_values_ + sets_, range.begin);
    for (const auto* it = begin; it != set_values_ + sets_ && *it < range.end; ++it) {
      AddEntries(entry, FirstEntry(*it), set);
      set->AddWords(SetWords(static_cast<std::uint64_t>(it - set_values_)), nullptr);
      entry = FirstEntry(std::uint64_t{*it} + 1);
    }
    AddEntries(entry, last, set);
    return;
  }
  // Set s holds the entries below (s + 1) * stride_.
  const std::uint64_t from = (first + stride_ - 1) / stride_, to = std::min(last / stride_, sets_);
  if (from >= to) {
    AddEntries(first, last, set);
    return;
  }
  AddEntries(first, from * stride_, set);
  set->AddWords(SetWords(to - 1), from == 0 ? nullptr : SetWords(from - 1));
  AddEntries(to * stride_, last, set);
}

}  // namespace ragmesh::segment
