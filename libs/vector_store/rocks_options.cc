#include "libs/vector_store/rocks_options.h"

#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <initializer_list>

namespace ragmesh::vector_store {
namespace {

// Of flushes and merges together: several times what can be ingested, and less than a disk does.
constexpr std::int64_t kBackgroundBytesPerSecond = 256 << 20;

rocksdb::CompressionType BestOf(std::initializer_list<rocksdb::CompressionType> wishes) {
  const auto supported = rocksdb::GetSupportedCompressions();
  for (const auto wish : wishes) {
    if (std::find(supported.begin(), supported.end(), wish) != supported.end()) return wish;
  }
  return rocksdb::kNoCompression;
}

// RocksDB's own log file asserts when it cannot be written (Debian builds with assertions), which
// would turn a full disk into a crash. What matters of it reaches callers as a status.
class SilentLogger final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

}  // namespace

rocksdb::ColumnFamilyOptions FamilyOptions(const std::string& name,
                                           const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 16 << 10;
  table.format_version = 5;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = 32u << 20;
  // Neither floats nor bytes of vectors compress, long texts do, and what every search reads must
  // unpack fast.
  options.compression = name == "vectors" || name == "tokens" ? rocksdb::kNoCompression
                        : name == "texts" ? BestOf({rocksdb::kZSTD, rocksdb::kLZ4Compression})
                                          : BestOf({rocksdb::kLZ4Compression});
  return options;
}

rocksdb::DBOptions GlobalOptions(const DatabaseOptions& options) {
  rocksdb::DBOptions db;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.db_write_buffer_size = options.write_buffer_bytes;
  db.max_total_wal_size = 4 * options.write_buffer_bytes;
  db.max_background_jobs = 2;
  // Files are pushed to the disk as they are written, so that no sync of the log waits behind a
  // whole file; and flushes and merges, which nobody waits for, take what reads and writes leave.
  db.bytes_per_sync = 1u << 20;
  db.rate_limiter.reset(rocksdb::NewGenericRateLimiter(kBackgroundBytesPerSecond));
  for (const auto pool : {rocksdb::Env::Priority::LOW, rocksdb::Env::Priority::HIGH}) {
    rocksdb::Env::Default()
        ->LowerThreadPoolCPUPriority(pool, rocksdb::CpuPriority::kLow)
        .PermitUncheckedError();
  }
  db.info_log = std::make_shared<SilentLogger>();
  // A torn last record is what kill -9 leaves; anything else wrong with the log is damage and must
  // show.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.max_bgerror_resume_count = 0;  // see LogFailure
  // A log that is missing, or shorter than what was synced when it was closed, is damage too.
  db.track_and_verify_wals_in_manifest = true;
  return db;
}

}  // namespace ragmesh::vector_store
