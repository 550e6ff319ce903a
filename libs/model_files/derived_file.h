// Files that are made from a model's weights, to be mapped and used in place: safetensors files
// with a checksum, and metadata that says what they were made of. Any fault in one means that it is
// made again, so it costs time and never a start.
#ifndef RAGMESH_LIBS_MODEL_FILES_DERIVED_FILE_H_
#define RAGMESH_LIBS_MODEL_FILES_DERIVED_FILE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/model_files/safetensors.h"
#include "libs/model_files/safetensors_writer.h"

namespace ragmesh::model_files {

// Puts the file in place of what is at `path`, atomically, so that any number of processes may
// write at a time; those who have the old one mapped keep it. Tensors follow each other without a
// gap, the first at a multiple of 64 bytes, and then a tensor "checksum".
absl::Status WriteDerived(const std::string& path, std::vector<NamedTensor> tensors,
                          const std::map<std::string, std::string>& metadata);

// Reads all of the file once, for its checksum. NOT_FOUND; DATA_LOSS when damaged;
// FAILED_PRECONDITION / DERIVED_FILE_STALE when it lacks a part of `metadata` or has another value.
absl::StatusOr<std::shared_ptr<const Safetensors>> OpenDerived(
    const std::string& path, const std::map<std::string, std::string>& metadata);

// As OpenDerived, of bytes that have been read from `name`; they outlive what is returned. For
// files that others may cut short meanwhile, which ends a process that has them mapped.
absl::StatusOr<std::shared_ptr<const Safetensors>> ParseDerived(
    absl::string_view bytes, absl::string_view name,
    const std::map<std::string, std::string>& metadata);

// What to do about any of these faults.
inline constexpr char kDerivedNextStep[] = "Remove the file; it is made again from the model.";

}  // namespace ragmesh::model_files

#endif  // RAGMESH_LIBS_MODEL_FILES_DERIVED_FILE_H_
