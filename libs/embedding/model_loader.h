// From files to an encoder that can run: checks them, chooses a precision by what it costs, and
// takes packed weights from a file that other processes map too, where there is one.
#ifndef RAGMESH_LIBS_EMBEDDING_MODEL_LOADER_H_
#define RAGMESH_LIBS_EMBEDDING_MODEL_LOADER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/embedding/encoder_config.h"
#include "libs/embedding/encoder_model.h"
#include "libs/embedding/packed_weights.h"
#include "libs/embedding/quantization.h"
#include "libs/model_store/installed_model.h"
#include "libs/text/tokenizer.h"

namespace ragmesh::embedding {

// The mean cosine to the vectors in f32 that a precision must keep to be chosen without being asked
// for.
inline constexpr double kLeastAgreement = 0.999;

// Which encoder, and how it is to be loaded.
struct EncoderSource {
  std::string weights_path;
  std::string tokenizer_path;
  std::string config_path;  // config.json; empty when there is none
  std::string digest;       // SHA-256 of the weights when the caller has checked it; else computed
  std::string
      packed_folder;  // of packed weights, looked for and left there; empty: in memory alone
  EncoderFacts facts;
  std::string kernel = "auto";  // as linalg::SelectKernels
  // Empty: int8 if it keeps kLeastAgreement, else bf16 where the processor has it, else f32.
  std::optional<linalg::Precision> precision = linalg::Precision::kF32;
  // Told when there is a packed folder and weights are in private memory all the same, and why. May
  // be empty.
  std::function<void(const absl::Status& why)> not_shared;
};

// The files and facts of a model of the catalogue.
EncoderSource SourceOf(const model_store::InstalledModel& installed);

struct LoadedEncoder {
  std::shared_ptr<const EncoderModel> model;
  std::unique_ptr<text::EncoderTokenizer> tokenizer;
  std::string digest;            // of the weights
  std::string tokenizer_digest;  // of its file
};

// The errors of opening the files; DATA_LOSS and INVALID_ARGUMENT as ReadEncoderConfig and
// EncoderWeights::Load; INVALID_ARGUMENT for kernels and precisions this processor lacks and for a
// tokenizer of another model. Never an error that has to do with packed weights.
absl::StatusOr<LoadedEncoder> LoadEncoder(const EncoderSource& source);

// The steps behind LoadEncoder, for those who want to see them. Not thread-safe; processes may work
// on one folder at a time.
class ModelLoader {
 public:
  static absl::StatusOr<std::unique_ptr<ModelLoader>> Open(const EncoderSource& source);

  // An encoder in one precision.
  struct Packed {
    std::shared_ptr<const EncoderModel> model;
    Agreement agreement;  // with f32, over ComparisonTexts
    std::string path;     // of the packed weights it has mapped; empty: they are in private memory
    absl::Status stored;  // why, when there is a packed folder
    bool made = false;    // now, not by an earlier process
  };

  // From its file when that is there, whole, and for this source, kernel table and version of the
  // program. Otherwise it is made, which takes seconds for large models, and the file written.
  // `step` is told what is begun.
  using Step = std::function<void(absl::string_view what)>;
  absl::StatusOr<Packed> Load(linalg::Precision precision, const Step& step = {});

  // In the precision that costs least time without costing more than kLeastAgreement.
  absl::StatusOr<Packed> Choose();

  const linalg::Kernels& kernels() const { return kernels_; }

 private:
  friend absl::StatusOr<LoadedEncoder> LoadEncoder(const EncoderSource& source);

  ModelLoader(const EncoderSource& source, const linalg::Kernels& kernels,
              std::shared_ptr<const model_files::Safetensors> file, const EncoderConfig& config,
              std::unique_ptr<text::EncoderTokenizer> tokenizer);

  absl::StatusOr<Packed> FromFile(const PackedKey& key) const;
  absl::StatusOr<Packed> Make(linalg::Precision precision, const Step& step);

  const EncoderSource source_;
  const linalg::Kernels& kernels_;
  const std::shared_ptr<const model_files::Safetensors> file_;
  const EncoderConfig config_;
  std::unique_ptr<text::EncoderTokenizer> tokenizer_;
  const std::string digest_;
  const std::vector<TokenIds> calibration_texts_, comparison_texts_;
  const std::string recipe_;
  std::shared_ptr<const EncoderModel> exact_;  // in f32, from when it is first needed
};

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_MODEL_LOADER_H_
