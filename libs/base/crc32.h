// CRC-32 of zlib and Ethernet (IEEE 802.3): finds every flipped bit and every error shorter than 33
// bits, which is what disks and interrupted writers do.
#ifndef RAGMESH_LIBS_BASE_CRC32_H_
#define RAGMESH_LIBS_BASE_CRC32_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace ragmesh {

// Of what `before` is the sum of, with `bytes` behind it.
std::uint32_t Crc32(absl::string_view bytes, std::uint32_t before = 0);

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_BASE_CRC32_H_
