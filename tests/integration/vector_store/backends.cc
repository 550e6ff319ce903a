#include "tests/integration/vector_store/backends.h"

#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/milvus_store/milvus_store.h"
#include "libs/postgres_store/postgres_store.h"
#include "libs/vector_store/store.h"
#include "tests/integration/vector_store/server_process.h"

namespace ragmesh::testing {
namespace {

class BuiltinBackend final : public Backend {
 public:
  std::string Missing() override { return ""; }
  std::unique_ptr<stages::VectorStore> Open() override {
    vector_store::StoreOptions options;
    options.path = (folder_.path() / "store").string();
    auto store = vector_store::Store::Open(options);
    RAGMESH_CHECK(store.ok(), store.status().ToString().c_str());
    return *std::move(store);
  }

 private:
  TempDir folder_;
};

// The one server of the program, ended with it.
PostgresServer& Postgres() {
  static auto* const server = new std::unique_ptr<PostgresServer>();
  if (*server == nullptr) {
    *server = std::make_unique<PostgresServer>();
    std::atexit([] { server->reset(); });
  }
  return **server;
}

class PostgresBackend final : public Backend {
 public:
  explicit PostgresBackend(bool graph) : graph_(graph) {
    static std::atomic<int> next = 0;
    schema_ = absl::StrCat("test_", next++);
  }
  std::string Missing() override { return Postgres().missing(); }
  std::unique_ptr<stages::VectorStore> Open() override {
    postgres_store::PostgresOptions options;
    options.server = {Postgres().url(), Postgres().password()};
    options.schema = schema_;
    options.graph_index = graph_;
    options.connections = 4;
    auto store = postgres_store::PostgresStore::Open(options);
    RAGMESH_CHECK(store.ok(), store.status().ToString().c_str());
    return *std::move(store);
  }

 private:
  const bool graph_;
  std::string schema_;
};

MilvusServer& Milvus() {
  static auto* const server = new std::unique_ptr<MilvusServer>();
  if (*server == nullptr) {
    *server = std::make_unique<MilvusServer>();
    std::atexit([] { server->reset(); });
  }
  return **server;
}

class MilvusBackend final : public Backend {
 public:
  MilvusBackend() {
    static std::atomic<int> next = 0;
    prefix_ = absl::StrCat("test_", next++);
  }
  std::string Missing() override { return Milvus().missing(); }
  std::unique_ptr<stages::VectorStore> Open() override {
    milvus_store::MilvusOptions options;
    options.url = Milvus().url();
    options.prefix = prefix_;
    auto store = milvus_store::MilvusStore::Open(options);
    RAGMESH_CHECK(store.ok(), store.status().ToString().c_str());
    // Its port answers long before it does, minutes where others work on the machine.
    const absl::Time patience = absl::Now() + absl::Minutes(6);
    while (absl::Now() < patience) {
      const CallContext call(absl::Now() + absl::Seconds(10));
      if ((*store)->ListCollections("default", call).ok()) break;
      absl::SleepFor(absl::Milliseconds(100));
    }
    return *std::move(store);
  }

 private:
  std::string prefix_;
};

}  // namespace

std::unique_ptr<Backend> MakeBackend(const std::string& name) {
  if (name == "builtin") return std::make_unique<BuiltinBackend>();
  if (name == "milvus") return std::make_unique<MilvusBackend>();
  return std::make_unique<PostgresBackend>(name == "postgres_graph");
}

std::vector<std::string> BackendNames() {
  return {"builtin", "postgres", "postgres_graph", "milvus"};
}

}  // namespace ragmesh::testing
