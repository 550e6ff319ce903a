#include "libs/model_store/installed_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::model_store {
namespace {

absl::Status NotInstalled(const Model& model, const File& file, const ModelCache& cache) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("the model \"", model.name, "\" is not installed: ", cache.PathOf(file.sha256),
                   " (", file.name, ", ", file.size_bytes, " bytes) is absent"),
      {.reason = "MODEL_NOT_INSTALLED",
       .next_step = absl::StrCat("Run: ragmesh models pull ", model.name),
       .metadata = {{"model", model.name}, {"file", file.name}}});
}

bool IsInstalled(const ModelCache& cache, const Model& model) {
  return !model.files.empty() &&
         std::all_of(model.files.begin(), model.files.end(),
                     [&](const File& file) { return cache.Has(file.sha256); });
}

}  // namespace

absl::StatusOr<InstalledModel> FindModel(const Catalogue& catalogue, const ModelCache& cache,
                                         absl::string_view name, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const Model* model, catalogue.Find(name));
  if (model->files.empty()) {
    return WrongState("MODEL_HAS_NO_FILES",
                      absl::StrCat(name, " has no file for a ", ThisPlatform(), " machine"));
  }
  InstalledModel installed{model, {}, cache.PackedFolder()};
  for (const File& file : model->files) {
    if (!cache.Has(file.sha256)) return NotInstalled(*model, file, cache);
    absl::StatusOr<std::string> path = cache.Find(file.sha256, call);
    if (!path.ok()) return Annotate(path.status(), absl::StrCat(name, "/", file.name));
    installed.paths[file.name] = *std::move(path);
  }
  return installed;
}

std::vector<ModelState> ListModels(const Catalogue& catalogue, const ModelCache& cache) {
  std::vector<ModelState> states;
  for (const Model& model : catalogue.models()) {
    ModelState state{&model, IsInstalled(cache, model)};
    for (const File& file : model.files) {
      state.size_bytes += file.size_bytes;
      if (cache.Has(file.sha256)) state.held_bytes += file.size_bytes;
    }
    states.push_back(state);
  }
  return states;
}

absl::Status VerifyModel(const ModelCache& cache, const Model& model, const CallContext& call) {
  for (const File& file : model.files) {
    if (!cache.Has(file.sha256)) return NotInstalled(model, file, cache);
    RAGMESH_RETURN_IF_ERROR(
        Annotate(cache.Verify(file.sha256, call), absl::StrCat(model.name, "/", file.name)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> RemoveModel(const Catalogue& catalogue, const ModelCache& cache,
                                         const Model& model) {
  const auto shared = [&](const std::string& digest) {
    return std::any_of(
        catalogue.models().begin(), catalogue.models().end(), [&](const Model& other) {
          return other.name != model.name && IsInstalled(cache, other) &&
                 std::any_of(other.files.begin(), other.files.end(),
                             [&](const File& file) { return file.sha256 == digest; });
        });
  };
  std::int64_t freed = 0;
  for (const File& file : model.files) {
    if (shared(file.sha256)) continue;
    RAGMESH_ASSIGN_OR_RETURN(const std::int64_t bytes, cache.Remove(file.sha256));
    freed += bytes;
  }
  return freed;
}

}  // namespace ragmesh::model_store
