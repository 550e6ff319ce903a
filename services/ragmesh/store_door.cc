#include "services/ragmesh/store_door.h"

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/backup/files.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/rpc/server.h"
#include "libs/rpc/server_runtime.h"
#include "services/common/log_exporter.h"
#include "services/common/stage_slot.h"
#include "services/ragmesh/data_folder.h"
#include "services/vector_store/vector_store_service.h"

namespace ragmesh::cli {
namespace {

constexpr char kService[] = "ragmesh.vector_store.v1.VectorStoreService";
constexpr int kWorkers = 4;
constexpr std::size_t kMaxQueued = 16;
// An export or import of millions of chunks.
constexpr absl::Duration kMaxCallTime = absl::Hours(24);

absl::Status MakePrivate(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return ErrnoError(absl::StrCat("make ", folder), error.value());
  if (chmod(folder.c_str(), 0700) != 0) return ErrnoError(absl::StrCat("protect ", folder), errno);
  return absl::OkStatus();
}

}  // namespace

struct StoreDoor::Parts {
  Parts(const std::string& folder, services::StageHost& host)
      : address_file(absl::StrCat(folder, "/", kAddressFile)),
        spans(host.log()),
        workers("store", kWorkers, kMaxQueued),
        runtime({.stage = "vector-store",
                 .methods = rpc::MethodNames(kService),
                 .max_call_time = kMaxCallTime},
                workers, host.log(), host.metrics(), spans),
        service(runtime, slot) {}
  ~Parts() { unlink(address_file.c_str()); }

  const std::string address_file;
  services::StageSlot<stages::VectorStore> slot{"vector-store"};
  services::LogExporter spans;
  ThreadPool workers;
  rpc::ServerRuntime runtime;
  services::VectorStoreService service;
  std::unique_ptr<rpc::Server> server;
};

StoreDoor::StoreDoor(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
StoreDoor::~StoreDoor() = default;

absl::StatusOr<std::unique_ptr<StoreDoor>> StoreDoor::Open(
    const std::string& data_dir, std::shared_ptr<stages::VectorStore> store,
    services::StageHost& host) {
  const std::string folder = PrivateFolder(data_dir);
  RAGMESH_RETURN_IF_ERROR(MakePrivate(folder));
  std::string socket = folder + "/store.sock";
  if (socket.size() >= sizeof(sockaddr_un::sun_path)) {
    std::string other = "/tmp/ragmesh-XXXXXX";
    if (mkdtemp(other.data()) == nullptr) return ErrnoError("make a folder in /tmp", errno);
    socket = other + "/store.sock";
  }
  auto parts = std::make_unique<Parts>(folder, host);
  parts->slot.Fill(std::move(store));
  rpc::ServerOptions options;
  options.listen = {"unix:" + socket};
  RAGMESH_ASSIGN_OR_RETURN(parts->server,
                           rpc::Server::Start(options, {&parts->service}, {kService}));
  parts->server->SetReady();
  unlink(parts->address_file.c_str());  // of a process that was killed
  RAGMESH_RETURN_IF_ERROR(backup::WriteFile(parts->address_file, options.listen[0], 0600));
  return std::unique_ptr<StoreDoor>(new StoreDoor(std::move(parts)));
}

}  // namespace ragmesh::cli
