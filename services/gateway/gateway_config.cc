#include "services/gateway/gateway_config.h"

#include <sys/un.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/version/version.h"

namespace ragmesh::services {

void GatewayConfig::Declare(flags::FlagSet& flags) {
  flags.Group("Storage");
  flags.String("data_dir", &data_dir, "Folder of the job journal and of uploads not yet ingested.");
  DeclareSettings(flags);
}

void GatewayConfig::DeclareSettings(flags::FlagSet& flags) {
  flags.Group("HTTP");
  flags.String("http_listen", &http_listen,
               "Address of the HTTP/JSON API and the web page; empty: none.");
  flags.StringList(
      "http_allowed_hosts", &http_allowed_hosts,
      "Host names requests may name; by default this machine's own when http_listen is a loopback "
      "address, else any.");
  flags.StringList("http_allowed_origins", &http_allowed_origins,
                   "Origins whose pages may use the API, such as https://chat.example.");
  flags.Group("Gateway");
  flags.StringList("allowed_roots", &allowed_roots,
                   "Folders whose files may be ingested by path; none: only uploads.");
  flags.String("api_keys", &api_keys,
               "JSON file of API keys; none: every caller is let in as tenant \"default\".");
  flags.Group("Ingest");
  flags.Int("ingest_workers", &ingest_workers, {1, 64}, "documents", "Documents ingested at once.");
  flags.Bytes("max_document", &max_document_bytes, {1 << 10, std::int64_t{1} << 30},
              "Largest document taken.");
  flags.Bytes("max_spool", &max_spool_bytes, {1 << 20, std::int64_t{1} << 50},
              "Disk for uploads that are not ingested yet.");
  flags.Int("max_ended_jobs", &max_ended_jobs, {1, 1'000'000}, "jobs",
            "Ended jobs kept; older ones are forgotten.");
  flags.Duration("ingest_patience", &ingest_patience, {absl::ZeroDuration(), absl::Hours(24)},
                 "How long a document waits for a stage that is down before it fails.");
  flags.Choice(
      "keep_tokens", &keep_tokens, {"none", "ids", "vectors"},
      "What the embedder read of a passage, kept with its chunk so that reranking need not "
      "read it again: token ids take 2 or 3 bytes a token, token vectors (with the ids) as "
      "many as the model is wide, about 100 KB a passage.");
  flags.Group("Questions");
  flags.Int("rerank_candidates", &rerank_candidates, {1, 512}, "passages",
            "Passages handed to the reranker.");
  flags.Int("passages", &passages, {1, 20}, "passages", "Passages an answer is made from.");
  flags.Int("max_answer_tokens", &max_answer_tokens, {1, 4096}, "tokens",
            "Longest answer unless a request says more.");
  flags.Int("prompt_tokens", &prompt_tokens, {64, 1 << 20}, "tokens",
            "Longest prompt of a question.");
  flags.Double(
      "found_relevance", &found_relevance, {0, 1}, "",
      "Relevance of the best sentence below which nothing was found; half meaning, half words.");
}

namespace {

stages::TokenDetail DetailOf(const std::string& keep_tokens) {
  if (keep_tokens == "none") return stages::TokenDetail::kNone;
  return keep_tokens == "ids" ? stages::TokenDetail::kIds : stages::TokenDetail::kVectors;
}

}  // namespace

pipeline::GatewayOptions GatewayConfig::Options() const {
  pipeline::GatewayOptions options;
  options.ingest.data_folder = data_dir;
  options.ingest.allowed_roots = allowed_roots;
  options.ingest.workers = static_cast<int>(ingest_workers);
  options.ingest.max_ended_jobs = static_cast<std::size_t>(max_ended_jobs);
  options.ingest.spool.document_bytes = static_cast<std::uint64_t>(max_document_bytes);
  options.ingest.spool.total_bytes = static_cast<std::uint64_t>(max_spool_bytes);
  options.ingest.document.backoff.total = ingest_patience;
  options.ingest.document.keep_tokens = DetailOf(keep_tokens);
  options.ingest.change.copy.backoff.total = ingest_patience;
  options.ingest.change.copy.keep_tokens = DetailOf(keep_tokens);
  options.search.use_tokens = keep_tokens != "none";
  options.search.rerank_candidates = static_cast<std::uint32_t>(rerank_candidates);
  options.ask.top_k = static_cast<std::uint32_t>(passages);
  options.ask.max_tokens = static_cast<std::uint32_t>(max_answer_tokens);
  options.ask.prompt_tokens = static_cast<std::uint32_t>(prompt_tokens);
  options.ask.found_relevance = found_relevance;
  options.self.stage = "gateway";
  options.self.version = Version();
  options.self.commit = Commit();
  options.self.limits["max_document_bytes"] = max_document_bytes;
  return options;
}

absl::Status GatewayConfig::AddBridgeSocket(rpc::ServerOptions* server) {
  if (http_listen.empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(data_dir, error);
  if (error) {
    return InvalidField("data_dir", absl::StrCat(data_dir, " cannot be made: ", error.message()),
                        "Name a folder this user may write to.");
  }
  std::string path = data_dir + "/bridge.sock";
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    std::string folder = "/tmp/ragmesh-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) return ErrnoError("make a folder in /tmp", errno);
    path = folder + "/bridge.sock";
  }
  bridge_target = "unix:" + path;
  server->listen.push_back(bridge_target);
  return absl::OkStatus();
}

void PeerConfig::Declare(flags::FlagSet& flags) {
  flags.Group("Stages");
  flags.String("loader", &loader, "Address of the loader.");
  flags.String("splitter", &splitter, "Address of the splitter.");
  flags.String("embedder", &embedder, "Address of the embedder.");
  flags.String("next_embedder", &next_embedder,
               "Address of a second embedder, with the model that collections are to change to, or "
               "have changed to; empty: none.");
  flags.String("vector_store", &vector_store, "Address of the vector store.");
  flags.String("reranker", &reranker, "Address of the reranker.");
  flags.String("generator", &generator, "Address of the generator.");
  flags.String("peer_ca", &tls.ca_file,
               "PEM file with the authorities that sign the stages' certificates; turns TLS on.");
  flags.String("peer_cert", &tls.cert_file,
               "PEM file with the gateway's certificate chain, for stages that ask for one.");
  flags.String("peer_key", &tls.key_file, "PEM file with the private key of --peer_cert.");
}

}  // namespace ragmesh::services
