#include "services/ragmesh/quantize_models.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/call_context.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/embedding/model_loader.h"
#include "libs/model_store/installed_model.h"
#include "nlohmann/json.hpp"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

using embedding::ModelLoader;
using linalg::Precision;

absl::Status NotStored(const absl::Status& why, const model_store::ModelCache& cache) {
  return MakeError(
      why.code(), absl::StrCat("packed weights were not stored: ", why.message()),
      {.reason = "PACKED_WEIGHTS_NOT_STORED",
       .next_step = absl::StrCat("Run it as a user who may write to ", cache.PackedFolder(),
                                 ", with room there, or name another --model_cache.")});
}

void Print(const model_store::Model& model, const ModelLoader::Packed& packed,
           const linalg::Kernels& kernels, bool taken_by_auto, bool json) {
  const std::string precision(linalg::ToString(packed.model->precision()));
  const auto size = std::filesystem::file_size(packed.path);
  if (json) {
    std::printf("%s\n", nlohmann::json{{"name", model.name},
                                       {"precision", precision},
                                       {"kernels", kernels.name},
                                       {"agreement_mean", packed.agreement.mean},
                                       {"agreement_least", packed.agreement.least},
                                       {"taken_by_auto", taken_by_auto},
                                       {"made", packed.made},
                                       {"path", packed.path},
                                       {"size_bytes", size}}
                            .dump()
                            .c_str());
    return;
  }
  std::printf("%s %s for %s: cosine to f32 %.5f in the mean, %.5f at least; %.1f MB %s%s\n",
              model.name.c_str(), precision.c_str(), kernels.name, packed.agreement.mean,
              packed.agreement.least, static_cast<double>(size) / 1e6,
              packed.made ? "stored" : "are here", taken_by_auto ? "; auto takes it" : "");
}

absl::Status QuantizeOne(const model_store::InstalledModel& installed,
                         const model_store::ModelCache& cache, const QuantizeOptions& options) {
  embedding::EncoderSource source = embedding::SourceOf(installed);
  source.kernel = options.kernel;
  RAGMESH_ASSIGN_OR_RETURN(const auto loader, ModelLoader::Open(source));
  std::vector<Precision> wanted = {Precision::kInt8};
  if (linalg::Supports(loader->kernels(), Precision::kBf16)) wanted.push_back(Precision::kBf16);
  const bool all = options.precision == "all";
  if (!all) wanted = {*linalg::ParsePrecision(options.precision)};

  std::vector<ModelLoader::Packed> packed;
  {
    Progress bar(installed.model->name, "steps", options.quiet || options.json);
    std::uint64_t step = 0;
    for (const Precision precision : wanted) {
      RAGMESH_ASSIGN_OR_RETURN(
          packed.emplace_back(), loader->Load(precision, [&](absl::string_view what) {
            bar.Update(++step, 0, absl::StrCat(linalg::ToString(precision), ": ", what));
          }));
    }
  }
  std::optional<Precision> taken;
  if (all) {
    RAGMESH_ASSIGN_OR_RETURN(ModelLoader::Packed chosen, loader->Choose());
    taken = chosen.model->precision();
    if (*taken == Precision::kF32) packed.push_back(std::move(chosen));
  }
  for (const ModelLoader::Packed& one : packed) {
    if (!one.stored.ok()) return NotStored(one.stored, cache);
    Print(*installed.model, one, loader->kernels(), one.model->precision() == taken, options.json);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status QuantizeModels(const std::vector<const model_store::Model*>& models,
                            const model_store::ModelCache& cache, const QuantizeOptions& options) {
  const CallContext call(absl::InfiniteFuture());
  for (const model_store::Model* model : models) {
    if (model->role != model_store::Role::kEmbedder &&
        model->role != model_store::Role::kReranker) {
      return InvalidField("name", absl::StrCat(model->name, " is not an encoder"),
                          "Name an embedder or a reranker; generators are published quantised.");
    }
    RAGMESH_ASSIGN_OR_RETURN(
        const auto installed,
        model_store::FindModel(model_store::Catalogue::BuiltIn(), cache, model->name, call));
    RAGMESH_RETURN_IF_ERROR(Annotate(QuantizeOne(installed, cache, options), model->name));
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::cli
