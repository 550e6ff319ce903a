// A parser process in hostile hands may say anything.
#include <cstddef>
#include <cstdint>

#include "libs/base/check.h"
#include "libs/document/parser_frames.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ragmesh::document;
  absl::string_view buffer(reinterpret_cast<const char*>(data), size);
  for (;;) {
    FrameType type;
    absl::string_view payload;
    const auto whole = TakeFrame(&buffer, &type, &payload);
    if (!whole.ok() || !*whole) return 0;
    if (const auto block = DecodeBlock(payload); block.ok()) {
      RAGMESH_CHECK(EncodeBlock(*block) == payload, "a block has two forms");
    }
    if (const auto info = DecodeInfo(payload); info.ok()) {
      RAGMESH_CHECK(DecodeInfo(EncodeInfo(*info)).ok(), "an info cannot be read back");
    }
    (void)DecodeHello(payload).ok();
    (void)DecodeRequest(payload).ok();
    RAGMESH_CHECK(!DecodeError(payload).ok(), "an error became OK");
  }
}
