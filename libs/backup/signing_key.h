// Ed25519 keys in PEM files, as `openssl genpkey -algorithm ed25519` writes them.
#ifndef RAGMESH_LIBS_BACKUP_SIGNING_KEY_H_
#define RAGMESH_LIBS_BACKUP_SIGNING_KEY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ragmesh::backup {

// Immutable, thread-safe.
class Ed25519Key {
 public:
  // A private key, which signs and verifies. INVALID_ARGUMENT when the file holds none, with what
  // makes one.
  static absl::StatusOr<std::unique_ptr<const Ed25519Key>> FromPrivateFile(const std::string& path);
  // A public or a private key, to verify with.
  static absl::StatusOr<std::unique_ptr<const Ed25519Key>> FromFile(const std::string& path);
  // Makes a key: the private half in the new file `path`, which only its owner may read, the public
  // half in `path`.pub.
  static absl::Status Generate(const std::string& path);
  ~Ed25519Key();

  std::string Sign(absl::string_view message) const;  // 64 bytes; needs the private half
  bool Verify(absl::string_view message, absl::string_view signature) const;
  // SHA-256 of the 32 bytes of the public key, as 32 bytes.
  const std::string& id() const { return id_; }

 private:
  struct Key;
  static absl::StatusOr<std::unique_ptr<const Ed25519Key>> Of(std::unique_ptr<Key> key,
                                                              const std::string& path);
  Ed25519Key(std::unique_ptr<Key> key, std::string id);
  const std::unique_ptr<Key> key_;
  const std::string id_;
};

}  // namespace ragmesh::backup

#endif  // RAGMESH_LIBS_BACKUP_SIGNING_KEY_H_
