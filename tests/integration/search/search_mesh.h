// A gateway and a real vector store, each behind a real gRPC server, and fakes for the other
// stages: what a search says has crossed both contracts.
#ifndef RAGMESH_TESTS_INTEGRATION_SEARCH_SEARCH_MESH_H_
#define RAGMESH_TESTS_INTEGRATION_SEARCH_SEARCH_MESH_H_

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/clients/clients.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/log/logger.h"
#include "libs/metrics/registry.h"
#include "libs/pipeline/gateway.h"
#include "libs/rpc/server.h"
#include "libs/rpc/status.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "libs/trace/span.h"
#include "libs/vector_store/store.h"
#include "services/gateway/gateway_metrics.h"
#include "services/gateway/gateway_service.h"
#include "services/vector_store/vector_store_service.h"
#include "tests/unit/pipeline/fake_mesh.h"

namespace ragmesh::services {

inline std::vector<std::string> MethodsOfBoth() {
  std::vector<std::string> methods;
  for (const char* service :
       {"ragmesh.gateway.v1.GatewayService", "ragmesh.vector_store.v1.VectorStoreService"}) {
    for (const std::string& method : rpc::MethodNames(service)) methods.push_back(method);
  }
  return methods;
}

class SearchMesh : public ::testing::Test {
 protected:
  void SetUp() override {
    next_embedder_.name = "next";
    next_embedder_.digest = std::string(64, 'b');
    next_embedder_.dimension = 96;
    auto store = vector_store::Store::Open({.path = (folder_.path() / "store").string()});
    ASSERT_TRUE(store.ok()) << store.status();
    slot_.Fill(std::shared_ptr<stages::VectorStore>(*std::move(store)));
    store_server_ = Start({&store_service_}, "ragmesh.vector_store.v1.VectorStoreService");
    auto client = clients::ConnectVectorStore({.target = store_server_->addresses().front()});
    ASSERT_TRUE(client.ok()) << client.status();
    store_ = *std::move(client);
    stages_ = std::make_unique<pipeline::Stages>(
        pipeline::Stages{fakes_.loader, fakes_.splitter, fakes_.embedder, *store_, fakes_.reranker,
                         fakes_.generator, &next_embedder_});
    pipeline::GatewayOptions options;
    options.ingest.data_folder = folder_.path() / "gateway";
    auto gateway = pipeline::Gateway::Create(*stages_, options, observer_);
    ASSERT_TRUE(gateway.ok()) << gateway.status();
    gateway_ = *std::move(gateway);
    service_ = std::make_unique<GatewayService>(runtime_, *gateway_, keys_);
    gateway_server_ = Start({service_.get()}, "ragmesh.gateway.v1.GatewayService");
    stub_ = gateway::v1::GatewayService::NewStub(
        grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()));
    Create("manuals", false);
  }
  void TearDown() override {
    gateway_server_->Drain(absl::Seconds(5));
    store_server_->Drain(absl::Seconds(5));
  }

  std::string address() const { return gateway_server_->addresses().front(); }

  std::unique_ptr<rpc::Server> Start(const std::vector<grpc::Service*>& services,
                                     const std::string& name) {
    rpc::ServerOptions options;
    options.listen = {"127.0.0.1:0"};
    auto started = rpc::Server::Start(options, services, {name});
    EXPECT_TRUE(started.ok()) << started.status();
    (*started)->SetReady();
    return *std::move(started);
  }

  void Create(const std::string& name, bool lexical_only) {
    gateway::v1::CreateCollectionRequest request;
    request.set_name(name);
    request.set_lexical_only(lexical_only);
    gateway::v1::CreateCollectionResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub_->CreateCollection(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  gateway::v1::GetCollectionResponse Manuals() {
    gateway::v1::GetCollectionRequest request;
    request.set_collection("manuals");
    gateway::v1::GetCollectionResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub_->GetCollection(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  // A chunk a paragraph.
  void Put(const std::string& collection, const std::string& name, const std::string& text,
           stages::Metadata metadata = {}) {
    pipeline::NewJob job;
    job.collection = collection;
    job.sources = {pipeline::InlineSource{name, text, name, "", ""}};
    job.options.metadata = std::move(metadata);
    const CallContext call(absl::Now() + absl::Seconds(30));
    auto made = gateway_->CreateIngestJob({}, std::move(job), call);
    ASSERT_TRUE(made.ok()) << made.status();
    const absl::Status watched = gateway_->ingest().WatchJob(
        {}, made->id, [](const pipeline::JobEvent&) { return absl::OkStatus(); }, call);
    ASSERT_TRUE(watched.ok()) << watched;
  }

  absl::StatusOr<gateway::v1::SearchResponse> Search(const gateway::v1::SearchRequest& request) {
    gateway::v1::SearchResponse response;
    grpc::ClientContext context;
    const absl::Status status = rpc::FromGrpcStatus(stub_->Search(&context, request, &response));
    if (!status.ok()) return status;
    return response;
  }

  const testing::TempDir folder_;
  pipeline::FakeMesh fakes_;
  testing::FakeEmbedder next_embedder_;  // no collection is bound to it unless a test changes that
  ThreadPool workers_{"workers", 8, 64};
  log::Logger log_{{.stage = "gateway", .level = log::Level::kError}};
  metrics::Registry metrics_;
  GatewayMetrics observer_{metrics_};
  rpc::ServerRuntime runtime_{{.stage = "gateway", .methods = MethodsOfBoth()},
                              workers_,
                              log_,
                              metrics_,
                              trace::Exporter::None()};
  const ApiKeys keys_ = ApiKeys::Open();
  StageSlot<stages::VectorStore> slot_{"vector-store"};
  VectorStoreService store_service_{runtime_, slot_};
  std::unique_ptr<rpc::Server> store_server_;
  std::unique_ptr<stages::VectorStore> store_;
  std::unique_ptr<pipeline::Stages> stages_;
  std::unique_ptr<pipeline::Gateway> gateway_;
  std::unique_ptr<GatewayService> service_;
  std::unique_ptr<rpc::Server> gateway_server_;
  std::unique_ptr<gateway::v1::GatewayService::Stub> stub_;
};

}  // namespace ragmesh::services

#endif  // RAGMESH_TESTS_INTEGRATION_SEARCH_SEARCH_MESH_H_
