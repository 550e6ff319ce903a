// Reads the safetensors format: an 8-byte little-endian length, a JSON header, then the tensors'
// bytes.
#ifndef RAGMESH_LIBS_MODEL_FILES_SAFETENSORS_H_
#define RAGMESH_LIBS_MODEL_FILES_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/mapped_file.h"

namespace ragmesh::model_files {

enum class Dtype { kBool, kU8, kI8, kI16, kU16, kF16, kBf16, kI32, kU32, kF32, kI64, kU64, kF64 };

// "F32", as the file writes it.
absl::string_view ToString(Dtype dtype);
std::uint64_t SizeBytes(Dtype dtype);

struct Tensor {
  Dtype dtype = Dtype::kF32;
  std::vector<std::uint64_t> shape;  // row-major; empty for a scalar
  std::uint64_t elements = 1;        // product of `shape`
  absl::string_view bytes;  // elements * SizeBytes(dtype) of them; no alignment is promised
};

// "[30522, 384]".
std::string ShapeToString(const std::vector<std::uint64_t>& shape);

// The tensors of one file, every offset checked: inside the file, in order, without overlap or
// hole. Immutable and thread-safe. Views die with the object that was opened.
class Safetensors {
 public:
  // DATA_LOSS naming the file and tensor when the content does not check out; open(2)'s error when
  // it cannot be read.
  static absl::StatusOr<std::shared_ptr<const Safetensors>> Open(const std::string& path);

  // The same over bytes that outlive the object; `name` stands for the path in errors.
  static absl::StatusOr<std::shared_ptr<const Safetensors>> Parse(absl::string_view bytes,
                                                                  absl::string_view name);

  const std::string& name() const { return name_; }

  // Null when there is none of that name.
  const Tensor* Find(absl::string_view tensor) const;

  // Sorted by name.
  const std::map<std::string, Tensor, std::less<>>& tensors() const { return tensors_; }

  // The header's __metadata__; written by whoever made the file.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // The whole file, for its digest.
  absl::string_view bytes() const { return bytes_; }

 private:
  Safetensors() = default;
  absl::Status ParseHeader();

  std::shared_ptr<const MappedFile> file_;
  absl::string_view bytes_;
  std::string name_;
  std::map<std::string, Tensor, std::less<>> tensors_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace ragmesh::model_files

#endif  // RAGMESH_LIBS_MODEL_FILES_SAFETENSORS_H_
