// Text that was rewritten, and where each of its bytes came from.
#ifndef RAGMESH_LIBS_TEXT_TRACED_TEXT_H_
#define RAGMESH_LIBS_TEXT_TRACED_TEXT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::text {

struct TracedText {
  struct Origin {
    std::uint32_t begin, end;  // bytes of the text as it was
  };

  std::string bytes;
  std::vector<Origin> origins;  // of every byte

  void Append(absl::string_view more, Origin origin) {
    bytes.append(more.data(), more.size());
    origins.resize(bytes.size(), origin);
  }
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_TRACED_TEXT_H_
