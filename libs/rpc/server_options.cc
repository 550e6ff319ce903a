#include "libs/rpc/server_options.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/pem_files.h"

namespace ragmesh::rpc {
namespace {

absl::Status CheckAddress(const std::string& flag, const std::string& address) {
  if (absl::StartsWith(address, "unix:") && address.size() > 5) return absl::OkStatus();
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon + 1 == address.size()) {
    return InvalidField(flag, absl::StrCat("is \"", address, "\""),
                        "Write HOST:PORT or unix:PATH.");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Validate(const ServerOptions& options) {
  if (options.listen.empty())
    return InvalidField("--listen", "is empty", "Give at least one address.");
  for (const std::string& address : options.listen)
    RAGMESH_RETURN_IF_ERROR(CheckAddress("--listen", address));
  if (!options.admin_listen.empty())
    RAGMESH_RETURN_IF_ERROR(CheckAddress("--admin_listen", options.admin_listen));
  const ServerTls& tls = options.tls;
  if (tls.cert_file.empty() != tls.key_file.empty()) {
    return InvalidField(tls.cert_file.empty() ? "--tls_cert" : "--tls_key", "is missing",
                        "Give --tls_cert and --tls_key together.");
  }
  if (!tls.client_ca_file.empty() && tls.cert_file.empty()) {
    return InvalidField("--tls_client_ca", "is set without --tls_cert",
                        "Give --tls_cert and --tls_key too.");
  }
  if (tls.cert_file.empty()) return absl::OkStatus();
  RAGMESH_RETURN_IF_ERROR(
      CheckIdentity({"--tls_cert", tls.cert_file}, {"--tls_key", tls.key_file}));
  if (tls.client_ca_file.empty()) return absl::OkStatus();
  return CheckCertificates({"--tls_client_ca", tls.client_ca_file});
}

}  // namespace ragmesh::rpc
