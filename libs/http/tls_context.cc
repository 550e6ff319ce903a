#include "libs/http/tls_context.h"

#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "boost/system/error_code.hpp"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::http {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr absl::Duration kLookInterval = absl::Seconds(10);  // as often as gRPC looks

absl::StatusOr<std::unique_ptr<asio::ssl::context>> LoadContext(const TlsFiles& files) {
  auto context = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
  error_code error;
  context->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                           asio::ssl::context::no_tlsv1_1 | SSL_OP_NO_RENEGOTIATION |
                           SSL_OP_NO_COMPRESSION,
                       error);
  if (!error) context->use_certificate_chain_file(files.certificate_chain, error);
  if (error) {
    return WrongState(
        "TLS_CERTIFICATE_UNREADABLE",
        absl::StrCat("TLS certificate chain ", files.certificate_chain, ": ", error.message()),
        "Give a PEM file with the certificate first and its chain after it.");
  }
  // Without a callback OpenSSL asks for the passphrase of an encrypted key on the terminal.
  SSL_CTX_set_default_passwd_cb(context->native_handle(),
                                [](char*, int, int, void*) { return -1; });
  context->use_private_key_file(files.private_key, asio::ssl::context::pem, error);
  if (error) {
    return WrongState("TLS_KEY_UNREADABLE",
                      absl::StrCat("TLS private key ", files.private_key, ": ", error.message()),
                      "Give a PEM file with the unencrypted key that belongs to the certificate.");
  }
  if (files.client_authorities.empty()) return context;
  context->load_verify_file(files.client_authorities, error);
  if (!error) {
    context->set_verify_mode(asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert,
                             error);
  }
  if (error) {
    return WrongState(
        "TLS_AUTHORITIES_UNREADABLE",
        absl::StrCat("TLS client authorities ", files.client_authorities, ": ", error.message()),
        "Give a PEM file with the certificates of the authorities.");
  }
  // OpenSSL refuses to resume a session whose client was verified unless it is told whose it is.
  constexpr unsigned char kSessionOf[] = "ragmesh";
  SSL_CTX_set_session_id_context(context->native_handle(), kSessionOf, sizeof(kSessionOf));
  return context;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsContextSource>> TlsContextSource::Open(TlsFiles files) {
  std::unique_ptr<TlsContextSource> self(new TlsContextSource(std::move(files)));
  RAGMESH_RETURN_IF_ERROR(self->Load(self->Look()));
  return self;
}

asio::ssl::context& TlsContextSource::Current(absl::Time now) {
  if (now - looked_ < kLookInterval) return *context_;
  looked_ = now;
  // A failure is no error here: the context that is held still works, and the next look tries
  // again.
  if (const Stamps stamps = Look(); stamps != loaded_) Load(stamps).IgnoreError();
  return *context_;
}

TlsContextSource::Stamps TlsContextSource::Look() const {
  Stamps stamps{};
  std::size_t i = 0;
  for (const std::string* path :
       {&files_.certificate_chain, &files_.private_key, &files_.client_authorities}) {
    std::error_code absent;
    stamps[i++] = std::filesystem::last_write_time(*path, absent);
  }
  return stamps;
}

// `stamps` were taken before the files are read, so that a later change is seen.
absl::Status TlsContextSource::Load(const Stamps& stamps) {
  RAGMESH_ASSIGN_OR_RETURN(auto context, LoadContext(files_));
  context_ = std::move(context);
  loaded_ = stamps;
  return absl::OkStatus();
}

}  // namespace ragmesh::http
