// A part of a text.
#ifndef RAGMESH_LIBS_STAGES_BYTE_RANGE_H_
#define RAGMESH_LIBS_STAGES_BYTE_RANGE_H_

#include <cstddef>
#include <cstdint>

namespace ragmesh::stages {

// Half-open: [begin, end).
struct ByteRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;

  std::uint64_t size() const { return end - begin; }
  bool operator==(const ByteRange&) const = default;
};

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_BYTE_RANGE_H_
