// The gateway's HTTP side keeps what --tls_client_ca promises: it leads to the same service as
// gRPC.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/log/logger.h"
#include "libs/testing/certificates.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "services/gateway/http_front.h"
#include "tests/unit/http/tls_client.h"

namespace ragmesh::services {
namespace {

using ::testing::StartsWith;

// The page is compiled in, so no gRPC server is needed behind.
constexpr char kGet[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

class HttpFrontTlsTest : public ::testing::Test {
 protected:
  void Start(const std::string& client_ca) {
    GatewayConfig config;
    config.http_listen = "127.0.0.1:0";
    config.bridge_target = "unix:" + (folder_.path() / "absent.sock").string();
    RAGMESH_ASSERT_OK_AND_ASSIGN(
        front_, HttpFront::Start(config, {server_.certificate, server_.key, client_ca}, log_));
  }
  std::string Get(const testing::IdentityFiles& client) {
    return http::TlsClient(authority_.certificate(), client.certificate, client.key)
        .Exchange(front_->port(), kGet);
  }

  const testing::TempDir folder_;
  const testing::CertificateAuthority authority_{folder_.path(), "ca"};
  const testing::IdentityFiles server_ = authority_.Issue("gateway");
  log::Logger log_{{.stage = "gateway", .level = log::Level::kError}};
  std::unique_ptr<HttpFront> front_;
};

TEST_F(HttpFrontTlsTest, ServesOverTlsWithTheCertificateOfGrpc) {
  Start("");
  EXPECT_THAT(Get({}), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpFrontTlsTest, AsksForTheCertificateThatGrpcAsksFor) {
  Start(authority_.certificate());
  EXPECT_EQ(Get({}), "");
  EXPECT_THAT(Get(authority_.Issue("browser")), StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace ragmesh::services
