// scale_bench: what a store of many chunks takes to open and to keep in memory, and how fast it is
// searched then. Reads one JSON request a line and answers with one JSON object a line;
// bench/store/scale.py sends the requests.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "bench/store/random_text.h"
#include "bench/store/vector_files.h"
#include "bench/worker/json_lines.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/store.h"

namespace ragmesh::bench {
namespace {

using nlohmann::json;
using vector_store::Store;

constexpr std::uint32_t kDimension = 384;
constexpr std::size_t kChunksPerDocument = 100;
constexpr char kDigest[] = "digest";
const stages::CollectionId kCollection{"default", "bench"};
const CallContext kCall(absl::InfiniteFuture());

// Of this process, files that are mapped and in memory included.
std::uint64_t ResidentBytes() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line)) {
    absl::string_view rest = line;
    if (!absl::ConsumePrefix(&rest, "VmRSS:")) continue;
    absl::ConsumeSuffix(&rest, "kB");
    std::uint64_t kilobytes = 0;
    if (absl::SimpleAtoi(rest, &kilobytes)) return kilobytes * 1024;
  }
  return 0;
}

class Worker {
 public:
  absl::StatusOr<json> Answer(const std::string& op, const json& request) {
    if (op == "info") return json{{"name", "ragmesh"}, {"version", linalg::DefaultKernels().name}};
    if (op == "fill") return Fill(request);
    if (op == "open") return Open(request);
    if (op == "search") return Search(request);
    return absl::InvalidArgumentError("unknown op " + op);
  }

 private:
  absl::Status OpenStore(const json& request) {
    vector_store::StoreOptions options;
    options.path = request.at("store");
    options.write_threads = 2;
    RAGMESH_ASSIGN_OR_RETURN(store_, Store::Open(options));
    return absl::OkStatus();
  }

  // A store with the vectors of a file and texts at random, all of it in segments.
  absl::StatusOr<json> Fill(const json& request) {
    std::filesystem::remove_all(std::string(request.at("store")));
    RAGMESH_RETURN_IF_ERROR(OpenStore(request));
    RAGMESH_ASSIGN_OR_RETURN(const Vectors vectors, OpenVectors(request.at("vectors"), kDimension));
    stages::CollectionConfig config;
    config.id = kCollection;
    config.dimension = kDimension;
    config.embedder_digest = kDigest;
    RAGMESH_RETURN_IF_ERROR(store_->CreateCollection(config, kCall).status());
    std::mt19937 random(3);
    const absl::Time begun = absl::Now();
    for (std::size_t first = 0; first < vectors.rows(); first += kChunksPerDocument) {
      stages::Upsert upsert;
      upsert.document.emplace();
      upsert.document->id = absl::StrCat("d", first);
      upsert.document->acl_labels = {"staff"};
      upsert.document->metadata = {{"year", std::int64_t(2000 + first / kChunksPerDocument % 20)}};
      const std::size_t end = std::min(vectors.rows(), first + kChunksPerDocument);
      for (std::size_t row = first; row < end; ++row) {
        stages::StoredChunk chunk;
        chunk.id = absl::StrCat("d", first, "-", row);
        chunk.chunk.ordinal = static_cast<std::uint32_t>(row - first);
        chunk.chunk.text = RandomText(&random);
        chunk.vector.assign(vectors.row(row), vectors.row(row) + kDimension);
        upsert.chunks.push_back(std::move(chunk));
      }
      RAGMESH_RETURN_IF_ERROR(
          store_->Write(kCollection, kDigest, std::move(upsert), kCall).status());
    }
    const absl::Time written = absl::Now();
    if (!store_->AwaitSealed(absl::InfiniteFuture())) return absl::InternalError("not sealed");
    const absl::Time sealed = absl::Now();
    store_.reset();
    return json{{"chunks", vectors.rows()},
                {"write_seconds", absl::ToDoubleSeconds(written - begun)},
                {"seal_seconds", absl::ToDoubleSeconds(sealed - written)}};
  }

  absl::StatusOr<json> Open(const json& request) {
    resident_before_ = ResidentBytes();
    const absl::Time begun = absl::Now();
    RAGMESH_RETURN_IF_ERROR(OpenStore(request));
    const double seconds = absl::ToDoubleSeconds(absl::Now() - begun);
    return json{{"seconds", seconds}, {"chunks", store_->open_report().chunks}};
  }

  // Searches by the vectors of a file, in all documents or in so many, evenly spread; what the
  // process keeps in memory after them.
  absl::StatusOr<json> Search(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(const Vectors queries, OpenVectors(request.at("queries"), kDimension));
    const std::size_t among = request.value("documents", std::size_t{0});
    stages::FilterIn documents{.field = "document_id", .values = {}};
    const std::size_t all = store_->open_report().chunks / kChunksPerDocument;
    for (std::size_t i = 0; i < among; ++i)
      documents.values.push_back(absl::StrCat("d", i * all / among * kChunksPerDocument));
    std::vector<double> seconds;
    for (std::size_t i = 0; i < queries.rows(); ++i) {
      stages::SearchRequest search;
      search.collection = kCollection;
      search.mode = stages::SearchMode::kDense;
      search.query_vector.assign(queries.row(i), queries.row(i) + kDimension);
      search.embedder_digest = kDigest;
      search.principal_labels = {"staff"};
      if (among > 0) search.filter = stages::Filter{documents};
      const absl::Time begun = absl::Now();
      RAGMESH_RETURN_IF_ERROR(store_->Search(search, kCall).status());
      seconds.push_back(absl::ToDoubleSeconds(absl::Now() - begun));
    }
    std::sort(seconds.begin(), seconds.end());
    return json{{"median", seconds[seconds.size() / 2]},
                {"resident_bytes", ResidentBytes() - resident_before_}};
  }

  std::unique_ptr<Store> store_;
  std::uint64_t resident_before_ = 0;
};

int Main() {
  Worker worker;
  return AnswerLines(
      [&](const std::string& op, const json& request) { return worker.Answer(op, request); });
}

}  // namespace
}  // namespace ragmesh::bench

int main() { return ragmesh::bench::Main(); }
