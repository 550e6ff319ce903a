// Metadata and its values: JSON on the wire, typed inside.
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "libs/base/status_macros.h"
#include "libs/wire/common_wire.h"

namespace ragmesh::wire {
namespace {

constexpr std::size_t kMaxFieldBytes = 128;
constexpr std::size_t kMaxMetadataBytes = 64 << 10;
constexpr double kMaxExact =
    9007199254740992.0;  // 2^53: beyond it a JSON number is no longer one integer

// "2026-11-23T08:00:00Z", with a fraction or an offset; no other spelling of a time is one. Nor is
// one whose year in UTC has not four digits: it would be text at the next hop.
std::optional<absl::Time> ReadTime(absl::string_view text) {
  if (text.size() < 20 || text.size() > 40 || !absl::ascii_isdigit(text[0]) || text[4] != '-' ||
      text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  absl::Time time;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) return std::nullopt;
  const absl::civil_year_t year = absl::ToCivilYear(time, absl::UTCTimeZone()).year();
  return year >= 0 && year <= 9999 ? std::optional(time) : std::nullopt;
}

struct ValueWriter {
  google::protobuf::Value* out;
  void operator()(const std::string& text) const { out->set_string_value(text); }
  void operator()(std::int64_t number) const { out->set_number_value(static_cast<double>(number)); }
  void operator()(double number) const { out->set_number_value(number); }
  void operator()(bool value) const { out->set_bool_value(value); }
  void operator()(absl::Time time) const {
    out->set_string_value(absl::FormatTime("%E4Y-%m-%dT%H:%M:%E*SZ", time, absl::UTCTimeZone()));
  }
  void operator()(const std::vector<std::string>& list) const {
    out->mutable_list_value();  // an empty list stays a list
    for (const std::string& text : list)
      out->mutable_list_value()->add_values()->set_string_value(text);
  }
};

}  // namespace

void ToProto(const stages::MetadataValue& value, google::protobuf::Value* out) {
  std::visit(ValueWriter{out}, value);
}

absl::StatusOr<stages::MetadataValue> FromProto(const google::protobuf::Value& in,
                                                const Field& field) {
  using Value = google::protobuf::Value;
  switch (in.kind_case()) {
    case Value::kBoolValue:
      return stages::MetadataValue(in.bool_value());
    case Value::kNumberValue: {
      const double number = in.number_value();
      RAGMESH_RETURN_IF_ERROR(CheckFinite(number, field));
      if (std::fabs(number) <= kMaxExact && number == std::floor(number)) {
        return stages::MetadataValue(static_cast<std::int64_t>(number));
      }
      return stages::MetadataValue(number);
    }
    case Value::kStringValue: {
      if (const auto time = ReadTime(in.string_value()); time.has_value())
        return stages::MetadataValue(*time);
      return stages::MetadataValue(in.string_value());
    }
    case Value::kListValue: {
      std::vector<std::string> list;
      for (int i = 0; i < in.list_value().values_size(); ++i) {
        const auto& element = in.list_value().values(i);
        if (element.kind_case() != Value::kStringValue) {
          return Field(field, "", i)
              .Invalid("is not a string", "Lists in metadata hold strings only.");
        }
        list.push_back(element.string_value());
      }
      return stages::MetadataValue(std::move(list));
    }
    default:
      return field.Invalid("is neither a string, a number, a boolean nor a list of strings");
  }
}

void ToProto(const stages::Metadata& metadata, google::protobuf::Struct* out) {
  out->Clear();
  for (const auto& [key, value] : metadata) ToProto(value, &(*out->mutable_fields())[key]);
}

absl::StatusOr<stages::Metadata> FromProto(const google::protobuf::Struct& in, const Field& field) {
  if (in.ByteSizeLong() > kMaxMetadataBytes) {
    return field.Invalid(absl::StrCat("has ", in.ByteSizeLong(), " bytes; at most ",
                                      kMaxMetadataBytes, " are allowed"));
  }
  stages::Metadata metadata;
  for (const auto& [key, value] : in.fields()) {
    const Field at(field, key);
    RAGMESH_RETURN_IF_ERROR(CheckBytes(key, 1, kMaxFieldBytes, at));
    RAGMESH_ASSIGN_OR_RETURN(metadata[key], FromProto(value, at));
  }
  return metadata;
}

}  // namespace ragmesh::wire
