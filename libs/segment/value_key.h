// Values of metadata as bytes that sort as the values do.
#ifndef RAGMESH_LIBS_SEGMENT_VALUE_KEY_H_
#define RAGMESH_LIBS_SEGMENT_VALUE_KEY_H_

#include <string>

#include "libs/stages/document.h"

namespace ragmesh::segment {

// Values of one kind compare with one another; those of different kinds are never equal. Elements
// of lists are a kind of their own: they equal strings, but have no order.
enum class ValueKind : std::uint8_t { kString, kNumber, kBool, kTime, kList };

ValueKind KindOf(const stages::MetadataValue& value);

// The key of a value that is not a list. Whole and broken numbers that are equal have one key; NaN,
// which equals nothing, has none: empty.
std::string KeyOf(const stages::MetadataValue& value);

}  // namespace ragmesh::segment

#endif  // RAGMESH_LIBS_SEGMENT_VALUE_KEY_H_
