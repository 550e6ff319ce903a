// Who may talk to whom over TLS, and how wrong files are refused before anything listens or dials.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "libs/rpc/channel.h"
#include "libs/testing/certificates.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/integration/rpc/stage_server.h"

namespace ragmesh::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// A call that hangs ends with DEADLINE_EXCEEDED and fails the test; a refused one takes
// milliseconds.
CallContext Soon() { return CallContext(absl::Now() + absl::Seconds(20)); }

class TlsTest : public ::testing::Test {
 protected:
  // A server with a certificate of ours; with `ask`, callers must show one too.
  std::unique_ptr<StageServer> Serve(bool ask) const {
    return Serve(rpc::ServerTls{server_.certificate, server_.key, ask ? ours_.certificate() : ""});
  }
  static std::unique_ptr<StageServer> Serve(const rpc::ServerTls& tls) {
    StageServer::Options options;
    options.server.tls = tls;
    return std::make_unique<StageServer>(options);
  }

  // What a caller gets over a new connection.
  static absl::Status Call(const StageServer& server, const rpc::ClientTls& tls) {
    auto client = clients::ConnectEmbedder({server.peer().target, tls});
    if (!client.ok()) return client.status();
    return (*client)->Embed({.texts = {"x"}}, Soon()).status();
  }

  std::string Write(const std::string& name, const std::string& text) const {
    const std::string path = folder_.path() / name;
    std::ofstream(path) << text;
    return path;
  }

  const TempDir folder_;
  const CertificateAuthority ours_{folder_.path(), "ours"};
  const CertificateAuthority theirs_{folder_.path(), "theirs"};
  const IdentityFiles server_ = ours_.Issue("server");
  const IdentityFiles client_ = ours_.Issue("client");
};

TEST_F(TlsTest, AClientWithTheRightCertificateGetsAnAnswer) {
  const auto server = Serve(/*ask=*/true);
  RAGMESH_EXPECT_OK(Call(
      *server,
      {.ca_file = ours_.certificate(), .cert_file = client_.certificate, .key_file = client_.key}));
}

TEST_F(TlsTest, StreamsRunOverTlsToo) {
  const auto server = Serve(/*ask=*/true);
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto client,
                               clients::ConnectGenerator({server->peer().target,
                                                          {.ca_file = ours_.certificate(),
                                                           .cert_file = client_.certificate,
                                                           .key_file = client_.key}}));
  std::string text;
  RAGMESH_EXPECT_OK(client->Generate(
      {.prompt = stages::RawPrompt{"why?"}},
      [&](const stages::TokenEvent& event) {
        text += event.text;
        return absl::OkStatus();
      },
      Soon()));
  EXPECT_EQ(text, "I do not know.");
}

TEST_F(TlsTest, AServerThatAsksForNoCertificateTakesAClientWithoutOne) {
  const auto server = Serve(/*ask=*/false);
  RAGMESH_EXPECT_OK(Call(*server, {.ca_file = ours_.certificate()}));
}

TEST_F(TlsTest, AClientWithoutACertificateIsRefusedByAServerThatAsks) {
  const auto server = Serve(/*ask=*/true);
  const absl::Status refused = Call(*server, {.ca_file = ours_.certificate()});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable, HasSubstr(server->peer().target)));
  EXPECT_THAT(refused, HasReason("PEER_UNREACHABLE"));
}

TEST_F(TlsTest, AClientCertificateOfAnotherAuthorityIsRefused) {
  const auto server = Serve(/*ask=*/true);
  const IdentityFiles stranger = theirs_.Issue("client");
  const absl::Status refused = Call(*server, {.ca_file = ours_.certificate(),
                                              .cert_file = stranger.certificate,
                                              .key_file = stranger.key});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(refused, HasReason("PEER_UNREACHABLE"));
}

TEST_F(TlsTest, AServerCertificateOfAnotherAuthorityIsRefusedByTheClient) {
  const IdentityFiles stranger = theirs_.Issue("server");
  const auto server = Serve(rpc::ServerTls{stranger.certificate, stranger.key, ""});
  EXPECT_THAT(Call(*server, {.ca_file = ours_.certificate()}),
              StatusIs(absl::StatusCode::kUnavailable));
  RAGMESH_EXPECT_OK(Call(*server, {.ca_file = theirs_.certificate()}));
}

TEST_F(TlsTest, AServerCertificateForAnotherNameIsRefusedUnlessTheNameIsExpected) {
  const IdentityFiles named = ours_.Issue("named", "DNS:embedder.mesh");
  const auto server = Serve(rpc::ServerTls{named.certificate, named.key, ""});
  EXPECT_THAT(Call(*server, {.ca_file = ours_.certificate()}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Call(*server, {.ca_file = ours_.certificate(), .server_name = "reranker.mesh"}),
              StatusIs(absl::StatusCode::kUnavailable));
  RAGMESH_EXPECT_OK(
      Call(*server, {.ca_file = ours_.certificate(), .server_name = "embedder.mesh"}));
}

TEST_F(TlsTest, APlainClientIsRefusedByATlsServerAtOnce) {
  for (const bool ask : {false, true}) {
    const auto server = Serve(ask);
    const absl::Status refused = Call(*server, {});
    EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable,
                                  HasSubstr("embedder at " + server->peer().target)));
    EXPECT_THAT(refused, HasReason("PEER_UNREACHABLE"));
  }
}

TEST_F(TlsTest, ATlsClientDoesNotFallBackToAPlainServer) {
  const StageServer server;
  EXPECT_THAT(Call(server, {.ca_file = ours_.certificate()}),
              StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(TlsTest, AUnixSocketStaysPlainBesideTls) {
  StageServer::Options options;
  options.server.listen = {"unix:" + (folder_.path() / "stage.sock").string(), "127.0.0.1:0"};
  options.server.tls = {server_.certificate, server_.key, ours_.certificate()};
  const StageServer server(options);
  RAGMESH_EXPECT_OK(Call(server, {}));
}

// ---- Files that cannot be used ----

struct BadFiles {
  std::string flag;       // named first
  std::string file;       // named too; empty: none was given
  std::string problem;    // part of the message
  std::string next_step;  // part of it
};

void ExpectRefused(const absl::Status& status, const BadFiles& bad) {
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(bad.flag), HasSubstr(bad.file), HasSubstr(bad.problem))));
  EXPECT_THAT(status, HasReason("INVALID_FIELD"));
  const ErrorDetail detail = GetErrorDetail(status).value_or(ErrorDetail{});
  EXPECT_EQ(detail.field, bad.flag);
  EXPECT_THAT(detail.next_step, HasSubstr(bad.next_step));
}

class TlsFilesTest : public TlsTest {
 protected:
  absl::Status Start(const std::string& cert, const std::string& key, const std::string& ca) const {
    rpc::ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    options.tls = {cert, key, ca};
    return rpc::Server::Start(options, {}, {}).status();
  }
  static absl::Status Dial(const rpc::ClientTls& tls) {
    return rpc::Dial({.target = "127.0.0.1:1", .stage = "embedder", .service = "x", .tls = tls})
        .status();
  }

  const std::string absent_ = folder_.path() / "absent.pem";
  const std::string empty_ = Write("empty.pem", "");
  const std::string text_ = Write("text.pem", "a certificate, honestly");
  const std::string cut_ =
      Write("cut.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
};

TEST_F(TlsFilesTest, AServerNamesTheCertificateItCannotUse) {
  const auto start = [&](const std::string& cert) { return Start(cert, server_.key, ""); };
  ExpectRefused(start(absent_), {"--tls_cert", absent_, "cannot be read", "Check the path"});
  const std::string folder = folder_.path();
  ExpectRefused(start(folder), {"--tls_cert", folder, "cannot be read", "Check the path"});
  ExpectRefused(start(empty_), {"--tls_cert", empty_, "not a PEM file", "openssl x509"});
  ExpectRefused(start(text_), {"--tls_cert", text_, "not a PEM file", "openssl x509"});
  ExpectRefused(start(cut_), {"--tls_cert", cut_, "damaged certificate", "Copy the file"});
  ExpectRefused(start(server_.key),
                {"--tls_cert", server_.key, "holds no certificate", "not of a key"});
}

TEST_F(TlsFilesTest, AServerNamesTheKeyItCannotUse) {
  const auto start = [&](const std::string& key) { return Start(server_.certificate, key, ""); };
  ExpectRefused(start(absent_), {"--tls_key", absent_, "cannot be read", "Check the path"});
  ExpectRefused(start(text_), {"--tls_key", text_, "not a PEM file", "Convert it"});
  ExpectRefused(start(server_.certificate),
                {"--tls_key", server_.certificate, "holds no private key", "not of a certificate"});
  const std::string encrypted = folder_.path() / "encrypted.pem";
  EncryptKey(server_.key, "secret", encrypted);
  ExpectRefused(start(encrypted), {"--tls_key", encrypted, "encrypted key", "openssl pkey"});
}

TEST_F(TlsFilesTest, AServerRefusesAKeyOfAnotherCertificate) {
  const absl::Status refused = Start(server_.certificate, client_.key, "");
  ExpectRefused(refused,
                {"--tls_key", client_.key, "is not the key of the first certificate", "belong"});
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("--tls_cert"), HasSubstr(server_.certificate))));
}

TEST_F(TlsFilesTest, AServerNamesTheAuthoritiesItCannotUse) {
  const auto start = [&](const std::string& ca) {
    return Start(server_.certificate, server_.key, ca);
  };
  ExpectRefused(start(absent_), {"--tls_client_ca", absent_, "cannot be read", "Check the path"});
  ExpectRefused(start(server_.key),
                {"--tls_client_ca", server_.key, "holds no certificate", "not of a key"});
}

TEST_F(TlsFilesTest, AServerRefusesHalfOfWhatTlsNeeds) {
  ExpectRefused(Start(server_.certificate, "", ""), {"--tls_key", "", "is missing", "together"});
  ExpectRefused(Start("", server_.key, ""), {"--tls_cert", "", "is missing", "together"});
  ExpectRefused(Start("", "", ours_.certificate()),
                {"--tls_client_ca", "", "without --tls_cert", "--tls_key"});
}

TEST_F(TlsFilesTest, AClientRefusesHalfOfWhatTlsNeeds) {
  ExpectRefused(Dial({.ca_file = ours_.certificate(), .cert_file = client_.certificate}),
                {"--tls_key", "", "is missing", "together"});
  ExpectRefused(Dial({.ca_file = ours_.certificate(), .key_file = client_.key}),
                {"--tls_cert", "", "is missing", "together"});
}

// It would talk in plain text to whoever answers.
TEST_F(TlsFilesTest, AClientWithACertificateButNoAuthoritiesIsRefused) {
  ExpectRefused(Dial({.cert_file = client_.certificate, .key_file = client_.key}),
                {"--tls_ca", "", "is missing", "turns TLS on"});
}

TEST_F(TlsFilesTest, AClientNamesTheFileItCannotUseByItsOwnFlag) {
  ExpectRefused(Dial({.ca_file = absent_, .flags = "--peer"}),
                {"--peer_ca", absent_, "cannot be read", "Check the path"});
  ExpectRefused(Dial({.ca_file = client_.key, .flags = "--peer"}),
                {"--peer_ca", client_.key, "holds no certificate", "not of a key"});
  ExpectRefused(Dial({.ca_file = ours_.certificate(),
                      .cert_file = client_.certificate,
                      .key_file = server_.key,
                      .flags = "--peer"}),
                {"--peer_key", server_.key, "is not the key of", "belong"});
  ExpectRefused(Dial({.ca_file = ours_.certificate(),
                      .cert_file = cut_,
                      .key_file = client_.key,
                      .flags = "--peer"}),
                {"--peer_cert", cut_, "damaged certificate", "Copy the file"});
}

TEST_F(TlsFilesTest, AChainBesidesTheCertificateIsTaken) {
  const std::string chain =
      Write("chain.pem", ReadFileOrDie(server_.certificate) + ReadFileOrDie(ours_.certificate()));
  RAGMESH_EXPECT_OK(Start(chain, server_.key, ours_.certificate()));
}

}  // namespace
}  // namespace ragmesh::testing
