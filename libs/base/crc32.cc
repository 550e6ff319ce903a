#include "libs/base/crc32.h"

#include <libdeflate.h>

namespace ragmesh {

// libdeflate multiplies without carries where the processor can, found at run time: some 10 GB/s
// where zlib 1.2.13 makes 2.
std::uint32_t Crc32(absl::string_view bytes, std::uint32_t before) {
  if (bytes.empty()) return before;  // a null pointer would mean to begin anew
  return libdeflate_crc32(before, bytes.data(), bytes.size());
}

}  // namespace ragmesh
