#include "libs/embedding/model_loader.h"

#include <malloc.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "libs/base/error.h"
#include "libs/base/mapped_file.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/embedding/calibration_texts.h"
#include "libs/embedding/encoder_input.h"
#include "libs/text/encoder_tokenizer.h"

namespace ragmesh::embedding {
namespace {

using linalg::Precision;

std::vector<TokenIds> IdsOf(const text::EncoderTokenizer& tokenizer, std::size_t max_tokens,
                            absl::Span<const absl::string_view> texts) {
  std::vector<TokenIds> ids;
  for (const absl::string_view text : texts)
    ids.push_back(Frame(tokenizer, Tokenize(tokenizer, text), max_tokens).ids);
  return ids;
}

// All that packed weights and their agreement follow from, besides the weights' file and the kernel
// table.
std::string RecipeOf(const EncoderConfig& config, absl::Span<const TokenIds> calibration,
                     absl::Span<const TokenIds> comparison) {
  Sha256 hash;
  hash.Update(absl::StrCat(kQuantizationVersion, " ", config.prefix, " ", config.layers, " ",
                           config.hidden, " ", config.heads, " ", config.intermediate, " ",
                           config.layer_norm_epsilon, " ", static_cast<int>(config.pooling)));
  for (const auto& texts : {calibration, comparison}) {
    for (const TokenIds& ids : texts) hash.Update(absl::StrCat("\n", absl::StrJoin(ids, " ")));
    hash.Update("\n");
  }
  return hash.HexDigest();
}

}  // namespace

EncoderSource SourceOf(const model_store::InstalledModel& installed) {
  EncoderSource source;
  source.weights_path = installed.path("model.safetensors");
  source.tokenizer_path = installed.path("tokenizer.json");
  source.digest = installed.weights_digest();
  source.packed_folder = installed.packed_folder;
  source.facts.layout = LayoutOf(installed.model->facts.architecture);
  source.facts.pooling =
      installed.model->facts.pooling == model_store::Pooling::kCls ? Pooling::kCls : Pooling::kMean;
  source.facts.max_tokens = installed.model->facts.max_tokens;
  return source;
}

absl::StatusOr<LoadedEncoder> LoadEncoder(const EncoderSource& source) {
  RAGMESH_ASSIGN_OR_RETURN(auto loader, ModelLoader::Open(source));
  RAGMESH_ASSIGN_OR_RETURN(auto packed, source.precision.has_value()
                                            ? loader->Load(*source.precision)
                                            : loader->Choose());
  if (!packed.stored.ok() && source.not_shared) source.not_shared(packed.stored);
  RAGMESH_ASSIGN_OR_RETURN(const auto tokenizer_json, MappedFile::Open(source.tokenizer_path));
  LoadedEncoder loaded{std::move(packed.model), std::move(loader->tokenizer_), loader->digest_,
                       Sha256Hex(tokenizer_json->bytes())};
  if (packed.made) {
    // The C library would keep what the model in f32 took, three times as much as one in int8.
    loader.reset();
    malloc_trim(0);
  }
  return loaded;
}

absl::StatusOr<std::unique_ptr<ModelLoader>> ModelLoader::Open(const EncoderSource& source) {
  RAGMESH_ASSIGN_OR_RETURN(const linalg::Kernels* kernels, linalg::SelectKernels(source.kernel));
  RAGMESH_ASSIGN_OR_RETURN(auto file, model_files::Safetensors::Open(source.weights_path));
  RAGMESH_ASSIGN_OR_RETURN(auto tokenizer, text::OpenEncoderTokenizer(source.tokenizer_path));
  std::shared_ptr<const MappedFile> config_json;
  if (!source.config_path.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(config_json, MappedFile::Open(source.config_path));
  }
  RAGMESH_ASSIGN_OR_RETURN(
      const EncoderConfig config,
      ReadEncoderConfig(*file, source.facts, config_json == nullptr ? "" : config_json->bytes()));
  if (tokenizer->max_id() >= config.vocabulary) {
    return InvalidField("tokenizer.json",
                        absl::StrCat("has id ", tokenizer->max_id(), ", but the weights know ",
                                     config.vocabulary, " tokens"),
                        "Use the tokenizer.json and the weights of one model.");
  }
  return std::unique_ptr<ModelLoader>(
      new ModelLoader(source, *kernels, std::move(file), config, std::move(tokenizer)));
}

ModelLoader::ModelLoader(const EncoderSource& source, const linalg::Kernels& kernels,
                         std::shared_ptr<const model_files::Safetensors> file,
                         const EncoderConfig& config,
                         std::unique_ptr<text::EncoderTokenizer> tokenizer)
    : source_(source),
      kernels_(kernels),
      file_(std::move(file)),
      config_(config),
      tokenizer_(std::move(tokenizer)),
      digest_(source.digest.empty() ? Sha256Hex(file_->bytes()) : source.digest),
      calibration_texts_(IdsOf(*tokenizer_, config.max_tokens, CalibrationTexts())),
      comparison_texts_(IdsOf(*tokenizer_, config.max_tokens, ComparisonTexts())),
      recipe_(RecipeOf(config, calibration_texts_, comparison_texts_)) {}

absl::StatusOr<ModelLoader::Packed> ModelLoader::Choose() {
  for (const Precision precision : {Precision::kInt8, Precision::kBf16}) {
    // The table without float panels is the one that no processor with better instructions uses;
    // its products of bytes are for comparison, not for speed.
    if (kernels_.f32.multiply == nullptr || !linalg::Supports(kernels_, precision)) continue;
    RAGMESH_ASSIGN_OR_RETURN(Packed packed, Load(precision));
    if (packed.agreement.mean >= kLeastAgreement) return packed;
  }
  return Load(Precision::kF32);
}

absl::StatusOr<ModelLoader::Packed> ModelLoader::Load(Precision precision, const Step& step) {
  if (!linalg::Supports(kernels_, precision)) {
    return InvalidField("precision",
                        absl::StrCat(linalg::ToString(precision), " is not in the kernels \"",
                                     kernels_.name, "\" that this process uses"),
                        "Use f32, or auto.");
  }
  if (source_.packed_folder.empty()) return Make(precision, step);
  const PackedKey key = {digest_, recipe_, kernels_, precision};
  if (auto found = FromFile(key); found.ok()) return found;
  RAGMESH_ASSIGN_OR_RETURN(Packed made, Make(precision, step));
  // Another process may have been quicker; its file is then shared with it.
  if (auto found = FromFile(key); found.ok()) return found;
  made.stored = PackedWeights::Write(key.PathIn(source_.packed_folder), key, made.model->weights(),
                                     made.agreement);
  if (!made.stored.ok()) return made;
  auto stored = FromFile(key);
  if (!stored.ok()) {
    made.stored = stored.status();
    return made;
  }
  stored->made = true;
  return stored;
}

absl::StatusOr<ModelLoader::Packed> ModelLoader::FromFile(const PackedKey& key) const {
  const std::string path = key.PathIn(source_.packed_folder);
  RAGMESH_ASSIGN_OR_RETURN(const auto weights, PackedWeights::Open(path, key));
  RAGMESH_ASSIGN_OR_RETURN(
      auto model, EncoderModel::Load(file_, config_, kernels_, key.precision, nullptr, weights));
  return Packed{.model = std::move(model), .agreement = weights->agreement(), .path = path};
}

absl::StatusOr<ModelLoader::Packed> ModelLoader::Make(Precision precision, const Step& step) {
  const auto begin = [&](absl::string_view what) {
    if (step) step(what);
  };
  if (exact_ == nullptr) {
    begin("reading weights");
    RAGMESH_ASSIGN_OR_RETURN(exact_, EncoderModel::Load(file_, config_, kernels_, Precision::kF32));
  }
  if (precision == Precision::kF32)
    return Packed{.model = exact_, .agreement = {1, 1}, .made = true};
  std::optional<Calibration> calibration;
  if (precision == Precision::kInt8) {
    begin("calibrating");
    calibration = Calibration::Measure(*exact_, calibration_texts_);
  }
  begin("packing");
  RAGMESH_ASSIGN_OR_RETURN(auto model,
                           EncoderModel::Load(file_, config_, kernels_, precision,
                                              calibration.has_value() ? &*calibration : nullptr));
  begin("comparing");
  const Agreement agreement = Compare(*exact_, *model, comparison_texts_);
  return Packed{.model = std::move(model), .agreement = agreement, .made = true};
}

}  // namespace ragmesh::embedding
