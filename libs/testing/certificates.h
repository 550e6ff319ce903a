// Throw-away certificates for tests of TLS, made in this process.
#ifndef RAGMESH_LIBS_TESTING_CERTIFICATES_H_
#define RAGMESH_LIBS_TESTING_CERTIFICATES_H_

#include <filesystem>
#include <memory>
#include <string>

namespace ragmesh::testing {

// Paths of PEM files.
struct IdentityFiles {
  std::string certificate;
  std::string key;
};

// A certificate authority that lives as long as the object; its files stay in `folder`, which
// exists already. Two authorities in one folder have different names. Aborts the test program when
// OpenSSL fails.
class CertificateAuthority {
 public:
  CertificateAuthority(std::filesystem::path folder, std::string name);
  ~CertificateAuthority();

  // PEM file of the authority's own certificate.
  const std::string& certificate() const { return certificate_; }

  // A certificate for `subject`, good for server and client for one day, whose alternative names
  // are as OpenSSL writes them: "DNS:localhost,IP:127.0.0.1". The key is new.
  IdentityFiles Issue(const std::string& subject,
                      const std::string& names = "DNS:localhost,IP:127.0.0.1") const;

 private:
  struct Secret;
  const std::filesystem::path folder_;
  const std::string name_;
  std::unique_ptr<Secret> secret_;
  std::string certificate_;
};

// Writes the key in `key_file` encrypted to `out_file`.
void EncryptKey(const std::string& key_file, const std::string& passphrase,
                const std::string& out_file);

}  // namespace ragmesh::testing

#endif  // RAGMESH_LIBS_TESTING_CERTIFICATES_H_
