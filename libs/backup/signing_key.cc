#include "libs/backup/signing_key.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/backup/files.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"

namespace ragmesh::backup {
namespace {

constexpr std::uint64_t kMaxKeyFileBytes = 16 << 10;
constexpr std::size_t kPublicBytes = 32, kSignatureBytes = 64;
constexpr char kMakeOne[] = "Make a key with: ragmesh collections keygen FILE";

struct Bio {
  explicit Bio(BIO* b) : bio(b) {}
  ~Bio() { BIO_free(bio); }
  BIO* const bio;
};

// Without a callback OpenSSL asks for a passphrase on the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

std::string TextOf(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

}  // namespace

struct Ed25519Key::Key {
  explicit Key(EVP_PKEY* k) : key(k) {}
  ~Key() { EVP_PKEY_free(key); }
  EVP_PKEY* const key;
};

Ed25519Key::Ed25519Key(std::unique_ptr<Key> key, std::string id)
    : key_(std::move(key)), id_(std::move(id)) {}
Ed25519Key::~Ed25519Key() = default;

absl::StatusOr<std::unique_ptr<const Ed25519Key>> Ed25519Key::Of(std::unique_ptr<Key> key,
                                                                 const std::string& path) {
  ERR_clear_error();
  if (key->key == nullptr || EVP_PKEY_id(key->key) != EVP_PKEY_ED25519)
    return InvalidField("key", absl::StrCat("names ", path, ", which holds no such Ed25519 key"),
                        kMakeOne);
  std::string raw(kPublicBytes, '\0');
  std::size_t size = raw.size();
  if (EVP_PKEY_get_raw_public_key(key->key, reinterpret_cast<unsigned char*>(raw.data()), &size) !=
      1)
    return InvalidField("key", absl::StrCat("names ", path, ", whose key cannot be read"));
  return std::unique_ptr<const Ed25519Key>(
      new Ed25519Key(std::move(key), absl::HexStringToBytes(Sha256Hex(raw))));
}

absl::StatusOr<std::unique_ptr<const Ed25519Key>> Ed25519Key::FromPrivateFile(
    const std::string& path) {
  const auto text = ReadFile(path, kMaxKeyFileBytes);
  if (!text.ok())
    return InvalidField("key", absl::StrCat("cannot be read: ", text.status().message()), kMakeOne);
  const Bio bio(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  return Of(std::make_unique<Key>(PEM_read_bio_PrivateKey(bio.bio, nullptr, NoPassphrase, nullptr)),
            path);
}

absl::StatusOr<std::unique_ptr<const Ed25519Key>> Ed25519Key::FromFile(const std::string& path) {
  auto key = FromPrivateFile(path);
  if (key.ok()) return key;
  const auto text = ReadFile(path, kMaxKeyFileBytes);
  if (!text.ok()) return key;
  const Bio bio(BIO_new_mem_buf(text->data(), static_cast<int>(text->size())));
  return Of(std::make_unique<Key>(PEM_read_bio_PUBKEY(bio.bio, nullptr, NoPassphrase, nullptr)),
            path);
}

absl::Status Ed25519Key::Generate(const std::string& path) {
  const Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  if (key.key == nullptr) return absl::InternalError("OpenSSL makes no Ed25519 key");
  const Bio secret(BIO_new(BIO_s_mem())), open(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PrivateKey(secret.bio, key.key, nullptr, nullptr, 0, nullptr, nullptr) != 1 ||
      PEM_write_bio_PUBKEY(open.bio, key.key) != 1)
    return absl::InternalError("OpenSSL does not write the key");
  RAGMESH_RETURN_IF_ERROR(WriteFile(path, TextOf(secret.bio), 0600));
  return WriteFile(path + ".pub", TextOf(open.bio));
}

std::string Ed25519Key::Sign(absl::string_view message) const {
  std::string signature(kSignatureBytes, '\0');
  std::size_t size = signature.size();
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const bool done =
      EVP_DigestSignInit(context, nullptr, nullptr, nullptr, key_->key) == 1 &&
      EVP_DigestSign(context, reinterpret_cast<unsigned char*>(signature.data()), &size,
                     reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
  EVP_MD_CTX_free(context);
  RAGMESH_CHECK(done && size == kSignatureBytes, "a key without its private half signs nothing");
  return signature;
}

bool Ed25519Key::Verify(absl::string_view message, absl::string_view signature) const {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  const bool valid =
      EVP_DigestVerifyInit(context, nullptr, nullptr, nullptr, key_->key) == 1 &&
      EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()),
                       signature.size(), reinterpret_cast<const unsigned char*>(message.data()),
                       message.size()) == 1;
  EVP_MD_CTX_free(context);
  ERR_clear_error();
  return valid;
}

}  // namespace ragmesh::backup
