// What stages and the command line ask of the model store: is this model here, and where are its
// files?
#ifndef RAGMESH_LIBS_MODEL_STORE_INSTALLED_MODEL_H_
#define RAGMESH_LIBS_MODEL_STORE_INSTALLED_MODEL_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/call_context.h"
#include "libs/model_store/catalogue.h"
#include "libs/model_store/model_cache.h"

namespace ragmesh::model_store {

// A model whose every file is present and has its digest.
struct InstalledModel {
  const Model* model;                        // borrowed from the catalogue
  std::map<std::string, std::string> paths;  // file name -> where it is
  std::string packed_folder;                 // for what is made of its weights; may be absent

  // The digest of the file that holds the weights: the model's identity in Info and in collections.
  const std::string& weights_digest() const { return model->files.front().sha256; }
  const std::string& path(const std::string& file) const { return paths.at(file); }
};

// NOT_FOUND / MODEL_NOT_FOUND for a name the catalogue does not have; FAILED_PRECONDITION /
// MODEL_NOT_INSTALLED when files are absent, with the command that obtains them; DATA_LOSS when a
// file does not have its digest.
absl::StatusOr<InstalledModel> FindModel(const Catalogue& catalogue, const ModelCache& cache,
                                         absl::string_view name, const CallContext& call);

struct ModelState {
  const Model* model;           // borrowed from the catalogue
  bool installed = false;       // every file is present; digests are not read again
  std::int64_t size_bytes = 0;  // of all files
  std::int64_t held_bytes = 0;  // of the files present
};

// Every model of the catalogue, in its order. Cheap.
std::vector<ModelState> ListModels(const Catalogue& catalogue, const ModelCache& cache);

// Reads every file again. Errors as FindModel.
absl::Status VerifyModel(const ModelCache& cache, const Model& model, const CallContext& call);

// Removes the model's files, except those that another installed model has too; the bytes freed.
absl::StatusOr<std::int64_t> RemoveModel(const Catalogue& catalogue, const ModelCache& cache,
                                         const Model& model);

}  // namespace ragmesh::model_store

#endif  // RAGMESH_LIBS_MODEL_STORE_INSTALLED_MODEL_H_
