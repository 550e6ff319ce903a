// SHA-256, the identity of documents, models and snapshots.
#ifndef RAGMESH_LIBS_BASE_SHA256_H_
#define RAGMESH_LIBS_BASE_SHA256_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace ragmesh {

// Streaming digest. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void Update(absl::string_view bytes);
  // 64 lower-case hexadecimal characters. Call once, last.
  std::string HexDigest();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string Sha256Hex(absl::string_view bytes);

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_BASE_SHA256_H_
