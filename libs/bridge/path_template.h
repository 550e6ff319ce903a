// The path templates of google.api.http: "/v1/{name=shelves/*}/books:search".
//
//   Template = "/" Segments [ Verb ] ;   Segments = Segment { "/" Segment } ;
//   Segment  = "*" | "**" | LITERAL | Variable ;
//   Variable = "{" FieldPath [ "=" Segments ] "}" ;   Verb = ":" LITERAL ;
#ifndef RAGMESH_LIBS_BRIDGE_PATH_TEMPLATE_H_
#define RAGMESH_LIBS_BRIDGE_PATH_TEMPLATE_H_

#include <compare>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ragmesh::bridge {

// Field path ("job_id", "book.name") and its decoded text.
using PathBinding = std::pair<std::string, std::string>;

// Immutable.
class PathTemplate {
 public:
  // INVALID_ARGUMENT for what the grammar does not allow, "**" anywhere but last, nested or
  // repeated variables.
  static absl::StatusOr<PathTemplate> Parse(absl::string_view text);

  // What the variables stand for in `path` (still percent-encoded, without query). nullopt when it
  // does not match; text that is not UTF-8 or has broken escapes matches nothing. One-segment
  // variables are decoded whole, longer ones keep
  // "%2F", as google.api.http asks.
  std::optional<std::vector<PathBinding>> Match(absl::string_view path) const;

  // The template with each variable as {field.path}, for OpenAPI: "/v1/{name}:cancel".
  std::string OpenApiPath() const;
  std::vector<std::string> variables() const;

  // Of two templates that match one path, the less one is the more specific and wins.
  std::strong_ordering operator<=>(const PathTemplate& other) const;
  bool operator==(const PathTemplate& other) const { return (*this <=> other) == 0; }

 private:
  enum class Kind { kLiteral, kAny, kRest };
  struct Segment {
    Kind kind = Kind::kLiteral;
    std::string literal;
    auto operator<=>(const Segment&) const = default;
  };
  struct Variable {
    std::string field_path;
    std::size_t begin = 0;  // segments [begin, end)
    std::size_t end = 0;
  };
  class Parser;

  std::vector<Segment> segments_;
  std::vector<Variable> variables_;
  std::string verb_;
};

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_PATH_TEMPLATE_H_
