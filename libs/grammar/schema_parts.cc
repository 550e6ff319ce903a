#include "libs/grammar/schema_parts.h"

#include <algorithm>
#include <iterator>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::grammar {
namespace {

constexpr std::size_t kMaxParts = 256;         // schemas that hold at one place
constexpr std::size_t kMaxPointerTokens = 12;  // of a pointer in a message
constexpr std::size_t kMaxTokenBytes = 80;

// Say nothing about which values are valid.
constexpr absl::string_view kAnnotations[] = {
    "$comment",    "$defs",   "$id",      "$schema",  "default", "definitions", "deprecated",
    "description", "example", "examples", "readOnly", "title",   "writeOnly"};

constexpr absl::string_view kKeywords[] = {"$ref",
                                           "additionalProperties",
                                           "allOf",
                                           "anyOf",
                                           "const",
                                           "enum",
                                           "exclusiveMaximum",
                                           "exclusiveMinimum",
                                           "format",
                                           "items",
                                           "maxItems",
                                           "maxLength",
                                           "maximum",
                                           "minItems",
                                           "minLength",
                                           "minimum",
                                           "oneOf",
                                           "pattern",
                                           "prefixItems",
                                           "properties",
                                           "required",
                                           "type"};

bool IsAnnotation(absl::string_view keyword) {
  return std::find(std::begin(kAnnotations), std::end(kAnnotations), keyword) !=
         std::end(kAnnotations);
}

std::string Short(absl::string_view token) {
  if (token.size() <= kMaxTokenBytes) return absl::Utf8SafeCEscape(token);
  return absl::StrCat(absl::CHexEscape(token.substr(0, kMaxTokenBytes)), "...");
}

// "%25" is "%", as references are URIs.
std::string DecodePercent(absl::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && absl::ascii_isxdigit(text[i + 1]) &&
        absl::ascii_isxdigit(text[i + 2])) {
      out += absl::HexStringToBytes(text.substr(i + 1, 2));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

PlaceId SchemaPlaces::Add(PlaceId parent, absl::string_view token) {
  places_.push_back({parent, std::string(token.substr(0, kMaxTokenBytes + 1))});
  return static_cast<PlaceId>(places_.size() - 1);
}

std::string SchemaPlaces::Pointer(PlaceId place) const {
  std::vector<std::string> tokens;
  for (; place != kRoot; place = places_[place].parent) {
    if (tokens.size() == kMaxPointerTokens) {
      tokens.push_back("...");
      break;
    }
    tokens.push_back(Short(absl::StrReplaceAll(places_[place].token, {{"~", "~0"}, {"/", "~1"}})));
  }
  tokens.push_back("#");
  std::reverse(tokens.begin(), tokens.end());
  return absl::StrJoin(tokens, "/");
}

absl::Status UnsupportedSchema(absl::string_view pointer, absl::string_view keyword,
                               absl::string_view why) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("schema keyword \"", Short(keyword), "\" at ", pointer, " ", why),
                   {.reason = "UNSUPPORTED_SCHEMA",
                    .field = "schema",
                    .next_step = absl::StrCat("Leave it out and check the answer. Supported are ",
                                              absl::StrJoin(kKeywords, ", "), "; ",
                                              absl::StrJoin(kAnnotations, ", "), " are ignored."),
                    .metadata = {{"keyword", Short(keyword)}, {"pointer", std::string(pointer)}}});
}

absl::Status BadSchema(absl::string_view pointer, absl::string_view problem) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("schema at ", pointer, " ", problem),
                   {.reason = "BAD_SCHEMA",
                    .field = "schema",
                    .next_step = "Correct the schema.",
                    .metadata = {{"pointer", std::string(pointer)}}});
}

const SchemaJson* ReferenceAlone(const SchemaJson& schema) {
  if (!schema.is_object()) return nullptr;
  const SchemaJson* reference = nullptr;
  for (const auto& [key, value] : schema.items()) {
    if (key == "$ref") {
      reference = &value;
    } else if (!IsAnnotation(key)) {
      return nullptr;
    }
  }
  return reference;
}

absl::StatusOr<SchemaPart> FindReference(const SchemaJson& root, const SchemaJson& reference,
                                         PlaceId at, SchemaPlaces* places) {
  if (!reference.is_string()) return BadSchema(places->Pointer(at), "must be a string");
  const std::string& text = reference.get_ref<const std::string&>();
  if (text != "#" && !absl::StartsWith(text, "#/")) {
    return UnsupportedSchema(places->Pointer(at), "$ref",
                             "may only refer to this schema, as in \"#/$defs/name\"");
  }
  SchemaPart found = {&root, SchemaPlaces::kRoot};
  std::vector<std::string> tokens = absl::StrSplit(text.substr(1), '/');
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    const std::string token =
        absl::StrReplaceAll(DecodePercent(tokens[i]), {{"~1", "/"}, {"~0", "~"}});
    const SchemaJson* next = nullptr;
    std::size_t index = 0;
    if (found.schema->is_object()) {
      const auto entry = found.schema->find(token);
      if (entry != found.schema->end()) next = &*entry;
    } else if (found.schema->is_array() && absl::SimpleAtoi(token, &index) &&
               index < found.schema->size()) {
      next = &(*found.schema)[index];
    }
    if (next == nullptr) {
      return BadSchema(places->Pointer(at),
                       absl::StrCat("refers to \"", Short(text), "\", which is not there"));
    }
    found = {next, places->Add(found.place, token)};
  }
  return found;
}

absl::Span<const SchemaKeywords::Use> SchemaKeywords::All(absl::string_view keyword) const {
  const auto found = uses_.find(std::string(keyword));
  if (found == uses_.end()) return {};
  return found->second;
}

absl::StatusOr<const SchemaKeywords::Use*> SchemaKeywords::One(absl::string_view keyword) const {
  const absl::Span<const Use> all = All(keyword);
  for (const Use& use : all) {
    if (*use.value == *all[0].value) continue;
    return UnsupportedSchema(
        places_->Pointer(use.place), keyword,
        absl::StrCat("holds together with another one at ", places_->Pointer(all[0].place)));
  }
  return all.empty() ? nullptr : &all[0];
}

absl::StatusOr<SchemaKeywords> SchemaKeywords::Gather(const SchemaJson& root,
                                                      absl::Span<const SchemaPart> parts,
                                                      const SchemaJson* skipped,
                                                      SchemaPlaces* places) {
  SchemaKeywords result(places);
  std::vector<SchemaPart> work(parts.begin(), parts.end());
  absl::flat_hash_set<const SchemaJson*> seen;
  for (std::size_t i = 0; i < work.size(); ++i) {
    const SchemaPart part = work[i];
    if (part.schema->is_boolean()) {
      if (!part.schema->get<bool>()) result.matches_nothing_ = true;
      continue;
    }
    if (!part.schema->is_object())
      return BadSchema(places->Pointer(part.place), "must be an object or a boolean");
    if (!seen.insert(part.schema).second) continue;
    if (work.size() > kMaxParts) {
      return LimitExceeded(absl::StrCat("schema at ", places->Pointer(part.place)),
                           static_cast<long long>(work.size()), kMaxParts,
                           "schemas joined by $ref and allOf");
    }
    for (const auto& [key, value] : part.schema->items()) {
      if (IsAnnotation(key) || &value == skipped) continue;
      const PlaceId place = places->Add(part.place, key);
      if (std::find(std::begin(kKeywords), std::end(kKeywords), key) == std::end(kKeywords))
        return UnsupportedSchema(places->Pointer(part.place), key, "is not supported");
      if (key == "$ref") {
        RAGMESH_ASSIGN_OR_RETURN(const SchemaPart found, FindReference(root, value, place, places));
        if (seen.contains(found.schema))
          return BadSchema(places->Pointer(part.place), "refers to itself without end");
        work.push_back(found);
      } else if (key == "allOf") {
        if (!value.is_array() || value.empty())
          return BadSchema(places->Pointer(place), "must be a list of schemas");
        for (std::size_t j = 0; j < value.size() && j <= kMaxParts; ++j)
          work.push_back({&value[j], places->Add(place, absl::StrCat(j))});
      } else {
        result.uses_[key].push_back({&value, place});
      }
    }
  }
  return result;
}

}  // namespace ragmesh::grammar
