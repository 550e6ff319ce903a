// Files built into the binary, served as they are.
#ifndef RAGMESH_LIBS_BRIDGE_STATIC_FILES_H_
#define RAGMESH_LIBS_BRIDGE_STATIC_FILES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/http/message.h"

namespace ragmesh::bridge {

struct StaticFile {
  absl::string_view path;   // "/app.js"; "/index.html" also answers "/"
  absl::string_view bytes;  // lives as long as the process
};

// Immutable, thread-safe. Paths are compared with the list, never with a file system, so none can
// lead out of it.
class StaticFiles {
 public:
  explicit StaticFiles(std::vector<StaticFile> files);

  bool Has(absl::string_view path) const { return Find(path) != nullptr; }
  // 200 with an ETag, 304 when the client has it, 405 for methods other than GET and HEAD. `path`
  // must be there.
  http::Response Serve(const http::RequestHead& head) const;

 private:
  struct Entry {
    StaticFile file;
    std::string etag;
  };
  const Entry* Find(absl::string_view path) const;
  std::vector<Entry> entries_;
};

// The web page: index.html, app.js, style.css and what belongs to it.
std::vector<StaticFile> WebPageFiles();

// protoc's FileDescriptorSet of the public protos, with comments.
absl::string_view ApiDescriptorSet();

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_STATIC_FILES_H_
