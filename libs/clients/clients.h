// The stages of another process, behind the interfaces of libs/stages. Each call carries what is
// left of the caller's time, its trace and its cancellation; errors come back with their details
// and the peer's name in front.
#ifndef RAGMESH_LIBS_CLIENTS_CLIENTS_H_
#define RAGMESH_LIBS_CLIENTS_CLIENTS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/rpc/credentials.h"
#include "libs/stages/embedder.h"
#include "libs/stages/generator.h"
#include "libs/stages/loader.h"
#include "libs/stages/reranker.h"
#include "libs/stages/splitter.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::clients {

// Where a stage is: see rpc::ChannelOptions.
struct Peer {
  std::string target;
  rpc::ClientTls tls;
};

// Each connects when first used and is thread-safe. INVALID_ARGUMENT on a target that is none and
// on TLS files that cannot be used.
absl::StatusOr<std::unique_ptr<stages::Loader>> ConnectLoader(const Peer& peer);
absl::StatusOr<std::unique_ptr<stages::Splitter>> ConnectSplitter(const Peer& peer);
absl::StatusOr<std::unique_ptr<stages::Embedder>> ConnectEmbedder(const Peer& peer);
absl::StatusOr<std::unique_ptr<stages::VectorStore>> ConnectVectorStore(const Peer& peer);
absl::StatusOr<std::unique_ptr<stages::Reranker>> ConnectReranker(const Peer& peer);
absl::StatusOr<std::unique_ptr<stages::Generator>> ConnectGenerator(const Peer& peer);

}  // namespace ragmesh::clients

#endif  // RAGMESH_LIBS_CLIENTS_CLIENTS_H_
