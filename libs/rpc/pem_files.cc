#include "libs/rpc/pem_files.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <system_error>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::rpc {
namespace {

// All authorities a Debian system trusts are 0.2 MiB.
constexpr std::uintmax_t kMaxPemBytes = 4 << 20;

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

absl::Status Bad(const PemFile& file, absl::string_view problem, absl::string_view next_step) {
  return InvalidField(file.flag, absl::StrCat("names ", file.path, ", which ", problem), next_step);
}

absl::StatusOr<std::string> Read(const PemFile& file) {
  constexpr char kCheck[] = "Check the path and the file's permissions.";
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file.path, error);  // refuses a folder
  if (error) return Bad(file, absl::StrCat("cannot be read: ", error.message()), kCheck);
  if (size > kMaxPemBytes) {
    return Bad(file, absl::StrCat("has ", size, " bytes; at most ", kMaxPemBytes, " are allowed"),
               "Give a PEM file.");
  }
  std::string text(size, '\0');
  std::ifstream stream(file.path, std::ios::binary);
  if (!stream.read(text.data(), static_cast<std::streamsize>(size)))
    return Bad(file, "cannot be read", kCheck);
  if (!absl::StrContains(text, "-----BEGIN ")) {
    return Bad(file, "is not a PEM file",
               "Convert it, for example with: openssl x509 -inform der -in FILE -out FILE.pem");
  }
  return text;
}

Bio Over(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

absl::StatusOr<std::vector<Certificate>> ReadCertificates(const PemFile& file) {
  RAGMESH_ASSIGN_OR_RETURN(const std::string text, Read(file));
  const Bio bio = Over(text);
  std::vector<Certificate> certificates;
  ERR_clear_error();
  while (X509* read = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    certificates.emplace_back(read);
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) return Bad(file, "holds a damaged certificate", "Copy the file again.");
  if (certificates.empty())
    return Bad(file, "holds no certificate", "Give the PEM file of the certificate, not of a key.");
  return certificates;
}

absl::StatusOr<Key> ReadKey(const PemFile& file) {
  RAGMESH_ASSIGN_OR_RETURN(const std::string text, Read(file));
  const Bio bio = Over(text);
  bool encrypted = false;
  // Without a callback OpenSSL asks on the terminal, and a service would wait there for ever.
  const auto no_passphrase = [](char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
  };
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, &encrypted));
  ERR_clear_error();
  if (encrypted) {
    return Bad(file, "holds an encrypted key",
               "Write it without its passphrase, for example with: openssl pkey -in FILE -out "
               "FILE.pem");
  }
  if (key == nullptr)
    return Bad(file, "holds no private key", "Give the PEM file of the key, not of a certificate.");
  return key;
}

}  // namespace

absl::Status CheckCertificates(const PemFile& file) { return ReadCertificates(file).status(); }

absl::Status CheckIdentity(const PemFile& chain, const PemFile& key) {
  RAGMESH_ASSIGN_OR_RETURN(const auto certificates, ReadCertificates(chain));
  RAGMESH_ASSIGN_OR_RETURN(const auto private_key, ReadKey(key));
  const bool pair = X509_check_private_key(certificates.front().get(), private_key.get()) == 1;
  ERR_clear_error();
  if (pair) return absl::OkStatus();
  return Bad(key,
             absl::StrCat("is not the key of the first certificate in ", chain.path, " (",
                          chain.flag, ")"),
             "Give the two files that belong together, and in a chain the service's own "
             "certificate first.");
}

}  // namespace ragmesh::rpc
