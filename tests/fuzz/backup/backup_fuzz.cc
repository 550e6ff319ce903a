// Manifests and archives as a stranger could hand them in. The first byte chooses the reader. To
// get past the digest, a manifest is also tried as a first line under a digest that fits.
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/backup/collection_archive.h"
#include "libs/backup/manifest.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"

namespace ragmesh::backup {
namespace {

void TryManifest(absl::string_view text) {
  const auto manifest = ParseManifest(text);
  if (!manifest.ok()) {
    RAGMESH_CHECK(GetErrorDetail(manifest.status()).has_value(), "errors are typed");
    return;
  }
  const std::string written = ToText(*manifest);
  const auto again = ParseManifest(written);
  RAGMESH_CHECK(again.ok() && ToText(*again) == written, "what is read can be written and read");
  for (const ManifestFile& file : manifest->files)
    RAGMESH_CHECK(file.name.find('/') == std::string::npos && file.name[0] != '.',
                  "no name leads elsewhere");
}

void TryArchive(absl::string_view bytes) {
  std::size_t at = 0;
  std::size_t frames = 0;
  ArchiveReader reader(
      [&]() -> absl::StatusOr<std::string> {
        const absl::string_view next = bytes.substr(at, 100);
        at += next.size();
        return std::string(next);
      },
      Signed::kUnchecked, nullptr);
  while (true) {
    const auto frame = reader.Next();
    if (!frame.ok()) {
      RAGMESH_CHECK(GetErrorDetail(frame.status()).has_value(), "errors are typed");
      return;
    }
    if (frame->end) break;
    RAGMESH_CHECK(++frames <= bytes.size(), "a frame takes bytes");
  }
  RAGMESH_CHECK(reader.bytes_read() == bytes.size(), "an archive is read to its end");
}

}  // namespace
}  // namespace ragmesh::backup

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ragmesh::backup;  // NOLINT
  if (size == 0) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 1) {
    TryArchive(bytes);
    return 0;
  }
  TryManifest(bytes);
  const std::string line = absl::StrCat(bytes.substr(0, bytes.find('\n')), "\n");
  TryManifest(absl::StrCat(line, "{\"sha256\":\"", ragmesh::Sha256Hex(line), "\"}\n"));
  return 0;
}
