#include "libs/vector_store/filter.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <optional>
#include <string>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::vector_store {

bool IsReservedField(absl::string_view field) {
  return field == "document_id" || field == "document_name" || field == "media_type" ||
         field == "language";
}

namespace {

using stages::Filter;
using stages::MetadataValue;

enum class Kind { kString, kNumber, kBool, kTime, kList };

Kind KindOf(const MetadataValue& value) {
  switch (value.index()) {
    case 0:
      return Kind::kString;
    case 1:
    case 2:
      return Kind::kNumber;
    case 3:
      return Kind::kBool;
    case 4:
      return Kind::kTime;
    default:
      return Kind::kList;
  }
}

absl::Status TypeMismatch(absl::string_view field, absl::string_view problem) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, absl::StrCat("filter on \"", field, "\" ", problem),
      {.reason = "FILTER_TYPE_MISMATCH",
       .field = "filter",
       .next_step = "Compare strings, booleans, numbers and times with values of their own kind."});
}

// Walks a filter once and holds it against the bounds.
class Validator {
 public:
  absl::Status Check(const Filter& filter, int depth) {
    if (depth > kMaxFilterDepth)
      return LimitExceeded("filter", depth, kMaxFilterDepth, "levels deep");
    RAGMESH_RETURN_IF_ERROR(Spend(1, 0));
    return std::visit([this, depth](const auto& node) { return CheckNode(node, depth); },
                      filter.node);
  }

 private:
  absl::Status Spend(std::size_t nodes, std::size_t bytes) {
    nodes_ += nodes;
    bytes_ += bytes;
    if (nodes_ > kMaxFilterNodes) {
      return LimitExceeded("filter", static_cast<long long>(nodes_), kMaxFilterNodes, "nodes");
    }
    if (bytes_ > kMaxFilterBytes) {
      return LimitExceeded("filter", static_cast<long long>(bytes_), kMaxFilterBytes, "bytes");
    }
    return absl::OkStatus();
  }

  absl::Status CheckValue(absl::string_view field, const MetadataValue& value) {
    if (field.empty()) return InvalidField("filter.field", "must not be empty");
    const auto* text = std::get_if<std::string>(&value);
    RAGMESH_RETURN_IF_ERROR(Spend(1, field.size() + (text == nullptr ? 8 : text->size())));
    const Kind kind = KindOf(value);
    if (kind == Kind::kList)
      return TypeMismatch(field, "compares with a list; name its values with \"in\"");
    if (IsReservedField(field) && kind != Kind::kString)
      return TypeMismatch(field, "compares a text field with another kind");
    const auto* number = std::get_if<double>(&value);
    if (number != nullptr && std::isnan(*number))
      return TypeMismatch(field, "compares with NaN, which equals nothing");
    return absl::OkStatus();
  }

  absl::Status CheckNode(const stages::FilterEquals& node, int) {
    return CheckValue(node.field, node.value);
  }
  absl::Status CheckNode(const stages::FilterIn& node, int) {
    for (const MetadataValue& value : node.values)
      RAGMESH_RETURN_IF_ERROR(CheckValue(node.field, value));
    return node.field.empty() ? InvalidField("filter.field", "must not be empty")
                              : absl::OkStatus();
  }
  absl::Status CheckNode(const stages::FilterPrefix& node, int) {
    return CheckValue(node.field, node.prefix);
  }
  absl::Status CheckNode(const stages::FilterRange& node, int) {
    std::optional<Kind> kind;
    for (const auto* bound :
         {&node.greater_than, &node.greater_or_equal, &node.less_than, &node.less_or_equal}) {
      if (!bound->has_value()) continue;
      RAGMESH_RETURN_IF_ERROR(CheckValue(node.field, **bound));
      const Kind found = KindOf(**bound);
      if (found == Kind::kBool)
        return TypeMismatch(node.field, "is a range over booleans, which have no order");
      if (kind.value_or(found) != found) return TypeMismatch(node.field, "has bounds of two kinds");
      kind = found;
    }
    return kind.has_value() ? absl::OkStatus()
                            : TypeMismatch(node.field, "is a range without bounds");
  }
  absl::Status CheckNode(const stages::FilterAnd& node, int depth) {
    return CheckAll(node.filters, depth);
  }
  absl::Status CheckNode(const stages::FilterOr& node, int depth) {
    return CheckAll(node.filters, depth);
  }
  absl::Status CheckNode(const stages::FilterNot& node, int depth) {
    if (node.filter == nullptr) return InvalidField("filter.not", "must hold a filter");
    return Check(*node.filter, depth + 1);
  }
  absl::Status CheckAll(const std::vector<Filter>& filters, int depth) {
    for (const Filter& filter : filters) RAGMESH_RETURN_IF_ERROR(Check(filter, depth + 1));
    return absl::OkStatus();
  }

  std::size_t nodes_ = 0;
  std::size_t bytes_ = 0;
};

// long double holds every int64 and every double exactly, so whole and broken numbers compare
// without rounding.
static_assert(std::numeric_limits<long double>::digits >= 64);
long double NumberOf(const MetadataValue& value) {
  const auto* whole = std::get_if<std::int64_t>(&value);
  return whole != nullptr ? static_cast<long double>(*whole)
                          : static_cast<long double>(std::get<double>(value));
}

std::partial_ordering Compare(const MetadataValue& a, const MetadataValue& b) {
  const Kind kind = KindOf(a);
  if (kind != KindOf(b)) return std::partial_ordering::unordered;
  switch (kind) {
    case Kind::kNumber:
      return NumberOf(a) <=> NumberOf(b);
    case Kind::kString:
      return std::get<std::string>(a).compare(std::get<std::string>(b)) <=> 0;
    case Kind::kBool:
      return std::get<bool>(a) <=> std::get<bool>(b);
    case Kind::kTime: {
      const absl::Time x = std::get<absl::Time>(a), y = std::get<absl::Time>(b);
      return x < y   ? std::partial_ordering::less
             : y < x ? std::partial_ordering::greater
                     : std::partial_ordering::equivalent;
    }
    case Kind::kList:
      break;
  }
  return std::partial_ordering::unordered;
}

// Equality with a stored value, or with any element of a stored list.
bool EqualsStored(const MetadataValue& stored, const MetadataValue& wanted) {
  if (const auto* list = std::get_if<std::vector<std::string>>(&stored)) {
    const auto* text = std::get_if<std::string>(&wanted);
    return text != nullptr && std::find(list->begin(), list->end(), *text) != list->end();
  }
  return Compare(stored, wanted) == 0;
}

// Calls `test` with the document's value of `field`; false when it has none.
template <typename Test>
bool WithField(const FilterSubject& subject, const std::string& field, const Test& test) {
  if (IsReservedField(field)) {
    const absl::string_view text = field == "document_id"     ? subject.document_id
                                   : field == "document_name" ? subject.document_name
                                   : field == "media_type"    ? subject.media_type
                                                              : subject.language;
    return !text.empty() && test(MetadataValue(std::string(text)));
  }
  const auto it = subject.metadata->find(field);
  return it != subject.metadata->end() && test(it->second);
}

struct Matcher {
  const FilterSubject& subject;

  bool operator()(const stages::FilterEquals& node) const {
    return WithField(subject, node.field,
                     [&](const MetadataValue& stored) { return EqualsStored(stored, node.value); });
  }
  bool operator()(const stages::FilterIn& node) const {
    return WithField(subject, node.field, [&](const MetadataValue& stored) {
      return std::any_of(node.values.begin(), node.values.end(),
                         [&](const MetadataValue& value) { return EqualsStored(stored, value); });
    });
  }
  bool operator()(const stages::FilterPrefix& node) const {
    return WithField(subject, node.field, [&](const MetadataValue& stored) {
      if (const auto* list = std::get_if<std::vector<std::string>>(&stored)) {
        return std::any_of(list->begin(), list->end(), [&](const std::string& text) {
          return absl::StartsWith(text, node.prefix);
        });
      }
      const auto* text = std::get_if<std::string>(&stored);
      return text != nullptr && absl::StartsWith(*text, node.prefix);
    });
  }
  bool operator()(const stages::FilterRange& node) const {
    return WithField(subject, node.field, [&](const MetadataValue& stored) {
      return (!node.greater_than.has_value() || Compare(stored, *node.greater_than) > 0) &&
             (!node.greater_or_equal.has_value() || Compare(stored, *node.greater_or_equal) >= 0) &&
             (!node.less_than.has_value() || Compare(stored, *node.less_than) < 0) &&
             (!node.less_or_equal.has_value() || Compare(stored, *node.less_or_equal) <= 0);
    });
  }
  bool operator()(const stages::FilterAnd& node) const {
    return std::all_of(node.filters.begin(), node.filters.end(),
                       [&](const Filter& f) { return Matches(f, subject); });
  }
  bool operator()(const stages::FilterOr& node) const {
    return std::any_of(node.filters.begin(), node.filters.end(),
                       [&](const Filter& f) { return Matches(f, subject); });
  }
  bool operator()(const stages::FilterNot& node) const { return !Matches(*node.filter, subject); }
};

}  // namespace

absl::Status ValidateFilter(const Filter& filter) { return Validator().Check(filter, 1); }

bool Matches(const Filter& filter, const FilterSubject& subject) {
  return std::visit(Matcher{subject}, filter.node);
}

}  // namespace ragmesh::vector_store
