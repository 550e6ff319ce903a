// HTTP over TLS: who is let in, and what happens when the files change.
#include <filesystem>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/http/server.h"
#include "libs/http/tls_context.h"
#include "libs/testing/certificates.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/unit/http/tls_client.h"

namespace ragmesh::http {
namespace {

using ragmesh::testing::CertificateAuthority;
using ragmesh::testing::HasReason;
using ragmesh::testing::IdentityFiles;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kGet[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

class HttpTlsTest : public ::testing::Test {
 protected:
  void Start(bool ask) {
    ServerOptions options;
    options.tls = TlsFiles{identity_.certificate, identity_.key, ask ? ours_.certificate() : ""};
    auto server = Server::Start(
        options, [](std::shared_ptr<Exchange> exchange) { exchange->Respond({.body = "hello"}); });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::string Get(TlsClient& client) { return client.Exchange(server_->port(), kGet); }

  const ragmesh::testing::TempDir folder_;
  const CertificateAuthority ours_{folder_.path(), "ours"};
  const CertificateAuthority theirs_{folder_.path(), "theirs"};
  const IdentityFiles identity_ = ours_.Issue("server");
  std::unique_ptr<Server> server_;
};

TEST_F(HttpTlsTest, AnyClientIsAnsweredWhenNoAuthoritiesAreNamed) {
  Start(/*ask=*/false);
  TlsClient client(ours_.certificate(), "", "");
  EXPECT_THAT(Get(client), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(client.server(), "server");
}

TEST_F(HttpTlsTest, AClientWithACertificateIsAnsweredAndMayResume) {
  Start(/*ask=*/true);
  const IdentityFiles files = ours_.Issue("client");
  TlsClient client(ours_.certificate(), files.certificate, files.key);
  EXPECT_THAT(Get(client), StartsWith("HTTP/1.1 200"));
  EXPECT_FALSE(client.resumed());
  EXPECT_THAT(Get(client), StartsWith("HTTP/1.1 200"));
  EXPECT_TRUE(client.resumed());
}

TEST_F(HttpTlsTest, AClientWithoutACertificateIsRefused) {
  Start(/*ask=*/true);
  TlsClient client(ours_.certificate(), "", "");
  EXPECT_EQ(Get(client), "");
}

TEST_F(HttpTlsTest, AClientCertificateOfAnotherAuthorityIsRefused) {
  Start(/*ask=*/true);
  const IdentityFiles files = theirs_.Issue("client");
  TlsClient client(ours_.certificate(), files.certificate, files.key);
  EXPECT_EQ(Get(client), "");
}

TEST_F(HttpTlsTest, AServerOfAnotherAuthorityIsRefusedByTheClient) {
  Start(/*ask=*/false);
  TlsClient client(theirs_.certificate(), "", "");
  EXPECT_EQ(Get(client), "");
}

TEST_F(HttpTlsTest, ErrorsNameTheFile) {
  const std::string absent = folder_.path() / "absent.pem";
  const auto certificate = TlsContextSource::Open({absent, identity_.key, ""});
  EXPECT_THAT(certificate, HasReason("TLS_CERTIFICATE_UNREADABLE"));
  EXPECT_THAT(std::string(certificate.status().message()), HasSubstr(absent));
  const std::string encrypted = folder_.path() / "encrypted.pem";
  ragmesh::testing::EncryptKey(identity_.key, "secret", encrypted);
  const auto key = TlsContextSource::Open({identity_.certificate, encrypted, ""});
  EXPECT_THAT(key, HasReason("TLS_KEY_UNREADABLE"));
  EXPECT_THAT(std::string(key.status().message()), HasSubstr(encrypted));
  const auto authorities = TlsContextSource::Open({identity_.certificate, identity_.key, absent});
  EXPECT_THAT(authorities, HasReason("TLS_AUTHORITIES_UNREADABLE"));
  EXPECT_THAT(std::string(authorities.status().message()), HasSubstr(absent));
}

// ---- Files that change ----

class TlsContextSourceTest : public ::testing::Test {
 protected:
  // Puts `from` in the place of `to`, and makes sure that its time differs.
  void Replace(const std::string& to, const std::string& from) {
    namespace fs = std::filesystem;
    fs::copy_file(from, to, fs::copy_options::overwrite_existing);
    fs::last_write_time(to, fs::last_write_time(to) + std::chrono::seconds(++changes_));
  }
  std::string ServerName(absl::Time now) {
    SSL_CTX* context = source_->Current(now).native_handle();
    char name[64] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_CTX_get0_certificate(context)),
                              NID_commonName, name, sizeof(name));
    return name;
  }

  const ragmesh::testing::TempDir folder_;
  const CertificateAuthority authority_{folder_.path(), "ca"};
  const IdentityFiles files_ = authority_.Issue("old");
  const IdentityFiles next_ = authority_.Issue("new");
  const std::unique_ptr<TlsContextSource> source_ =
      *TlsContextSource::Open({files_.certificate, files_.key, authority_.certificate()});
  const absl::Time start_ = absl::UnixEpoch();
  int changes_ = 0;
};

TEST_F(TlsContextSourceTest, NewFilesAreTakenAtTheNextLook) {
  EXPECT_EQ(ServerName(start_), "old");
  Replace(files_.certificate, next_.certificate);
  Replace(files_.key, next_.key);
  EXPECT_EQ(ServerName(start_ + absl::Seconds(9)), "old");
  EXPECT_EQ(ServerName(start_ + absl::Seconds(10)), "new");
}

TEST_F(TlsContextSourceTest, FilesThatDoNotBelongTogetherAreLeftAsideUntilTheyDo) {
  EXPECT_EQ(ServerName(start_), "old");
  Replace(files_.certificate, next_.certificate);
  EXPECT_EQ(ServerName(start_ + absl::Seconds(10)), "old");
  Replace(files_.key, next_.key);
  EXPECT_EQ(ServerName(start_ + absl::Seconds(20)), "new");
}

TEST_F(TlsContextSourceTest, FilesThatAreGoneLeaveTheContextAsItWas) {
  EXPECT_EQ(ServerName(start_), "old");
  std::filesystem::remove(files_.certificate);
  EXPECT_EQ(ServerName(start_ + absl::Seconds(10)), "old");
}

}  // namespace
}  // namespace ragmesh::http
