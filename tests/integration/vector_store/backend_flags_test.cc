// The flags that choose a store.
#include <fstream>

#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "services/vector_store/store_watch.h"
#include "services/vector_store/vector_store_stage.h"

namespace ragmesh::services {
namespace {

using ::testing::HasSubstr;

absl::Status ParseFlags(std::vector<const char*> arguments, VectorStoreConfig* config) {
  flags::FlagSet flags("ragmesh-vector-store", "Keeps.");
  config->Declare(flags);
  arguments.insert(arguments.begin(), "ragmesh-vector-store");
  return flags.Parse(static_cast<int>(arguments.size()), arguments.data()).status();
}

TEST(BackendFlagsTest, AServerNeedsAUrlAndNoPasswordInIt) {
  VectorStoreConfig config;
  RAGMESH_EXPECT_OK(ParseFlags({"--store_backend=builtin"}, &config));
  EXPECT_THAT(std::string(ParseFlags({"--store_backend=postgres"}, &config).message()),
              HasSubstr("store_url"));
  for (const char* url :
       {"--store_url=postgresql://u:secret@h/d", "--store_url=postgresql://h/d?password=secret",
        "--store_url=http://u:secret@h:19530"}) {
    const absl::Status refused = ParseFlags({"--store_backend=postgres", url}, &config);
    EXPECT_THAT(std::string(refused.message()), HasSubstr("password"));
    EXPECT_THAT(std::string(refused.message()), ::testing::Not(HasSubstr("secret")));
  }
  RAGMESH_EXPECT_OK(
      ParseFlags({"--store_backend=postgres", "--store_url=postgresql://u@h:5433/d"}, &config));
  EXPECT_FALSE(ParseFlags({"--store_backend=oracle", "--store_url=x"}, &config).ok());
}

TEST(BackendFlagsTest, AStoreIsMadeAlthoughItsServerIsAway) {
  const testing::TempDir folder;
  const std::string password = (folder.path() / "password").string();
  std::ofstream(password) << "user:secret\r\n";
  for (const char* backend : {"postgres", "milvus"}) {
    VectorStoreConfig config;
    config.backend = backend;
    // Nothing listens on port 1.
    config.url = config.backend == "milvus" ? "http://127.0.0.1:1" : "postgresql://u@127.0.0.1:1/d";
    config.password_file = password;
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto store, MakeVectorStore(config, nullptr));
    const CallContext call(absl::Now() + absl::Seconds(10));
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto info, store->Info(call));
    EXPECT_FALSE(info.ready);
    EXPECT_EQ(info.features.at("backend"), backend);
    EXPECT_THAT(store->ListCollections("default", call), testing::HasReason("STORE_UNAVAILABLE"));
    EXPECT_THAT(StoreReadiness(*store, call), testing::HasReason("STORE_UNAVAILABLE"));
    config.password_file = (folder.path() / "absent").string();
    EXPECT_THAT(MakeVectorStore(config, nullptr).status(), testing::HasReason("INVALID_FIELD"));
    config.password_file = "";
    config.schema = "Robert'); --";
    EXPECT_THAT(MakeVectorStore(config, nullptr).status(), testing::HasReason("INVALID_FIELD"));
  }
}

}  // namespace
}  // namespace ragmesh::services
