#include "services/vector_store/vector_store_stage.h"

#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/milvus_store/milvus_store.h"
#include "libs/postgres_store/postgres_store.h"
#include "libs/vector_store/store.h"
#include "libs/version/version.h"
#include "services/vector_store/store_metrics.h"

namespace ragmesh::services {
namespace {

namespace fs = std::filesystem;

// Bytes of "64MiB", or of "2%" of the disk that `folder` is or will be on.
absl::StatusOr<std::uint64_t> FreeSpace(const char* flag, const std::string& text,
                                        const std::string& folder) {
  if (!absl::EndsWith(text, "%")) {
    const auto bytes = flags::ParseBytes(text);
    if (bytes.ok()) return static_cast<std::uint64_t>(*bytes);
  }
  double percent = 0;
  if (!absl::EndsWith(text, "%") || !absl::SimpleAtod(absl::StripSuffix(text, "%"), &percent) ||
      !(percent >= 0) || percent > 99) {
    return InvalidField(flag, absl::StrCat("is \"", text, "\", which is neither bytes nor percent"),
                        "Write for example 64MiB or 2%.");
  }
  std::error_code error;
  fs::path at = fs::absolute(folder, error);
  while (!fs::exists(at, error) && at.has_relative_path()) at = at.parent_path();
  const fs::space_info space = fs::space(at, error);
  if (error) return ErrnoError(absl::StrCat("size of the disk of ", folder), error.value());
  return static_cast<std::uint64_t>(static_cast<double>(space.capacity) * percent / 100);
}

// The first line of `path`, without its end.
absl::StatusOr<std::string> ReadPassword(const std::string& path) {
  constexpr std::size_t kMaxPasswordBytes = 4096;
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  std::string line;
  if (!file || !std::getline(file, line) || line.size() > kMaxPasswordBytes) {
    return InvalidField("store_password_file", absl::StrCat("cannot be read: ", path),
                        "Name a file whose first line is the password, readable by this process.");
  }
  return std::string(absl::StripSuffix(line, "\r"));
}

absl::StatusOr<std::shared_ptr<stages::VectorStore>> MakeMilvusStore(
    const VectorStoreConfig& config) {
  milvus_store::MilvusOptions options;
  RAGMESH_ASSIGN_OR_RETURN(options.token, ReadPassword(config.password_file));
  options.url = config.url;
  options.prefix = config.schema;
  options.graph_index = config.dense_index == "graph";
  options.version = Version();
  options.commit = Commit();
  return milvus_store::MilvusStore::Open(options);
}

absl::StatusOr<std::shared_ptr<stages::VectorStore>> MakePostgresStore(
    const VectorStoreConfig& config) {
  postgres_store::PostgresOptions options;
  RAGMESH_ASSIGN_OR_RETURN(options.server.password, ReadPassword(config.password_file));
  options.server.url = config.url;
  options.schema = config.schema;
  options.connections = static_cast<int>(config.connections);
  options.graph_index = config.dense_index == "graph";
  options.version = Version();
  options.commit = Commit();
  return postgres_store::PostgresStore::Open(options);
}

}  // namespace

void VectorStoreConfig::Declare(flags::FlagSet& flags) {
  flags.Group("Storage");
  flags.String("data_dir", &data_dir,
               "Folder of the store; made when absent. One process at a time.");
  DeclareTuning(flags);
}

void VectorStoreConfig::DeclareTuning(flags::FlagSet& flags) {
  flags.Group("Storage");
  flags.Bytes(
      "store_write_buffer", &write_buffer_bytes, {1 << 20, std::int64_t{4} << 30},
      "Writes gathered in memory before they become a file; all are in the log on disk already.");
  flags.Bytes("store_block_cache", &block_cache_bytes, {1 << 20, std::int64_t{1} << 40},
              "Memory for blocks read from disk.");
  flags.Bytes("store_max_index", &max_index_bytes, {0, std::int64_t{1} << 44},
              "Memory of all search images together; writes beyond it are refused. 0: no bound.");
  flags.Bytes("store_max_collection_index", &max_collection_index_bytes, {0, std::int64_t{1} << 44},
              "Memory of the search image of one collection, in the same way. 0: no bound.");
  flags.String("store_low_free", &low_free,
               "Free space on the store's disk, in bytes or percent, below which writes but for "
               "deletes are refused: 64MiB, 2%.");
  flags.String("store_high_free", &high_free,
               "Free space from which on writes are taken again; at least store_low_free.");
  flags.String("store_snapshots", &snapshots,
               "Folder of the snapshots; on the disk of the store they share its files. Empty: "
               "snapshots in the store's folder.");
  flags.Duration("store_sweep_interval", &sweep_interval, {absl::Seconds(1), absl::Hours(24)},
                 "Between two looks for documents whose time has come: how long one may stay.");
  flags.String(
      "store_archive", &archive,
      "Folder, best on another disk, of base snapshots and of every write after them, from "
      "which the store of any moment is made again; empty: none.");
  flags.Duration("store_archive_interval", &archive_interval,
                 {absl::Milliseconds(10), absl::Hours(1)},
                 "How far the archive may be behind: what a lost disk may take with it.");
  flags.Duration("store_archive_base", &archive_base, {absl::Minutes(1), absl::Hours(24 * 365)},
                 "Between two base snapshots; a restore replays the writes after one.");
  flags.Duration("store_archive_keep", &archive_keep,
                 {absl::ZeroDuration(), absl::Hours(24 * 3650)},
                 "How far back every moment can be restored.");
  flags.Bytes("store_archive_max", &archive_max_bytes, {0, std::int64_t{1} << 50},
              "Space of the archive beyond which the oldest parts go all the same. 0: no bound.");
  flags.Choice(
      "store_backend", &backend, {"builtin", "postgres", "milvus"},
      "Where documents are kept: in the folder of the store, or on a server: PostgreSQL "
      "with pgvector, which several processes may share, or Milvus, for dense search only.");
  flags.String("store_url", &url,
               "Server of the backend, without a password: "
               "postgresql://ragmesh@db.example:5432/ragmesh?sslmode=verify-full, "
               "http://milvus.example:19530.");
  flags.String("store_password_file", &password_file,
               "File whose first line is the password at the server; for Milvus user:password.");
  flags.String("store_schema", &schema,
               "Schema of the tables, made when absent; for Milvus what names of collections begin "
               "with.");
  flags.Int("store_connections", &connections, {1, 256}, "connections",
            "Connections to PostgreSQL at most; calls beyond them wait.");
  flags.Choice("store_dense_index", &dense_index, {"exact", "graph"},
               "How collections made from now on find vectors on the server: by looking at all, or "
               "by a graph (HNSW), which is faster and misses some.");
  flags.Check([this] { return CheckBackend(); });
}

absl::Status VectorStoreConfig::CheckBackend() const {
  if (backend == "builtin") return absl::OkStatus();
  if (url.empty()) {
    return InvalidField("store_url", absl::StrCat("is needed with --store_backend=", backend),
                        "Write for example postgresql://ragmesh@db.example:5432/ragmesh.");
  }
  // Flags are logged at start and seen by everybody on the machine.
  const std::size_t host = url.rfind('@');
  const std::size_t user = url.find("://");
  const bool in_user = host != std::string::npos && user != std::string::npos && user < host &&
                       absl::StrContains(url.substr(user + 3, host - user - 3), ":");
  if (in_user || absl::StrContains(url, "password=")) {
    return InvalidField("store_url", "holds a password",
                        "Put the password into a file, and name that by --store_password_file.");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<stages::VectorStore>> MakeVectorStore(
    const VectorStoreConfig& config, metrics::Registry* registry) {
  RAGMESH_RETURN_IF_ERROR(config.CheckBackend());
  if (config.backend == "postgres") return MakePostgresStore(config);
  if (config.backend == "milvus") return MakeMilvusStore(config);
  vector_store::StoreOptions options;
  options.path = config.data_dir;
  options.write_buffer_bytes = static_cast<std::uint64_t>(config.write_buffer_bytes);
  options.block_cache_bytes = static_cast<std::uint64_t>(config.block_cache_bytes);
  options.max_memory_bytes = static_cast<std::uint64_t>(config.max_index_bytes);
  options.max_collection_memory_bytes =
      static_cast<std::uint64_t>(config.max_collection_index_bytes);
  RAGMESH_ASSIGN_OR_RETURN(options.low_free_bytes,
                           FreeSpace("store_low_free", config.low_free, config.data_dir));
  RAGMESH_ASSIGN_OR_RETURN(options.high_free_bytes,
                           FreeSpace("store_high_free", config.high_free, config.data_dir));
  if (options.high_free_bytes < options.low_free_bytes) {
    return InvalidField("store_high_free",
                        absl::StrCat("is ", options.high_free_bytes, " bytes, less than the ",
                                     options.low_free_bytes, " of store_low_free"));
  }
  options.snapshot_folder = config.snapshots;
  options.sweep_interval = config.sweep_interval;
  options.archive.folder = config.archive;
  options.archive.interval = config.archive_interval;
  options.archive.base_every = config.archive_base;
  options.archive.keep = config.archive_keep;
  options.archive.max_bytes = static_cast<std::uint64_t>(config.archive_max_bytes);
  options.write_threads = AvailableCpus();
  if (registry != nullptr) options.observer = ObserveStore(*registry);
  options.version = Version();
  options.commit = Commit();
  RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<vector_store::Store> store,
                           vector_store::Store::Open(options));
  if (registry != nullptr) ShowHealth(store, *registry);
  return store;
}

}  // namespace ragmesh::services
