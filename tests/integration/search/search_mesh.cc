#include "tests/integration/search/search_mesh.h"

#include <grpcpp/create_channel.h>

#include <utility>
#include <vector>

#include "libs/clients/clients.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/log/logger.h"
#include "libs/metrics/registry.h"
#include "libs/pipeline/gateway.h"
#include "libs/rpc/server.h"
#include "libs/trace/span.h"
#include "libs/vector_store/store.h"
#include "services/gateway/gateway_metrics.h"
#include "services/gateway/gateway_service.h"
#include "services/vector_store/vector_store_service.h"

namespace ragmesh::services {
namespace {

std::vector<std::string> MethodsOfBoth() {
  std::vector<std::string> methods;
  for (const char* service :
       {"ragmesh.gateway.v1.GatewayService", "ragmesh.vector_store.v1.VectorStoreService"}) {
    for (const std::string& method : rpc::MethodNames(service)) methods.push_back(method);
  }
  return methods;
}

std::unique_ptr<rpc::Server> Start(const std::vector<grpc::Service*>& services,
                                   const std::string& name) {
  rpc::ServerOptions options;
  options.listen = {"127.0.0.1:0"};
  auto started = rpc::Server::Start(options, services, {name});
  EXPECT_TRUE(started.ok()) << started.status();
  (*started)->SetReady();
  return *std::move(started);
}

}  // namespace

struct SearchMesh::Parts {
  ThreadPool workers{"workers", 8, 64};
  log::Logger log{{.stage = "gateway", .level = log::Level::kError}};
  metrics::Registry metrics;
  GatewayMetrics observer{metrics};
  rpc::ServerRuntime runtime{{.stage = "gateway", .methods = MethodsOfBoth()},
                             workers,
                             log,
                             metrics,
                             trace::Exporter::None()};
  const ApiKeys keys = ApiKeys::Open();
  StageSlot<stages::VectorStore> slot{"vector-store"};
  VectorStoreService store_service{runtime, slot};
  std::unique_ptr<rpc::Server> store_server;
  std::unique_ptr<pipeline::Stages> stages;
  std::unique_ptr<pipeline::Gateway> gateway;
  std::unique_ptr<GatewayService> service;
  std::unique_ptr<rpc::Server> gateway_server;
};

SearchMesh::SearchMesh() = default;
SearchMesh::~SearchMesh() = default;

void SearchMesh::SetUp() {
  next_embedder_.name = "next";
  next_embedder_.digest = std::string(64, 'b');
  next_embedder_.dimension = 96;
  parts_ = std::make_unique<Parts>();
  auto store = vector_store::Store::Open({.path = (folder_.path() / "store").string()});
  ASSERT_TRUE(store.ok()) << store.status();
  parts_->slot.Fill(std::shared_ptr<stages::VectorStore>(*std::move(store)));
  parts_->store_server =
      Start({&parts_->store_service}, "ragmesh.vector_store.v1.VectorStoreService");
  auto client = clients::ConnectVectorStore({.target = parts_->store_server->addresses().front()});
  ASSERT_TRUE(client.ok()) << client.status();
  store_ = *std::move(client);
  parts_->stages = std::make_unique<pipeline::Stages>(
      pipeline::Stages{fakes_.loader, fakes_.splitter, fakes_.embedder, *store_, fakes_.reranker,
                       fakes_.generator, &next_embedder_});
  pipeline::GatewayOptions options;
  options.ingest.data_folder = folder_.path() / "gateway";
  auto gateway = pipeline::Gateway::Create(*parts_->stages, options, parts_->observer);
  ASSERT_TRUE(gateway.ok()) << gateway.status();
  parts_->gateway = *std::move(gateway);
  parts_->service =
      std::make_unique<GatewayService>(parts_->runtime, *parts_->gateway, parts_->keys);
  parts_->gateway_server = Start({parts_->service.get()}, "ragmesh.gateway.v1.GatewayService");
  stub_ = gateway::v1::GatewayService::NewStub(
      grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()));
  Create("manuals", false);
}

void SearchMesh::TearDown() {
  for (rpc::Server* server : {parts_->gateway_server.get(), parts_->store_server.get()}) {
    if (server != nullptr) server->Drain(absl::Seconds(5));
  }
}

std::string SearchMesh::address() const { return parts_->gateway_server->addresses().front(); }

void SearchMesh::Create(const std::string& name, bool lexical_only) {
  gateway::v1::CreateCollectionRequest request;
  request.set_name(name);
  request.set_lexical_only(lexical_only);
  gateway::v1::CreateCollectionResponse response;
  grpc::ClientContext context;
  const grpc::Status status = stub_->CreateCollection(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
}

gateway::v1::GetCollectionResponse SearchMesh::Manuals() {
  gateway::v1::GetCollectionRequest request;
  request.set_collection("manuals");
  gateway::v1::GetCollectionResponse response;
  grpc::ClientContext context;
  const grpc::Status status = stub_->GetCollection(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response;
}

void SearchMesh::Put(const std::string& collection, const std::string& name,
                     const std::string& text, stages::Metadata metadata) {
  pipeline::NewJob job;
  job.collection = collection;
  job.sources = {pipeline::InlineSource{name, text, name, "", ""}};
  job.options.metadata = std::move(metadata);
  const CallContext call(absl::Now() + absl::Seconds(30));
  auto made = parts_->gateway->CreateIngestJob({}, std::move(job), call);
  ASSERT_TRUE(made.ok()) << made.status();
  const absl::Status watched = parts_->gateway->ingest().WatchJob(
      {}, made->id, [](const pipeline::JobEvent&) { return absl::OkStatus(); }, call);
  ASSERT_TRUE(watched.ok()) << watched;
}

absl::StatusOr<gateway::v1::SearchResponse> SearchMesh::Search(
    const gateway::v1::SearchRequest& request) {
  gateway::v1::SearchResponse response;
  grpc::ClientContext context;
  const absl::Status status = rpc::FromGrpcStatus(stub_->Search(&context, request, &response));
  if (!status.ok()) return status;
  return response;
}

}  // namespace ragmesh::services
