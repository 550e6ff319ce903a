#include "libs/wire/filter_wire.h"

#include <memory>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/wire/common_wire.h"

namespace ragmesh::wire {
namespace {

using Proto = ::ragmesh::common::v1::Filter;

// Each level is two messages on the wire, and a protobuf parser stops at 100.
constexpr int kMaxDepth = 32;
constexpr int kMaxNodes = 1000;
constexpr std::size_t kMaxFieldBytes = 128;
constexpr std::size_t kMaxValues = 1000;
constexpr std::size_t kMaxPrefixBytes = 4096;

// A value a field can be compared with: everything but a list.
absl::StatusOr<stages::MetadataValue> Scalar(const google::protobuf::Value& value,
                                             const Field& field) {
  RAGMESH_ASSIGN_OR_RETURN(stages::MetadataValue read, FromProto(value, field));
  if (std::holds_alternative<std::vector<std::string>>(read)) {
    return field.Invalid("is a list", "Use `in` to compare with several values.");
  }
  return read;
}

// What kinds of value can be ordered with each other: 0 text, 1 numbers, 2 times; -1 cannot be
// ordered.
int Order(const stages::MetadataValue& value) {
  if (std::holds_alternative<std::string>(value)) return 0;
  if (std::holds_alternative<std::int64_t>(value) || std::holds_alternative<double>(value))
    return 1;
  if (std::holds_alternative<absl::Time>(value)) return 2;
  return -1;
}

class Reader {
 public:
  absl::StatusOr<stages::Filter> Read(const Proto& in, const Field& field, int depth) {
    if (depth > kMaxDepth) return field.Invalid("is nested more than 32 levels deep");
    if (++nodes_ > kMaxNodes) return field.Invalid("is past the 1,000th condition of the filter");
    switch (in.node_case()) {
      case Proto::kEquals:
        return Equals(in.equals(), Field(field, "equals"));
      case Proto::kIn:
        return In(in.in(), Field(field, "in"));
      case Proto::kRange:
        return Range(in.range(), Field(field, "range"));
      case Proto::kPrefix:
        return Prefix(in.prefix(), Field(field, "prefix"));
      case Proto::kAnd: {
        stages::FilterAnd out;
        RAGMESH_ASSIGN_OR_RETURN(out.filters,
                                 List(in.and_().filters(), Field(field, "and"), depth));
        return stages::Filter{std::move(out)};
      }
      case Proto::kOr: {
        stages::FilterOr out;
        RAGMESH_ASSIGN_OR_RETURN(out.filters, List(in.or_().filters(), Field(field, "or"), depth));
        return stages::Filter{std::move(out)};
      }
      case Proto::kNot: {
        const Field parent(field, "not"), at(parent, "filter");
        RAGMESH_RETURN_IF_ERROR(Required(in.not_().has_filter(), at));
        RAGMESH_ASSIGN_OR_RETURN(stages::Filter inner, Read(in.not_().filter(), at, depth + 1));
        return stages::Filter{
            stages::FilterNot{std::make_shared<const stages::Filter>(std::move(inner))}};
      }
      case Proto::NODE_NOT_SET:
        break;
    }
    return field.Invalid("has no condition", "Set one of equals, in, range, prefix, and, or, not.");
  }

 private:
  template <typename Repeated>
  absl::StatusOr<std::vector<stages::Filter>> List(const Repeated& filters, const Field& field,
                                                   int depth) {
    std::vector<stages::Filter> out;
    for (int i = 0; i < filters.size(); ++i) {
      RAGMESH_ASSIGN_OR_RETURN(stages::Filter filter,
                               Read(filters.Get(i), Field(field, "filters", i), depth + 1));
      out.push_back(std::move(filter));
    }
    return out;
  }

  static absl::StatusOr<stages::Filter> Equals(const Proto::Equals& in, const Field& field) {
    stages::FilterEquals out{in.field(), {}};
    RAGMESH_RETURN_IF_ERROR(CheckBytes(in.field(), 1, kMaxFieldBytes, Field(field, "field")));
    RAGMESH_ASSIGN_OR_RETURN(out.value, Scalar(in.value(), Field(field, "value")));
    return stages::Filter{std::move(out)};
  }

  static absl::StatusOr<stages::Filter> In(const Proto::In& in, const Field& field) {
    stages::FilterIn out{in.field(), {}};
    RAGMESH_RETURN_IF_ERROR(CheckBytes(in.field(), 1, kMaxFieldBytes, Field(field, "field")));
    RAGMESH_RETURN_IF_ERROR(
        CheckCount(in.values_size(), 1, kMaxValues, "values", Field(field, "values")));
    for (int i = 0; i < in.values_size(); ++i) {
      RAGMESH_ASSIGN_OR_RETURN(stages::MetadataValue value,
                               Scalar(in.values(i), Field(field, "values", i)));
      out.values.push_back(std::move(value));
    }
    return stages::Filter{std::move(out)};
  }

  static absl::StatusOr<stages::Filter> Prefix(const Proto::Prefix& in, const Field& field) {
    RAGMESH_RETURN_IF_ERROR(CheckBytes(in.field(), 1, kMaxFieldBytes, Field(field, "field")));
    RAGMESH_RETURN_IF_ERROR(CheckBytes(in.prefix(), 1, kMaxPrefixBytes, Field(field, "prefix")));
    return stages::Filter{stages::FilterPrefix{in.field(), in.prefix()}};
  }

  static absl::StatusOr<stages::Filter> Range(const Proto::Range& in, const Field& field) {
    stages::FilterRange out;
    out.field = in.field();
    RAGMESH_RETURN_IF_ERROR(CheckBytes(in.field(), 1, kMaxFieldBytes, Field(field, "field")));
    int order = -1;
    const auto bound = [&](bool present, const google::protobuf::Value& value, const char* name,
                           std::optional<stages::MetadataValue>* slot) -> absl::Status {
      if (!present) return absl::OkStatus();
      const Field at(field, name);
      RAGMESH_ASSIGN_OR_RETURN(*slot, Scalar(value, at));
      const int this_order = Order(**slot);
      if (this_order < 0) return at.Invalid("has no order", "Use a number, a string or a time.");
      if (order >= 0 && order != this_order)
        return at.Invalid("is of another type than the range's other bound");
      order = this_order;
      return absl::OkStatus();
    };
    RAGMESH_RETURN_IF_ERROR(
        bound(in.has_greater_than(), in.greater_than(), "greater_than", &out.greater_than));
    RAGMESH_RETURN_IF_ERROR(bound(in.has_greater_or_equal(), in.greater_or_equal(),
                                  "greater_or_equal", &out.greater_or_equal));
    RAGMESH_RETURN_IF_ERROR(bound(in.has_less_than(), in.less_than(), "less_than", &out.less_than));
    RAGMESH_RETURN_IF_ERROR(
        bound(in.has_less_or_equal(), in.less_or_equal(), "less_or_equal", &out.less_or_equal));
    if (order < 0) return field.Invalid("has no bound", "Set at least one of its four bounds.");
    return stages::Filter{std::move(out)};
  }

  int nodes_ = 0;
};

struct Writer {
  Proto* out;
  void operator()(const stages::FilterEquals& in) const {
    out->mutable_equals()->set_field(in.field);
    ToProto(in.value, out->mutable_equals()->mutable_value());
  }
  void operator()(const stages::FilterIn& in) const {
    out->mutable_in()->set_field(in.field);
    for (const auto& value : in.values) ToProto(value, out->mutable_in()->add_values());
  }
  void operator()(const stages::FilterPrefix& in) const {
    out->mutable_prefix()->set_field(in.field);
    out->mutable_prefix()->set_prefix(in.prefix);
  }
  void operator()(const stages::FilterRange& in) const {
    auto* range = out->mutable_range();
    range->set_field(in.field);
    if (in.greater_than.has_value()) ToProto(*in.greater_than, range->mutable_greater_than());
    if (in.greater_or_equal.has_value())
      ToProto(*in.greater_or_equal, range->mutable_greater_or_equal());
    if (in.less_than.has_value()) ToProto(*in.less_than, range->mutable_less_than());
    if (in.less_or_equal.has_value()) ToProto(*in.less_or_equal, range->mutable_less_or_equal());
  }
  void operator()(const stages::FilterAnd& in) const {
    out->mutable_and_();
    for (const auto& filter : in.filters) ToProto(filter, out->mutable_and_()->add_filters());
  }
  void operator()(const stages::FilterOr& in) const {
    out->mutable_or_();
    for (const auto& filter : in.filters) ToProto(filter, out->mutable_or_()->add_filters());
  }
  void operator()(const stages::FilterNot& in) const {
    ToProto(*in.filter, out->mutable_not_()->mutable_filter());
  }
};

}  // namespace

void ToProto(const stages::Filter& filter, Proto* out) { std::visit(Writer{out}, filter.node); }

absl::StatusOr<stages::Filter> FromProto(const Proto& filter, const Field& field) {
  return Reader().Read(filter, field, 1);
}

}  // namespace ragmesh::wire
