#include "libs/rpc/server_options.h"

#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::rpc {
namespace {

absl::Status CheckPem(const std::string& flag, const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file && text.empty()) {
    return InvalidField(flag, absl::StrCat("names ", path, ", which cannot be read"),
                        "Check the path and the file's permissions.");
  }
  if (!absl::StrContains(text, "-----BEGIN ")) {
    return InvalidField(
        flag, absl::StrCat("names ", path, ", which is not a PEM file"),
        "Convert it, for example with: openssl x509 -inform der -in FILE -out FILE.pem");
  }
  return absl::OkStatus();
}

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
  RAGMESH_RETURN_IF_ERROR(CheckPem("--tls_cert", tls.cert_file));
  RAGMESH_RETURN_IF_ERROR(CheckPem("--tls_key", tls.key_file));
  return CheckPem("--tls_client_ca", tls.client_ca_file);
}

}  // namespace ragmesh::rpc
