// Obtains models: each file from the first of its sources that delivers bytes with the right
// digest.
#ifndef RAGMESH_LIBS_MODEL_STORE_PULLER_H_
#define RAGMESH_LIBS_MODEL_STORE_PULLER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "libs/base/call_context.h"
#include "libs/model_store/catalogue.h"
#include "libs/model_store/http_fetch.h"
#include "libs/model_store/model_cache.h"
#include "libs/model_store/package_fetch.h"

namespace ragmesh::model_store {

struct PullProgress {
  enum class Step {
    kPresent,       // the file was there already
    kTransfer,      // bytes are coming in; repeats a few times a second
    kSourceFailed,  // `problem` says why; the next source follows
    kStored,        // complete, checked, in place
  };
  Step step = Step::kTransfer;
  std::string model, file;
  std::string source;  // Source::Label
  std::int64_t done_bytes = 0;
  std::int64_t total_bytes = 0;  // 0 when not known
  std::string problem;
};

struct PullOptions {
  std::string hub =
      "https://huggingface.co";  // base address of the model hub, or of a mirror with its layout
  HttpOptions http;
  PackageOptions packages;

  // The defaults, changed by HF_ENDPOINT (base address of a hub mirror), and SSL_CERT_FILE or
  // CURL_CA_BUNDLE. Call it from main.
  static PullOptions FromEnvironment();
};

// Thread-safe. Several pullers, in one process or several, may pull the same model: each file is
// obtained once.
class Puller {
 public:
  using ProgressFn = std::function<void(const PullProgress&)>;

  // `cache` must outlive the object.
  Puller(const ModelCache& cache, PullOptions options)
      : cache_(cache), options_(std::move(options)) {}

  // Obtains every file of `model` that is absent; files present are checked, not fetched.
  // `progress` may be empty; it runs on the calling thread. UNAVAILABLE / MODEL_PULL_FAILED tells
  // for each source why it failed. What was transferred before a failure or a cancellation is kept,
  // and the next pull goes on from there.
  absl::Status Pull(const Model& model, const ProgressFn& progress, const CallContext& call) const;

 private:
  class Session;

  const ModelCache& cache_;
  const PullOptions options_;
};

}  // namespace ragmesh::model_store

#endif  // RAGMESH_LIBS_MODEL_STORE_PULLER_H_
