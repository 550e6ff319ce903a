#include "tests/unit/http/tls_client.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "libs/base/check.h"

namespace ragmesh::http {

TlsClient::TlsClient(const std::string& authorities, const std::string& certificate,
                     const std::string& key)
    : context_(SSL_CTX_new(TLS_client_method())) {
  bool good = SSL_CTX_load_verify_file(context_.get(), authorities.c_str()) == 1;
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  // The server ends without close_notify, since its answers state their length.
  SSL_CTX_set_options(context_.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
  if (!certificate.empty()) {
    good = good && SSL_CTX_use_certificate_chain_file(context_.get(), certificate.c_str()) == 1 &&
           SSL_CTX_use_PrivateKey_file(context_.get(), key.c_str(), SSL_FILETYPE_PEM) == 1;
  }
  RAGMESH_CHECK(good, "the client's own files are good");
}

std::string TlsClient::Exchange(std::uint16_t port, const std::string& request) {
  ERR_clear_error();
  const std::unique_ptr<BIO, Deleter<BIO_free_all>> bio(BIO_new_ssl_connect(context_.get()));
  SSL* ssl = nullptr;
  BIO_get_ssl(bio.get(), &ssl);
  if (session_ != nullptr) SSL_set_session(ssl, session_.get());
  BIO_set_conn_hostname(bio.get(), ("127.0.0.1:" + std::to_string(port)).c_str());
  if (BIO_do_connect(bio.get()) != 1 || BIO_do_handshake(bio.get()) != 1) return "";
  char name[256] = "";
  const std::unique_ptr<X509, Deleter<X509_free>> peer(SSL_get1_peer_certificate(ssl));
  X509_NAME_get_text_by_NID(X509_get_subject_name(peer.get()), NID_commonName, name, sizeof(name));
  server_ = name;
  BIO_write(bio.get(), request.data(), static_cast<int>(request.size()));
  std::string answer;
  char buffer[4096];
  // In TLS 1.3 this is where a client learns that the server did not like its certificate.
  for (int got; (got = BIO_read(bio.get(), buffer, sizeof(buffer))) > 0;)
    answer.append(buffer, static_cast<std::size_t>(got));
  resumed_ = SSL_session_reused(ssl) == 1;
  session_.reset(SSL_get1_session(ssl));
  return answer;
}

}  // namespace ragmesh::http
