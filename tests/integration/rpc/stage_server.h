// All six stages on one real gRPC server with fake cores behind, and clients to them.
#ifndef RAGMESH_TESTS_INTEGRATION_RPC_STAGE_SERVER_H_
#define RAGMESH_TESTS_INTEGRATION_RPC_STAGE_SERVER_H_

#include <memory>
#include <string>

#include "libs/clients/clients.h"
#include "libs/metrics/registry.h"
#include "libs/rpc/server.h"
#include "libs/testing/fake_embedder.h"
#include "libs/testing/fake_generator.h"
#include "libs/testing/fake_loader.h"
#include "libs/testing/fake_reranker.h"
#include "libs/testing/fake_splitter.h"
#include "libs/testing/fake_vector_store.h"

namespace ragmesh::testing {

class StageServer {
 public:
  struct Options {
    rpc::ServerOptions server;  // listens on a free port of loopback unless told otherwise
    bool ready = true;
    bool fill = true;  // false: the stages have no cores
  };

  StageServer() : StageServer(Options()) {}
  explicit StageServer(Options options);
  ~StageServer();

  clients::Peer peer() const { return {.target = server_->addresses().front()}; }
  rpc::Server& server() { return *server_; }
  metrics::Registry& metrics();

  std::shared_ptr<FakeLoader> loader = std::make_shared<FakeLoader>();
  std::shared_ptr<FakeSplitter> splitter = std::make_shared<FakeSplitter>();
  std::shared_ptr<FakeEmbedder> embedder = std::make_shared<FakeEmbedder>();
  std::shared_ptr<FakeVectorStore> store = std::make_shared<FakeVectorStore>();
  std::shared_ptr<FakeReranker> reranker = std::make_shared<FakeReranker>();
  std::shared_ptr<FakeGenerator> generator = std::make_shared<FakeGenerator>();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::unique_ptr<rpc::Server> server_;
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_TESTS_INTEGRATION_RPC_STAGE_SERVER_H_
