// Makes the rules of a JSON Schema; used by ReadJsonSchema alone.
#ifndef RAGMESH_LIBS_GRAMMAR_SCHEMA_COMPILER_H_
#define RAGMESH_LIBS_GRAMMAR_SCHEMA_COMPILER_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/grammar/json_rules.h"
#include "libs/grammar/limits.h"
#include "libs/grammar/schema_parts.h"

namespace ragmesh::grammar {

// A set of types is a sum of these.
enum JsonType : unsigned {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kNumber = 8,
  kString = 16,
  kArray = 32,
  kObject = 64,
  kAnyType = 127
};

// The bit of a value's type; an integer is not also a number here.
unsigned TypeOf(const SchemaJson& value);

// Each place of the schema becomes a rule. Those found on the way wait in a queue, so that depth
// costs no stack.
class SchemaCompiler {
 public:
  SchemaCompiler(const SchemaJson& root, const Limits& limits, Rules* rules)
      : root_(root), limits_(limits), rules_(*rules), json_(rules) {}

  absl::StatusOr<RuleId> Compile();

 private:
  using Use = SchemaKeywords::Use;

  struct Work {
    RuleId rule;
    std::vector<SchemaPart> parts;
    const SchemaJson* skipped = nullptr;  // the anyOf whose branches are being compiled
  };
  struct Property {
    std::string name;
    std::vector<SchemaPart> parts;
    bool required = false;
  };

  absl::Status Bad(PlaceId place, absl::string_view problem) const {
    return BadSchema(places_.Pointer(place), problem);
  }
  absl::Status Unsupported(const Use& use, absl::string_view keyword, absl::string_view why) const {
    return UnsupportedSchema(places_.Pointer(use.place), keyword, why);
  }
  NodeId Nothing() { return rules_.Choice({}); }
  NodeId Text(const SchemaJson& value) {
    return rules_.Literal(value.dump(-1, ' ', false, SchemaJson::error_handler_t::replace));
  }

  absl::StatusOr<NodeId> Value(SchemaPart part);
  absl::StatusOr<NodeId> Value(std::vector<SchemaPart> parts);
  absl::StatusOr<NodeId> Body(const Work& work);
  absl::StatusOr<NodeId> Branches(const Work& work, const SchemaKeywords& keywords);
  absl::StatusOr<NodeId> Listed(const SchemaKeywords& keywords);
  absl::StatusOr<unsigned> Types(const SchemaKeywords& keywords) const;
  absl::StatusOr<NodeId> Object(const SchemaKeywords& keywords);
  absl::StatusOr<std::vector<Property>> Properties(const SchemaKeywords& keywords,
                                                   const Use* additional);
  NodeId Members(const std::vector<NodeId>& members, const std::vector<Property>& properties,
                 std::optional<NodeId> additional);
  absl::StatusOr<NodeId> Array(const SchemaKeywords& keywords);
  absl::StatusOr<NodeId> String(const SchemaKeywords& keywords);
  absl::StatusOr<NodeId> Numeric(const SchemaKeywords& keywords, bool whole);
  absl::StatusOr<std::optional<std::uint32_t>> Count(const SchemaKeywords& keywords,
                                                     absl::string_view keyword) const;
  absl::StatusOr<std::optional<std::int64_t>> Bound(const SchemaKeywords& keywords,
                                                    absl::string_view keyword, bool whole,
                                                    bool upper) const;

  const SchemaJson& root_;
  const Limits& limits_;
  Rules& rules_;
  JsonRules json_;
  SchemaPlaces places_;
  std::deque<Work> queue_;
  absl::flat_hash_map<const SchemaJson*, RuleId> rule_of_schema_;
};

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_SCHEMA_COMPILER_H_
