#include "libs/document/csv_reader.h"

#include <algorithm>
#include <map>

namespace ragmesh::document {

char SniffCsvDelimiter(absl::string_view text) {
  constexpr std::size_t kSampleBytes = 64 << 10;
  constexpr int kSampleRecords = 50;
  char best = ',';
  double best_score = 0;
  for (const char delimiter : {',', ';', '\t', '|'}) {
    CsvReader reader(text.substr(0, kSampleBytes), delimiter);
    std::vector<std::string> record;
    std::map<std::size_t, int> widths;
    int records = 0;
    int stray_quotes = 0;  // a quote inside a field means that a quoted field was cut
    while (records < kSampleRecords && reader.Next(&record)) {
      stray_quotes += std::any_of(record.begin(), record.end(), [](const std::string& field) {
        return std::count(field.begin(), field.end(), '"') % 2 == 1;
      });
      ++widths[record.size()];
      ++records;
    }
    if (records == 0) continue;
    const auto common =
        std::max_element(widths.begin(), widths.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    if (common->first < 2) continue;
    // Equal rows count most; among equals, wider rows win.
    const double equal = static_cast<double>(common->second) / records;
    const double whole = 1 - static_cast<double>(stray_quotes) / (2.0 * records);
    const double score = whole * equal * equal +
                         0.01 * static_cast<double>(std::min<std::size_t>(common->first, 20));
    if (score > best_score) {
      best_score = score;
      best = delimiter;
    }
  }
  return best;
}

bool CsvReader::Next(std::vector<std::string>* record) {
  record->clear();
  while (at_ < text_.size() && AtLineEnd()) SkipLineEnd();
  if (at_ >= text_.size()) return false;
  for (;;) {
    record->emplace_back();
    ReadField(&record->back());
    if (at_ >= text_.size()) return true;
    if (AtLineEnd()) {
      SkipLineEnd();
      return true;
    }
    ++at_;  // the delimiter
    if (at_ >= text_.size()) {
      record->emplace_back();
      return true;
    }
  }
}

// Stops at a delimiter, a line end, or the end.
void CsvReader::ReadField(std::string* field) {
  if (at_ < text_.size() && text_[at_] == '"') {
    ++at_;
    for (;;) {
      const std::size_t quote = text_.find('"', at_);
      if (quote == absl::string_view::npos) {
        unclosed_quote_ = true;
        field->append(text_.data() + at_, text_.size() - at_);
        at_ = text_.size();
        return;
      }
      field->append(text_.data() + at_, quote - at_);
      at_ = quote + 1;
      if (at_ >= text_.size() || text_[at_] != '"') break;
      field->push_back('"');
      ++at_;
    }
  }
  while (at_ < text_.size() && text_[at_] != delimiter_ && !AtLineEnd())
    field->push_back(text_[at_++]);
}

void CsvReader::SkipLineEnd() {
  if (text_[at_] == '\r' && at_ + 1 < text_.size() && text_[at_ + 1] == '\n') ++at_;
  ++at_;
}

}  // namespace ragmesh::document
