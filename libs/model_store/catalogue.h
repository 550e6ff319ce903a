// The catalogue of models: catalogue.json, built into the program, as plain structs. It says what
// each file is, its digest, where it can be obtained, and the facts a stage needs that the weights
// do not carry themselves.
#ifndef RAGMESH_LIBS_MODEL_STORE_CATALOGUE_H_
#define RAGMESH_LIBS_MODEL_STORE_CATALOGUE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ragmesh::model_store {

enum class Role { kEmbedder, kReranker, kGenerator, kRuntime };
enum class Pooling { kMean, kCls };

// One place a file can come from. Which members are set depends on `kind`.
struct Source {
  enum class Kind { kHub, kUrl, kPackage, kParts };
  Kind kind = Kind::kUrl;
  std::string repo, revision;   // kHub: "owner/name" and the commit; `path` is the file in it
  std::string url;              // kUrl
  std::string package;          // kPackage: "NAME==VERSION"
  std::string platform;         // kPackage: pip's platform tag, empty for packages that fit any
  std::string sha256;           // kPackage: of the package's own file, empty when not pinned
  std::int64_t size_bytes = 0;  // kPackage: of the package's own file, 0 when not stated
  std::string path;             // kHub, kPackage: the file inside
  std::vector<Source> parts;    // kParts: packages, in the order in which their files are joined

  // A short name for messages: "hub owner/name", "package NAME==VERSION".
  std::string Label() const;
};

struct File {
  std::string name;      // what stages ask for: "model.safetensors", "tokenizer.json", "model.gguf"
  std::string platform;  // "x86_64" or "aarch64"; empty: any
  std::int64_t size_bytes = 0;
  std::string sha256;  // 64 lower-case hexadecimal characters
  std::vector<Source> sources;
};

// What a stage must know besides the weights. Zero or empty where it does not apply.
struct Facts {
  std::string architecture;     // "bert", "xlm-roberta", "llama", "qwen2"
  std::uint32_t dimension = 0;  // of the vectors
  std::uint32_t max_tokens =
      0;  // per input (encoders, special tokens included) or context length (decoders)
  Pooling pooling = Pooling::kMean;
  bool normalise = false;         // vectors are scaled to unit length
  std::string query_prefix;       // put before queries
  std::string passage_prefix;     // put before passages
  std::uint32_t head_logits = 0;  // cross-encoders: outputs of the classification head
};

struct Model {
  std::string name;
  Role role = Role::kRuntime;
  bool is_default = false;  // pulled without being named
  std::string summary;
  std::string licence;
  bool digest_pulled =
      false;  // the project hashed the file itself; false: the digest is the published one
  Facts facts;
  std::vector<File> files;  // only those for this machine's platform
};

// Immutable and thread-safe.
class Catalogue {
 public:
  // The built-in catalogue. Lives as long as the process.
  static const Catalogue& BuiltIn();

  // Parses catalogue text; keeps files for `platform` and for any. INVALID_ARGUMENT names the entry
  // at fault.
  static absl::StatusOr<Catalogue> Parse(absl::string_view json, absl::string_view platform);

  const std::vector<Model>& models() const { return models_; }

  // NOT_FOUND / MODEL_NOT_FOUND lists the known names.
  absl::StatusOr<const Model*> Find(absl::string_view name) const;

 private:
  std::vector<Model> models_;
};

// "embedder", "reranker", "generator", "runtime".
absl::string_view RoleName(Role role);

// The catalogue's word for the machine this was compiled for.
absl::string_view ThisPlatform();

}  // namespace ragmesh::model_store

#endif  // RAGMESH_LIBS_MODEL_STORE_CATALOGUE_H_
