#include "services/ragmesh/store_access.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/backup/files.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/clients/clients.h"
#include "libs/vector_store/store.h"
#include "libs/version/version.h"
#include "services/ragmesh/data_folder.h"

namespace ragmesh::cli {
namespace {

namespace fs = std::filesystem;

// The store of a running `ragmesh serve` in `data_dir`; null when none answers there.
std::shared_ptr<stages::VectorStore> ThroughTheDoor(const std::string& data_dir) {
  const auto address =
      backup::ReadFile(absl::StrCat(PrivateFolder(data_dir), "/", kAddressFile), 4096);
  if (!address.ok()) return nullptr;
  auto store = clients::ConnectVectorStore({*address, {}});
  if (!store.ok()) return nullptr;
  const CallContext call(absl::Now() + absl::Seconds(5));
  return (*store)->Info(call).ok() ? *std::move(store) : nullptr;
}

}  // namespace

void StoreAccessOptions::Declare(flags::FlagSet& flags) {
  flags.Group("Store");
  flags.String("data_dir", &data_dir,
               "Folder of `ragmesh serve`, running or stopped, or of a vector store that is "
               "stopped. Empty: the one `ragmesh serve` uses.");
  flags.String("store", &store,
               "Address of a running ragmesh-vector-store, HOST:PORT or unix:PATH, in place of a "
               "folder.");
  flags.String("tls_ca", &tls.ca_file,
               "PEM file of the authority that signed the store's certificate; turns TLS on.");
  flags.String("tls_cert", &tls.cert_file,
               "PEM file with your certificate, for servers that ask for one.");
  flags.String("tls_key", &tls.key_file, "PEM file with the private key of --tls_cert.");
  flags.Duration("timeout", &timeout, {absl::Seconds(1), absl::Hours(24)},
                 "Longest time it may take.");
  flags.Group("Output");
  flags.Bool("json", &json, "Print JSON, one object a line, and errors as JSON on stderr.");
  flags.Bool("quiet", &quiet, "No progress on stderr.");
}

absl::StatusOr<std::shared_ptr<stages::VectorStore>> OpenStore(const StoreAccessOptions& options) {
  if (!options.store.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(auto store, clients::ConnectVectorStore({options.store, options.tls}));
    return std::shared_ptr<stages::VectorStore>(std::move(store));
  }
  const std::string data_dir = options.data_dir.empty() ? DefaultDataFolder() : options.data_dir;
  if (auto store = ThroughTheDoor(data_dir); store != nullptr) return store;
  vector_store::StoreOptions local;
  local.path = StoreFolder(data_dir);
  local.version = Version();
  local.commit = Commit();
  std::error_code error;
  if (!fs::exists(local.path + "/CURRENT", error)) {
    return NotFound("store", local.path,
                    "Name the folder with --data_dir, or the address of a running "
                    "ragmesh-vector-store with --store.");
  }
  auto opened = vector_store::Store::Open(local);
  const auto detail = GetErrorDetail(opened.status());
  if (detail.has_value() && detail->reason == "STORE_LOCKED") {
    return WrongState("STORE_LOCKED", absl::StrCat(local.path, " is open in another process"),
                      "Name the address at which it answers: --store HOST:PORT.");
  }
  if (!opened.ok()) return opened.status();
  return std::shared_ptr<stages::VectorStore>(*std::move(opened));
}

absl::StatusOr<stages::StoreAdmin*> AdminOf(stages::VectorStore& store) {
  if (store.admin() != nullptr) return store.admin();
  return MakeError(absl::StatusCode::kUnimplemented, "this store has no snapshots and archives",
                   {.reason = "NO_STORE_ADMIN"});
}

}  // namespace ragmesh::cli
