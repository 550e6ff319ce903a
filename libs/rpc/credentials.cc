#include "libs/rpc/credentials.h"

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/pem_files.h"

namespace ragmesh::rpc {
namespace {

constexpr unsigned kRefreshSeconds = 10;  // how often the files are looked at

namespace tls_api = grpc::experimental;

std::shared_ptr<tls_api::CertificateProviderInterface> Watch(const std::string& key,
                                                             const std::string& cert,
                                                             const std::string& ca) {
  return std::make_shared<tls_api::FileWatcherCertificateProvider>(key, cert, ca, kRefreshSeconds);
}

}  // namespace

absl::Status Validate(const ClientTls& tls) {
  const PemFile ca{absl::StrCat(tls.flags, "_ca"), tls.ca_file};
  const PemFile cert{absl::StrCat(tls.flags, "_cert"), tls.cert_file};
  const PemFile key{absl::StrCat(tls.flags, "_key"), tls.key_file};
  if (cert.path.empty() != key.path.empty()) {
    return InvalidField(cert.path.empty() ? cert.flag : key.flag, "is missing",
                        absl::StrCat("Give ", cert.flag, " and ", key.flag, " together."));
  }
  if (ca.path.empty()) {
    if (cert.path.empty()) return absl::OkStatus();
    return InvalidField(ca.flag, absl::StrCat("is missing, and ", cert.flag, " is set"),
                        absl::StrCat("Give ", ca.flag, " too: it turns TLS on."));
  }
  if (!cert.path.empty()) RAGMESH_RETURN_IF_ERROR(CheckIdentity(cert, key));
  return CheckCertificates(ca);
}

std::shared_ptr<grpc::ServerCredentials> ServerCredentialsFor(const std::string& address,
                                                              const ServerTls& tls) {
  if (tls.cert_file.empty() || absl::StartsWith(address, "unix:"))
    return grpc::InsecureServerCredentials();
  tls_api::TlsServerCredentialsOptions options(
      Watch(tls.key_file, tls.cert_file, tls.client_ca_file));
  options.watch_identity_key_cert_pairs();
  if (!tls.client_ca_file.empty()) {
    options.watch_root_certs();
    options.set_cert_request_type(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  }
  return tls_api::TlsServerCredentials(options);
}

std::shared_ptr<grpc::ChannelCredentials> ChannelCredentialsFor(const std::string& target,
                                                                const ClientTls& tls) {
  if (tls.ca_file.empty() || absl::StartsWith(target, "unix:"))
    return grpc::InsecureChannelCredentials();
  tls_api::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(Watch(tls.key_file, tls.cert_file, tls.ca_file));
  options.watch_root_certs();
  if (!tls.cert_file.empty()) options.watch_identity_key_cert_pairs();
  return tls_api::TlsCredentials(options);
}

}  // namespace ragmesh::rpc
