#include "services/vector_store/vector_store_stage.h"

#include "libs/base/status_macros.h"
#include "libs/vector_store/store.h"
#include "libs/version/version.h"

namespace ragmesh::services {

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
}

absl::StatusOr<std::shared_ptr<stages::VectorStore>> MakeVectorStore(
    const VectorStoreConfig& config) {
  vector_store::StoreOptions options;
  options.path = config.data_dir;
  options.write_buffer_bytes = static_cast<std::uint64_t>(config.write_buffer_bytes);
  options.block_cache_bytes = static_cast<std::uint64_t>(config.block_cache_bytes);
  options.max_memory_bytes = static_cast<std::uint64_t>(config.max_index_bytes);
  options.version = Version();
  options.commit = Commit();
  RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<stages::VectorStore> store,
                           vector_store::Store::Open(options));
  return store;
}

}  // namespace ragmesh::services
