// write_bench: our side of the store's rows about writing. Reads one JSON request a line and
// answers with one JSON object a line; bench/store/writes.py sends the requests.
#include <rocksdb/db.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/store/pretended_disk.h"
#include "bench/store/random_text.h"
#include "bench/store/vector_files.h"
#include "bench/worker/json_lines.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/lexical/analyzer.h"
#include "libs/testing/test_data.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"
#include "libs/vector_store/store.h"

namespace ragmesh::bench {
namespace {

using nlohmann::json;
using vector_store::Store;

constexpr std::uint32_t kDimension = 384;
constexpr std::size_t kChunksPerBatch = 1000;
constexpr char kDigest[] = "digest";
const stages::CollectionId kCollection{"default", "bench"};
const CallContext kCall(absl::InfiniteFuture());

stages::Upsert RandomUpsert(std::mt19937* random, const std::string& document, std::size_t chunks) {
  stages::Upsert upsert;
  upsert.document.emplace();
  upsert.document->id = document;
  upsert.document->acl_labels = {"staff"};
  for (std::size_t i = 0; i < chunks; ++i) {
    stages::StoredChunk chunk;
    chunk.id = absl::StrCat(document, "-", i);
    chunk.chunk.ordinal = static_cast<std::uint32_t>(i);
    chunk.chunk.text = RandomText(random);
    chunk.vector = RandomUnit(kDimension, random);
    upsert.chunks.push_back(std::move(chunk));
  }
  return upsert;
}

absl::StatusOr<std::unique_ptr<Store>> NewStore(
    const std::string& path, std::shared_ptr<rocksdb::FileSystem> files = nullptr) {
  vector_store::StoreOptions options;
  options.path = path;
  options.file_system = std::move(files);
  options.write_threads = AvailableCpus();  // as the service does
  RAGMESH_ASSIGN_OR_RETURN(auto store, Store::Open(options));
  stages::CollectionConfig config;
  config.id = kCollection;
  config.dimension = kDimension;
  config.embedder_digest = kDigest;
  RAGMESH_RETURN_IF_ERROR(store->CreateCollection(config, kCall).status());
  return store;
}

// RocksDB alone, with a family for each kind of record, which makes it faster than one for all:
// keys of a family come in their order.
struct RawDatabase {
  std::unique_ptr<rocksdb::DB> db;
  std::map<char, rocksdb::ColumnFamilyHandle*> families;

  ~RawDatabase() {
    for (const auto& [name, family] : families) db->DestroyColumnFamilyHandle(family);
  }
  rocksdb::Status Open(const std::string& path) {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* opened = nullptr;
    rocksdb::Status status = rocksdb::DB::Open(options, path, &opened);
    db.reset(opened);
    for (const char name : {'d', 't', 'k', 'i', 'v', 's'}) {
      if (status.ok()) status = db->CreateColumnFamily(options, {name}, &families[name]);
    }
    return status;
  }
};

// The records of one upsert, as the store writes them.
void Append(const RawDatabase& raw, const stages::Upsert& upsert, std::uint64_t document,
            const lexical::Analyzer& analyzer, rocksdb::WriteBatch* batch) {
  using namespace vector_store;  // NOLINT
  const auto put = [&](char family, const std::string& key, const std::string& value) {
    batch->Put(raw.families.at(family), key, value);
  };
  const std::string key = ItemKey(1, document);
  put('d', key, Encode(DocumentRecord{*upsert.document, 0, Sha256Hex("")}));
  put('t', key, EncodeText(upsert.document->text));
  for (std::size_t i = 0; i < upsert.chunks.size(); ++i) {
    stages::StoredChunk chunk = upsert.chunks[i];
    chunk.document_id = upsert.document->id;
    chunk.content_sha256 = Sha256Hex(chunk.chunk.text);
    const std::string chunk_key = ItemKey(1, document * 100'000 + i);
    put('k', chunk_key, Encode(ChunkRecord{chunk, document}));
    put('i', chunk_key,
        Encode(IndexEntry{chunk.id, document, chunk.chunk.ordinal,
                          analyzer.Analyze("", "", chunk.chunk.text)}));
    put('v', chunk_key, EncodeVector(chunk.vector));
  }
  put('s', CollectionKey(1), Encode(CollectionState{document}));
}

// {"seconds", "chunks", "bytes"} of {"batches", "seed"}: upserts of 1,000 chunks, one at a time.
absl::StatusOr<json> AnswerUpserts(const json& request) {
  const testing::TempDir folder;
  RAGMESH_ASSIGN_OR_RETURN(const auto store, NewStore(folder.path().string() + "/store"));
  std::mt19937 random(request.value("seed", 1u));
  absl::Duration took;
  const int batches = request.value("batches", 20);
  for (int i = 0; i < batches; ++i) {
    stages::Upsert upsert = RandomUpsert(&random, absl::StrCat("d", i), kChunksPerBatch);
    const absl::Time begun = absl::Now();
    RAGMESH_RETURN_IF_ERROR(store->Write(kCollection, kDigest, std::move(upsert), kCall).status());
    took += absl::Now() - begun;
  }
  return json{{"seconds", absl::ToDoubleSeconds(took)}, {"chunks", batches * kChunksPerBatch}};
}

// The same of the same bytes written to RocksDB alone, in the same batches, synced.
absl::StatusOr<json> AnswerRaw(const json& request) {
  const testing::TempDir folder;
  RawDatabase raw;
  const rocksdb::Status status = raw.Open(folder.path().string() + "/raw");
  if (!status.ok()) return absl::UnavailableError(status.ToString());
  const lexical::Analyzer analyzer("en");
  std::mt19937 random(request.value("seed", 1u));
  absl::Duration took;
  std::size_t bytes = 0;
  const int batches = request.value("batches", 20);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  for (int i = 0; i < batches; ++i) {
    rocksdb::WriteBatch batch;
    Append(raw, RandomUpsert(&random, absl::StrCat("d", i), kChunksPerBatch),
           static_cast<std::uint64_t>(i + 1), analyzer, &batch);
    bytes += batch.GetDataSize();
    const absl::Time begun = absl::Now();
    const rocksdb::Status written = raw.db->Write(synced, &batch);
    took += absl::Now() - begun;
    if (!written.ok()) return absl::UnavailableError(written.ToString());
  }
  return json{{"seconds", absl::ToDoubleSeconds(took)},
              {"chunks", batches * kChunksPerBatch},
              {"bytes", bytes}};
}

// {"per_second"} of {"writers", "seconds", "sync_ms"}: upserts of one chunk each, every one
// durable; with sync_ms as on a disk that syncs in that time.
absl::StatusOr<json> AnswerSingle(const json& request) {
  const testing::TempDir folder;
  std::shared_ptr<rocksdb::FileSystem> files;
  if (request.contains("sync_ms"))
    files = PretendedDisk(absl::Milliseconds(request["sync_ms"].get<double>()));
  RAGMESH_ASSIGN_OR_RETURN(const auto store, NewStore(folder.path().string() + "/store", files));
  const int writers = request.value("writers", 1);
  const absl::Duration duration = absl::Seconds(request.value("seconds", 2.0));
  std::atomic<std::uint64_t> done{0};
  std::atomic<bool> failed{false};
  std::vector<std::thread> threads;
  const absl::Time begun = absl::Now();
  for (int w = 0; w < writers; ++w) {
    threads.emplace_back([&, w] {
      std::mt19937 random(static_cast<unsigned>(w));
      const stages::Upsert upsert = RandomUpsert(&random, absl::StrCat("w", w), 1);
      for (int i = 0; absl::Now() - begun < duration && !failed; ++i) {
        stages::Upsert next = upsert;
        next.document->id = absl::StrCat("w", w, "-", i);
        next.chunks[0].id = next.document->id;
        failed = failed || !store->Write(kCollection, kDigest, std::move(next), kCall).ok();
        ++done;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  if (failed) return absl::UnavailableError("a write failed");
  return json{
      {"per_second", static_cast<double>(done) / absl::ToDoubleSeconds(absl::Now() - begun)}};
}

// {"p50", "p99", "searches", "chunks_per_second"} of {"vectors", "chunks", "seconds", "ingest"}:
// seconds of hybrid searches over a collection of `chunks`, one after the other, at rest or while
// another thread writes batches as fast as it can. Vectors are those of a file: at random none is
// near to any other, and no index has anything to find.
absl::StatusOr<json> AnswerSearches(const json& request) {
  const testing::TempDir folder;
  RAGMESH_ASSIGN_OR_RETURN(const Vectors vectors, OpenVectors(request.at("vectors"), kDimension));
  std::size_t next = 0;
  const auto take = [&] {
    const float* const row = vectors.row(next++ % vectors.rows());
    return std::vector<float>(row, row + kDimension);
  };
  const auto real = [&](stages::Upsert upsert) {
    for (stages::StoredChunk& chunk : upsert.chunks) chunk.vector = take();
    return upsert;
  };
  RAGMESH_ASSIGN_OR_RETURN(const auto store, NewStore(folder.path().string() + "/store"));
  std::mt19937 random(7);
  const std::size_t chunks = request.value("chunks", 20'000u);
  for (std::size_t i = 0; i < chunks / kChunksPerBatch; ++i) {
    RAGMESH_RETURN_IF_ERROR(
        store
            ->Write(kCollection, kDigest,
                    real(RandomUpsert(&random, absl::StrCat("d", i), kChunksPerBatch)), kCall)
            .status());
  }
  std::vector<stages::Upsert> upserts;
  for (int i = 0; i < 8; ++i)
    upserts.push_back(real(RandomUpsert(&random, absl::StrCat("new", i), kChunksPerBatch)));
  std::vector<stages::SearchRequest> searches(64);
  for (stages::SearchRequest& search : searches) {
    search.collection = kCollection;
    search.query_text = RandomText(&random).substr(0, 40);
    search.query_vector = take();
    search.embedder_digest = kDigest;
    search.principal_labels = {stages::kAllLabels};
  }
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> written{0};
  std::thread writer;
  const absl::Time begun = absl::Now();
  if (request.value("ingest", false)) {
    // The same few documents again and again, so that what is searched stays as large as it was.
    writer = std::thread([&] {
      for (std::size_t i = 0; !stop; ++i) {
        if (!store->Write(kCollection, kDigest, upserts[i % upserts.size()], kCall).ok()) return;
        written += kChunksPerBatch;
      }
    });
  }
  const absl::Duration duration = absl::Seconds(request.value("seconds", 5.0));
  std::vector<double> times;
  absl::Status status;
  for (std::size_t i = 0; absl::Now() - begun < duration && status.ok(); ++i) {
    const absl::Time one = absl::Now();
    status = store->Search(searches[i % searches.size()], kCall).status();
    times.push_back(absl::ToDoubleSeconds(absl::Now() - one));
  }
  const double seconds = absl::ToDoubleSeconds(absl::Now() - begun);
  stop = true;
  if (writer.joinable()) writer.join();
  RAGMESH_RETURN_IF_ERROR(status);
  std::sort(times.begin(), times.end());
  return json{{"p50", times[times.size() / 2]},
              {"p99", times[times.size() * 99 / 100]},
              {"searches", times.size()},
              {"chunks_per_second", static_cast<double>(written) / seconds}};
}

int Main() {
  return AnswerLines([](const std::string& op, const json& request) -> absl::StatusOr<json> {
    if (op == "upserts") return AnswerUpserts(request);
    if (op == "raw") return AnswerRaw(request);
    if (op == "single") return AnswerSingle(request);
    if (op == "searches") return AnswerSearches(request);
    return absl::UnimplementedError(absl::StrCat("there is no op ", op));
  });
}

}  // namespace
}  // namespace ragmesh::bench

int main() { return ragmesh::bench::Main(); }
