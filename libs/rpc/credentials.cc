#include "libs/rpc/credentials.h"

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include "absl/strings/match.h"

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
