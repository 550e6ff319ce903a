#include "tests/integration/rpc/stage_server.h"

#include <fcntl.h>

#include <utility>
#include <vector>

#include "libs/base/check.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/log/logger.h"
#include "libs/rpc/server_runtime.h"
#include "services/embedder/embedder_service.h"
#include "services/generator/generator_service.h"
#include "services/loader/loader_service.h"
#include "services/reranker/reranker_service.h"
#include "services/splitter/splitter_service.h"
#include "services/vector_store/vector_store_service.h"

namespace ragmesh::testing {
namespace {

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const char* service : {"loader.v1.LoaderService", "splitter.v1.SplitterService",
                              "embedder.v1.EmbedderService", "vector_store.v1.VectorStoreService",
                              "reranker.v1.RerankerService", "generator.v1.GeneratorService"}) {
    names.push_back(std::string("ragmesh.") + service);
  }
  return names;
}

std::vector<std::string> Methods() {
  std::vector<std::string> methods;
  for (const std::string& name : Names()) {
    for (const std::string& method : rpc::MethodNames(name)) methods.push_back(method);
  }
  return methods;
}

}  // namespace

struct StageServer::Parts {
  explicit Parts(const rpc::ServerOptions& options)
      : log({.stage = "test", .level = log::Level::kError}),
        workers("test", static_cast<int>(options.workers),
                static_cast<std::size_t>(options.max_queued)),
        runtime({.stage = "test",
                 .methods = Methods(),
                 .max_call_time = options.max_call_time,
                 .max_write_stall = options.max_write_stall},
                workers, log, metrics, trace::Exporter::None()) {}

  log::Logger log;
  metrics::Registry metrics;
  ThreadPool workers;
  rpc::ServerRuntime runtime;
  services::StageSlot<stages::Loader> loader_slot{"loader"};
  services::StageSlot<stages::Splitter> splitter_slot{"splitter"};
  services::StageSlot<stages::Embedder> embedder_slot{"embedder"};
  services::StageSlot<stages::VectorStore> store_slot{"vector-store"};
  services::StageSlot<stages::Reranker> reranker_slot{"reranker"};
  services::StageSlot<stages::Generator> generator_slot{"generator"};
  services::LoaderService loader{runtime, loader_slot, 1 << 20};
  services::SplitterService splitter{runtime, splitter_slot};
  services::EmbedderService embedder{
      runtime, embedder_slot, {.max_texts = 16, .max_bytes = 1 << 20}};
  services::VectorStoreService store{runtime, store_slot};
  services::RerankerService reranker{runtime, reranker_slot};
  services::GeneratorService generator{runtime, generator_slot};
};

StageServer::StageServer(Options options) {
  if (options.server.listen.empty()) options.server.listen = {"127.0.0.1:0"};
  parts_ = std::make_unique<Parts>(options.server);
  if (options.fill) {
    parts_->loader_slot.Fill(loader);
    parts_->splitter_slot.Fill(splitter);
    parts_->embedder_slot.Fill(embedder);
    parts_->store_slot.Fill(store);
    parts_->reranker_slot.Fill(reranker);
    parts_->generator_slot.Fill(generator);
  }
  auto server = rpc::Server::Start(options.server,
                                   {&parts_->loader, &parts_->splitter, &parts_->embedder,
                                    &parts_->store, &parts_->reranker, &parts_->generator},
                                   Names());
  RAGMESH_CHECK(server.ok(), server.status().ToString().c_str());
  server_ = *std::move(server);
  if (options.ready) server_->SetReady();
}

StageServer::~StageServer() { server_.reset(); }

metrics::Registry& StageServer::metrics() { return parts_->metrics; }

}  // namespace ragmesh::testing
