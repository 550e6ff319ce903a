// Where in a request a value stands, for errors: "chunks[3].chunk.range". Costs nothing until it is
// written out.
#ifndef RAGMESH_LIBS_WIRE_FIELD_H_
#define RAGMESH_LIBS_WIRE_FIELD_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ragmesh::wire {

// A chain of names on the stack; a child borrows its parent. The root has an empty name.
class Field {
 public:
  Field() = default;
  Field(const Field& parent, absl::string_view name, int index = -1)
      : parent_(&parent), name_(name), index_(index) {}

  std::string ToString() const;

  // INVALID_ARGUMENT / INVALID_FIELD for this field.
  absl::Status Invalid(absl::string_view problem, absl::string_view next_step = "") const;

 private:
  const Field* parent_ = nullptr;
  absl::string_view name_;
  int index_ = -1;
};

// The checks most fields need. Each error states the value's size and the bound.
absl::Status CheckBytes(absl::string_view value, std::size_t min, std::size_t max,
                        const Field& field);
absl::Status CheckCount(std::size_t count, std::size_t min, std::size_t max, absl::string_view what,
                        const Field& field);
absl::Status CheckRange(double value, double min, double max, const Field& field);  // refuses NaN
absl::Status CheckFinite(double value, const Field& field);
absl::Status Required(bool present, const Field& field);
// Lower-case letters, digits, '-' and, where `underscore` says so, '_'; 1 to 63 of them.
absl::Status CheckName(absl::string_view value, bool underscore, const Field& field);
// Empty, or 64 lower-case hexadecimal digits.
absl::Status CheckDigest(absl::string_view value, const Field& field);

}  // namespace ragmesh::wire

#endif  // RAGMESH_LIBS_WIRE_FIELD_H_
