#include "libs/vector_store/value_codec.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace ragmesh::vector_store {
namespace {

struct PutValue {
  BinaryWriter* out;
  void operator()(const std::string& value) const { out->U8(1), out->Bytes(value); }
  void operator()(std::int64_t value) const {
    out->U8(2), out->U64(static_cast<std::uint64_t>(value));
  }
  void operator()(double value) const { out->U8(3), out->F64(value); }
  void operator()(bool value) const { out->U8(4), out->U8(value ? 1 : 0); }
  void operator()(absl::Time value) const { out->U8(5), Put(value, out); }
  void operator()(const std::vector<std::string>& value) const { out->U8(6), out->Strings(value); }
};

void Put(const std::optional<stages::MetadataValue>& value, BinaryWriter* out) {
  out->U8(value.has_value() ? 1 : 0);
  if (value.has_value()) Put(*value, out);
}

}  // namespace

void Put(absl::Time time, BinaryWriter* out) {
  const std::int64_t seconds = absl::ToUnixSeconds(time);
  out->U64(static_cast<std::uint64_t>(seconds));
  out->U32(
      static_cast<std::uint32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
}

absl::Time TakeTime(BinaryReader* in) {
  const auto seconds = static_cast<std::int64_t>(in->U64());
  const std::uint32_t nanoseconds = in->U32();
  if (nanoseconds >= 1'000'000'000) in->Fail();
  return absl::FromUnixSeconds(seconds) + absl::Nanoseconds(nanoseconds);
}

void Put(const stages::MetadataValue& value, BinaryWriter* out) {
  std::visit(PutValue{out}, value);
}

void Put(const stages::Filter& filter, BinaryWriter* out) {
  out->U8(static_cast<std::uint8_t>(filter.node.index()));
  if (const auto* equals = std::get_if<stages::FilterEquals>(&filter.node)) {
    out->Bytes(equals->field);
    Put(equals->value, out);
  } else if (const auto* in = std::get_if<stages::FilterIn>(&filter.node)) {
    out->Bytes(in->field);
    out->Varint(in->values.size());
    for (const stages::MetadataValue& value : in->values) Put(value, out);
  } else if (const auto* range = std::get_if<stages::FilterRange>(&filter.node)) {
    out->Bytes(range->field);
    for (const auto* bound :
         {&range->greater_than, &range->greater_or_equal, &range->less_than, &range->less_or_equal})
      Put(*bound, out);
  } else if (const auto* all = std::get_if<stages::FilterAnd>(&filter.node)) {
    out->Varint(all->filters.size());
    for (const stages::Filter& part : all->filters) Put(part, out);
  } else if (const auto* any = std::get_if<stages::FilterOr>(&filter.node)) {
    out->Varint(any->filters.size());
    for (const stages::Filter& part : any->filters) Put(part, out);
  } else {
    Put(*std::get<stages::FilterNot>(filter.node).filter, out);
  }
}

stages::MetadataValue TakeValue(BinaryReader* in) {
  switch (in->U8()) {
    case 1:
      return in->String();
    case 2:
      return static_cast<std::int64_t>(in->U64());
    case 3:
      return in->F64();
    case 4:
      return in->Bool();
    case 5:
      return TakeTime(in);
    case 6:
      return in->Strings();
    default:
      in->Fail();
      return false;
  }
}

void Put(const stages::DocumentInfo& info, BinaryWriter* out) {
  out->Bytes(info.sha256);
  out->Bytes(info.media_type);
  out->Bytes(info.title);
  out->Bytes(info.language);
  out->Bytes(info.parser);
  out->Bytes(info.normalisation);
  out->Varint(info.properties.size());
  for (const auto& [key, value] : info.properties) {
    out->Bytes(key);
    out->Bytes(value);
  }
  out->Varint(info.coverage.bytes_in);
  out->Varint(info.coverage.characters_out);
  out->Varint(info.coverage.pages);
  out->Varint(info.coverage.empty_pages.size());
  for (const std::uint32_t page : info.coverage.empty_pages) out->Varint(page);
  out->Varint(info.coverage.blocks);
  out->Strings(info.coverage.warnings);
}

stages::DocumentInfo TakeDocumentInfo(BinaryReader* in) {
  stages::DocumentInfo info;
  info.sha256 = in->String();
  info.media_type = in->String();
  info.title = in->String();
  info.language = in->String();
  info.parser = in->String();
  info.normalisation = in->String();
  const std::size_t properties = in->Count(2);
  for (std::size_t i = 0; i < properties && !in->failed(); ++i) {
    std::string key = in->String();
    info.properties[std::move(key)] = in->String();
  }
  info.coverage.bytes_in = in->Varint();
  info.coverage.characters_out = in->Varint();
  info.coverage.pages = in->Varint32();
  const std::size_t pages = in->Count(1);
  for (std::size_t i = 0; i < pages && !in->failed(); ++i)
    info.coverage.empty_pages.push_back(in->Varint32());
  info.coverage.blocks = in->Varint32();
  info.coverage.warnings = in->Strings();
  return info;
}

}  // namespace ragmesh::vector_store
