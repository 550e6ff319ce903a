// A JSON Schema taken apart: the keywords that hold at one place, wherever they are written.
#ifndef RAGMESH_LIBS_GRAMMAR_SCHEMA_PARTS_H_
#define RAGMESH_LIBS_GRAMMAR_SCHEMA_PARTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ragmesh::grammar {

using SchemaJson = nlohmann::ordered_json;

// Where a schema stands in the document: a JSON pointer, written out only for messages.
using PlaceId = std::uint32_t;

class SchemaPlaces {
 public:
  static constexpr PlaceId kRoot = 0;

  PlaceId Add(PlaceId parent, absl::string_view token);
  // "#/properties/a"; cut in the middle when very long.
  std::string Pointer(PlaceId place) const;

 private:
  struct Place {
    PlaceId parent;
    std::string token;
  };
  std::vector<Place> places_ = {{0, ""}};
};

struct SchemaPart {
  const SchemaJson* schema;  // an object or a boolean
  PlaceId place;
};

// INVALID_ARGUMENT / UNSUPPORTED_SCHEMA and / BAD_SCHEMA, with the pointer in message and metadata.
absl::Status UnsupportedSchema(absl::string_view pointer, absl::string_view keyword,
                               absl::string_view why);
absl::Status BadSchema(absl::string_view pointer, absl::string_view problem);

// The keywords of a schema, with those of every schema that it refers to ($ref) or that must hold
// beside it (allOf). Borrows the document.
class SchemaKeywords {
 public:
  struct Use {
    const SchemaJson* value;
    PlaceId place;  // of the keyword itself
  };

  // Parts that all hold. Fails on a keyword outside the subset and on a reference that does not
  // lead to a schema of this document. `skipped` is a keyword of `parts` themselves that is left
  // out, with what it holds.
  static absl::StatusOr<SchemaKeywords> Gather(const SchemaJson& root,
                                               absl::Span<const SchemaPart> parts,
                                               const SchemaJson* skipped, SchemaPlaces* places);

  // One of the parts is the schema `false`.
  bool matches_nothing() const { return matches_nothing_; }
  bool Has(absl::string_view keyword) const { return uses_.count(std::string(keyword)) != 0; }
  absl::Span<const Use> All(absl::string_view keyword) const;
  // The only use; null when there is none. Equal values count once; others are UNSUPPORTED_SCHEMA.
  absl::StatusOr<const Use*> One(absl::string_view keyword) const;
  // The keywords there are, annotations left out.
  const std::map<std::string, std::vector<Use>>& uses() const { return uses_; }

 private:
  explicit SchemaKeywords(const SchemaPlaces* places) : places_(places) {}

  const SchemaPlaces* places_;
  std::map<std::string, std::vector<Use>> uses_;
  bool matches_nothing_ = false;
};

// The schema that "#/..." names; its place is below the root, as in the document.
absl::StatusOr<SchemaPart> FindReference(const SchemaJson& root, const SchemaJson& reference,
                                         PlaceId at, SchemaPlaces* places);

// A schema that consists of a reference and annotations: the reference; else null.
const SchemaJson* ReferenceAlone(const SchemaJson& schema);

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_SCHEMA_PARTS_H_
