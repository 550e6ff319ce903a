// Reads GGUF, the model file format of llama.cpp: typed metadata and named tensors in one mapped
// file.
//
// Layout, little-endian: magic "GGUF", u32 version (2 or 3), u64 tensor count, u64 metadata count;
// then the metadata (string key, u32 type, value), then per tensor its name, u32 dimension count,
// u64 dimensions (fastest first), u32 type and u64 offset; then padding to `general.alignment` (32
// when absent) and the tensor data. A string is a u64 length and bytes.
//
// Files come from strangers. Every count, length and offset is checked, without overflow, before it
// is used; what a File hands out lies inside the file. Anything else is DATA_LOSS / CORRUPT_DATA,
// with the place in the message.
#ifndef RAGMESH_LIBS_GGUF_GGUF_H_
#define RAGMESH_LIBS_GGUF_GGUF_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/gguf/tensor_type.h"

namespace ragmesh::gguf {

enum class ValueType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// One metadata value; `bytes` is a view into the file: a scalar as stored, a string's characters,
// or an array's elements one after another (strings with their lengths). Arrays of arrays are
// refused while reading.
struct Value {
  ValueType type = ValueType::kUint8;
  ValueType element = ValueType::kUint8;  // of an array
  std::uint64_t count = 0;                // of an array
  absl::string_view bytes;
};

struct Tensor {
  absl::string_view name;
  TensorType type = TensorType::kF32;
  std::vector<std::uint64_t> dimensions;  // 1 to 4, fastest first: a matrix is {columns, rows}
  std::uint64_t values = 0;               // product of the dimensions
  absl::string_view data;                 // exactly the tensor's bytes, aligned as the file says
};

// Immutable and thread-safe. All views die with the object.
class File {
 public:
  // Maps `path`; NOT_FOUND and so on as the file system says.
  static absl::StatusOr<std::shared_ptr<const File>> Open(const std::string& path);

  // Reads from memory that `owner` keeps alive. `name` stands in error messages.
  static absl::StatusOr<std::shared_ptr<const File>> Parse(absl::string_view bytes,
                                                           std::string name,
                                                           std::shared_ptr<const void> owner);

  // Each returns nullopt when the key is absent or holds another kind. GetUint takes any integer
  // that is not negative.
  std::optional<std::uint64_t> GetUint(absl::string_view key) const;
  std::optional<double> GetFloat(absl::string_view key) const;
  std::optional<bool> GetBool(absl::string_view key) const;
  std::optional<absl::string_view> GetString(absl::string_view key) const;
  std::optional<std::vector<absl::string_view>> GetStrings(absl::string_view key) const;
  std::optional<std::vector<std::int64_t>> GetInts(
      absl::string_view key) const;  // integer and boolean arrays
  std::optional<std::vector<float>> GetFloats(absl::string_view key) const;  // float32 arrays

  const Value* FindValue(absl::string_view key) const;
  const Tensor* FindTensor(absl::string_view name) const;
  const std::vector<Tensor>& tensors() const { return tensors_; }  // in file order
  std::uint32_t version() const { return version_; }
  const std::string& name() const { return name_; }

 private:
  friend class Reader;
  File() = default;

  std::shared_ptr<const void> owner_;
  std::string name_;
  std::uint32_t version_ = 0;
  absl::flat_hash_map<absl::string_view, Value> values_;
  std::vector<Tensor> tensors_;
  absl::flat_hash_map<absl::string_view, std::size_t> tensor_index_;
};

}  // namespace ragmesh::gguf

#endif  // RAGMESH_LIBS_GGUF_GGUF_H_
