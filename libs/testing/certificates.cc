#include "libs/testing/certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <utility>

#include "libs/base/check.h"

namespace ragmesh::testing {
namespace {

constexpr long kDaySeconds = 24 * 60 * 60;
constexpr long kClockSkewSeconds = 60;

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

void Check(bool done, const char* what) { RAGMESH_CHECK(done, what); }

Bio Open(const std::string& path, const char* mode) {
  Bio bio(BIO_new_file(path.c_str(), mode));
  Check(bio != nullptr, "a PEM file can be opened");
  return bio;
}

// Elliptic curves: a key takes no time to make.
Key NewKey() {
  Key key(EVP_EC_gen("P-256"));
  Check(key != nullptr, "OpenSSL makes a key");
  return key;
}

void WriteKey(const std::string& path, EVP_PKEY* key, const EVP_CIPHER* cipher,
              const char* passphrase) {
  Check(PEM_write_bio_PKCS8PrivateKey(Open(path, "w").get(), key, cipher, nullptr, 0, nullptr,
                                      const_cast<char*>(passphrase)) == 1,
        "a key can be written");
}

void WriteCertificate(const std::string& path, X509* certificate) {
  Check(PEM_write_bio_X509(Open(path, "w").get(), certificate) == 1,
        "a certificate can be written");
}

void Extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  Check(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1,
        "an extension can be added");
}

// Signed by nobody yet.
Certificate NewCertificate(const std::string& subject, EVP_PKEY* key) {
  Certificate certificate(X509_new());
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial));
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kClockSkewSeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kDaySeconds);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
  return certificate;
}

void Sign(X509* certificate, X509* issuer, EVP_PKEY* issuer_key) {
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  Check(X509_sign(certificate, issuer_key, EVP_sha256()) > 0, "a certificate can be signed");
}

}  // namespace

struct CertificateAuthority::Secret {
  Key key;
  Certificate certificate;
};

CertificateAuthority::CertificateAuthority(std::filesystem::path folder, std::string name)
    : folder_(std::move(folder)), name_(std::move(name)), secret_(new Secret) {
  secret_->key = NewKey();
  secret_->certificate = NewCertificate(name_, secret_->key.get());
  X509* self = secret_->certificate.get();
  Extend(self, self, NID_basic_constraints, "critical,CA:TRUE");
  Extend(self, self, NID_key_usage, "critical,keyCertSign,cRLSign");
  Sign(self, self, secret_->key.get());
  certificate_ = folder_ / (name_ + ".pem");
  WriteCertificate(certificate_, self);
}

CertificateAuthority::~CertificateAuthority() = default;

IdentityFiles CertificateAuthority::Issue(const std::string& subject,
                                          const std::string& names) const {
  const Key key = NewKey();
  const Certificate certificate = NewCertificate(subject, key.get());
  X509* issuer = secret_->certificate.get();
  Extend(certificate.get(), issuer, NID_subject_alt_name, names);
  Extend(certificate.get(), issuer, NID_ext_key_usage, "serverAuth,clientAuth");
  Sign(certificate.get(), issuer, secret_->key.get());
  const std::string stem = folder_ / (name_ + "-" + subject);
  const IdentityFiles files{stem + ".pem", stem + "-key.pem"};
  WriteCertificate(files.certificate, certificate.get());
  WriteKey(files.key, key.get(), nullptr, nullptr);
  return files;
}

void EncryptKey(const std::string& key_file, const std::string& passphrase,
                const std::string& out_file) {
  const Key key(PEM_read_bio_PrivateKey(Open(key_file, "r").get(), nullptr, nullptr, nullptr));
  Check(key != nullptr, "a key can be read");
  WriteKey(out_file, key.get(), EVP_aes_256_cbc(), passphrase.c_str());
}

}  // namespace ragmesh::testing
