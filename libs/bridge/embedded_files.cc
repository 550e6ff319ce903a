#include "libs/bridge/static_files.h"

// Defined by the generated file, in the order in which CMakeLists.txt names the files.
#define RAGMESH_EMBEDDED(n)                             \
  extern "C" const char ragmesh_embedded_##n##_begin[]; \
  extern "C" const char ragmesh_embedded_##n##_end[]
RAGMESH_EMBEDDED(0);
RAGMESH_EMBEDDED(1);
RAGMESH_EMBEDDED(2);
RAGMESH_EMBEDDED(3);
RAGMESH_EMBEDDED(4);
#undef RAGMESH_EMBEDDED

namespace ragmesh::bridge {
namespace {

absl::string_view Between(const char* begin, const char* end) {
  return absl::string_view(begin, static_cast<std::size_t>(end - begin));
}

}  // namespace

absl::string_view ApiDescriptorSet() {
  return Between(ragmesh_embedded_0_begin, ragmesh_embedded_0_end);
}

std::vector<StaticFile> WebPageFiles() {
  return {{"/index.html", Between(ragmesh_embedded_1_begin, ragmesh_embedded_1_end)},
          {"/app.js", Between(ragmesh_embedded_2_begin, ragmesh_embedded_2_end)},
          {"/style.css", Between(ragmesh_embedded_3_begin, ragmesh_embedded_3_end)},
          {"/icon.svg", Between(ragmesh_embedded_4_begin, ragmesh_embedded_4_end)}};
}

}  // namespace ragmesh::bridge
