#include "services/gateway/api_keys.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/base/sha256.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::services {
namespace {

using ::ragmesh::testing::HasReason;

std::string File(const std::string& labels = "[\"staff\"]") {
  return absl::StrCat("[{\"name\":\"ci\",\"sha256\":\"", Sha256Hex("sesame"),
                      "\",\"tenant\":\"acme\",\"labels\":", labels, "}]");
}

TEST(ApiKeysTest, WithoutAFileEveryoneIsTheDefaultTenant) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto caller, ApiKeys::Open().CallerOf(""));
  EXPECT_EQ(caller.tenant, "default");
  EXPECT_EQ(caller.labels, std::vector<std::string>{"public"});
}

TEST(ApiKeysTest, AKeyNamesItsTenantAndLabels) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto keys, ApiKeys::FromJson(File()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto caller, keys.CallerOf("Bearer sesame"));
  EXPECT_EQ(caller.tenant, "acme");
  EXPECT_EQ(caller.labels, std::vector<std::string>{"staff"});
  EXPECT_EQ(caller.name, "ci");
}

TEST(ApiKeysTest, NoKeyAndAWrongKeyAreToldApart) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto keys, ApiKeys::FromJson(File()));
  EXPECT_THAT(keys.CallerOf(""), HasReason("API_KEY_REQUIRED"));
  EXPECT_THAT(keys.CallerOf("Basic c2VzYW1l"), HasReason("API_KEY_REQUIRED"));
  EXPECT_THAT(keys.CallerOf("Bearer wrong"), HasReason("API_KEY_UNKNOWN"));
  EXPECT_THAT(keys.CallerOf("Bearer "), HasReason("API_KEY_UNKNOWN"));
}

TEST(ApiKeysTest, BadFilesNameTheEntry) {
  EXPECT_THAT(ApiKeys::FromJson(""), HasReason("INVALID_FIELD"));
  EXPECT_THAT(ApiKeys::FromJson("[]"), HasReason("INVALID_FIELD"));
  EXPECT_THAT(ApiKeys::FromJson("[1]"), HasReason("INVALID_FIELD"));
  EXPECT_THAT(ApiKeys::FromJson(File("[\"*\"]")), HasReason("INVALID_FIELD"));
  EXPECT_THAT(ApiKeys::FromJson(File("\"staff\"")), HasReason("INVALID_FIELD"));
  EXPECT_THAT(ApiKeys::FromJson(File("[\"" + std::string(129, 'x') + "\"]")),
              HasReason("INVALID_FIELD"));
  std::string many = "\"x\"";
  for (int i = 0; i < 64; ++i) many += ",\"x" + std::to_string(i) + "\"";
  EXPECT_THAT(ApiKeys::FromJson(File("[" + many + "]")), HasReason("INVALID_FIELD"));
  EXPECT_THAT(ApiKeys::FromFile("/no/such/file"), HasReason("INVALID_FIELD"));
}

}  // namespace
}  // namespace ragmesh::services
