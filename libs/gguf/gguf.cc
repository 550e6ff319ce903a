#include "libs/gguf/gguf.h"

#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/mapped_file.h"
#include "libs/base/status_macros.h"

namespace ragmesh::gguf {
namespace {

// Real files stay far below these (a 70B model has 723 tensors); they bound what a hostile header
// can allocate.
constexpr std::uint64_t kMaxTensors = 65'536;
constexpr std::uint64_t kMaxValues = 65'536;
constexpr std::uint64_t kMaxNameBytes = 65'535;
constexpr std::uint64_t kMaxAlignment = 1 << 20;
constexpr std::uint64_t kDefaultAlignment = 32;
constexpr std::uint32_t kMaxDimensions = 4;

// 0 for types without a fixed size.
std::size_t ScalarBytes(ValueType type) {
  switch (type) {
    case ValueType::kUint8:
    case ValueType::kInt8:
    case ValueType::kBool:
      return 1;
    case ValueType::kUint16:
    case ValueType::kInt16:
      return 2;
    case ValueType::kUint32:
    case ValueType::kInt32:
    case ValueType::kFloat32:
      return 4;
    case ValueType::kUint64:
    case ValueType::kInt64:
    case ValueType::kFloat64:
      return 8;
    case ValueType::kString:
    case ValueType::kArray:
      return 0;
  }
  return 0;
}

template <typename T>
T Load(const char* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(value));
  return value;
}

// nullopt for what is not an integer or does not fit.
std::optional<std::int64_t> LoadInt(ValueType type, const char* bytes) {
  switch (type) {
    case ValueType::kUint8:
      return Load<std::uint8_t>(bytes);
    case ValueType::kInt8:
      return Load<std::int8_t>(bytes);
    case ValueType::kUint16:
      return Load<std::uint16_t>(bytes);
    case ValueType::kInt16:
      return Load<std::int16_t>(bytes);
    case ValueType::kUint32:
      return Load<std::uint32_t>(bytes);
    case ValueType::kInt32:
      return Load<std::int32_t>(bytes);
    case ValueType::kBool:
      return Load<std::uint8_t>(bytes) != 0;
    case ValueType::kInt64:
      return Load<std::int64_t>(bytes);
    case ValueType::kUint64: {
      const auto value = Load<std::uint64_t>(bytes);
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        return std::nullopt;
      return static_cast<std::int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

// Walks the bytes once, front to back. `position_` never passes the end: Take() is the only way
// forward.
class Reader {
 public:
  Reader(absl::string_view bytes, std::string name) : bytes_(bytes), file_(new File()) {
    file_->name_ = std::move(name);
  }

  absl::StatusOr<std::shared_ptr<const File>> Read(std::shared_ptr<const void> owner) {
    file_->owner_ = std::move(owner);
    RAGMESH_ASSIGN_OR_RETURN(const absl::string_view magic, Take(4));
    if (magic != "GGUF") return Bad("it does not begin with \"GGUF\"");
    RAGMESH_ASSIGN_OR_RETURN(file_->version_, Number<std::uint32_t>());
    if (file_->version_ != 2 && file_->version_ != 3) {
      return Bad(
          absl::StrCat("version ", file_->version_, " is not 2 or 3 in little-endian order"));
    }
    RAGMESH_ASSIGN_OR_RETURN(const auto tensor_count, Number<std::uint64_t>());
    RAGMESH_ASSIGN_OR_RETURN(const auto value_count, Number<std::uint64_t>());
    if (tensor_count > kMaxTensors)
      return Bad(absl::StrCat("it claims ", tensor_count, " tensors"));
    if (value_count > kMaxValues)
      return Bad(absl::StrCat("it claims ", value_count, " metadata values"));
    for (std::uint64_t i = 0; i < value_count; ++i) RAGMESH_RETURN_IF_ERROR(ReadValue());
    RAGMESH_RETURN_IF_ERROR(ReadTensors(tensor_count));
    return std::shared_ptr<const File>(std::move(file_));
  }

 private:
  absl::Status Bad(absl::string_view problem) const {
    return Corrupt(file_->name_, absl::StrCat(problem, " (near byte ", position_, ")"),
                   "Fetch the model file again and compare its SHA-256.");
  }

  absl::StatusOr<absl::string_view> Take(std::uint64_t count) {
    if (count > bytes_.size() - position_) {
      return Bad(
          absl::StrCat("needs ", count, " bytes where ", bytes_.size() - position_, " are left"));
    }
    const absl::string_view taken = bytes_.substr(position_, count);
    position_ += count;
    return taken;
  }

  template <typename T>
  absl::StatusOr<T> Number() {
    RAGMESH_ASSIGN_OR_RETURN(const absl::string_view raw, Take(sizeof(T)));
    return Load<T>(raw.data());
  }

  absl::StatusOr<absl::string_view> String() {
    RAGMESH_ASSIGN_OR_RETURN(const auto size, Number<std::uint64_t>());
    return Take(size);
  }

  absl::StatusOr<absl::string_view> Name() {
    RAGMESH_ASSIGN_OR_RETURN(const absl::string_view name, String());
    if (name.size() > kMaxNameBytes) return Bad(absl::StrCat("a name of ", name.size(), " bytes"));
    return name;
  }

  absl::Status ReadValue() {
    RAGMESH_ASSIGN_OR_RETURN(const absl::string_view key, Name());
    RAGMESH_ASSIGN_OR_RETURN(const auto type, Number<std::uint32_t>());
    if (type > static_cast<std::uint32_t>(ValueType::kFloat64))
      return Bad(absl::StrCat("value type ", type));
    Value value;
    value.type = static_cast<ValueType>(type);
    if (value.type == ValueType::kString) {
      RAGMESH_ASSIGN_OR_RETURN(value.bytes, String());
    } else if (value.type == ValueType::kArray) {
      RAGMESH_RETURN_IF_ERROR(ReadArray(&value));
    } else {
      RAGMESH_ASSIGN_OR_RETURN(value.bytes, Take(ScalarBytes(value.type)));
    }
    if (!file_->values_.emplace(key, value).second) return Bad("a metadata key appears twice");
    return absl::OkStatus();
  }

  absl::Status ReadArray(Value* value) {
    RAGMESH_ASSIGN_OR_RETURN(const auto element, Number<std::uint32_t>());
    RAGMESH_ASSIGN_OR_RETURN(value->count, Number<std::uint64_t>());
    if (element > static_cast<std::uint32_t>(ValueType::kFloat64) ||
        element == static_cast<std::uint32_t>(ValueType::kArray)) {
      return Bad(absl::StrCat("array element type ", element));
    }
    value->element = static_cast<ValueType>(element);
    const std::uint64_t begin = position_;
    if (value->element == ValueType::kString) {
      for (std::uint64_t i = 0; i < value->count; ++i) RAGMESH_RETURN_IF_ERROR(String().status());
    } else {
      const std::size_t size = ScalarBytes(value->element);
      if (value->count > bytes_.size() / size)
        return Bad(absl::StrCat("an array of ", value->count, " values"));
      RAGMESH_RETURN_IF_ERROR(Take(value->count * size).status());
    }
    value->bytes = bytes_.substr(begin, position_ - begin);
    return absl::OkStatus();
  }

  // Descriptions first, since data begins only after the last of them.
  absl::Status ReadTensors(std::uint64_t count) {
    std::vector<std::uint64_t> offsets;
    for (std::uint64_t i = 0; i < count; ++i) {
      Tensor tensor;
      RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t offset, ReadDescription(&tensor));
      if (!file_->tensor_index_.emplace(tensor.name, i).second)
        return Bad("a tensor name appears twice");
      offsets.push_back(offset);
      file_->tensors_.push_back(std::move(tensor));
    }
    if (count == 0) return absl::OkStatus();
    RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t alignment, Alignment());
    const std::uint64_t padding = (alignment - position_ % alignment) % alignment;
    RAGMESH_RETURN_IF_ERROR(Take(padding).status());
    const absl::string_view data = bytes_.substr(position_);
    for (std::uint64_t i = 0; i < count; ++i) {
      Tensor& tensor = file_->tensors_[i];
      if (offsets[i] % alignment != 0) return Bad(absl::StrCat("tensor ", i, " is not aligned"));
      const BlockShape shape = *FindBlockShape(static_cast<std::uint32_t>(tensor.type));
      std::uint64_t size = 0;
      if (__builtin_mul_overflow(tensor.values / shape.values, shape.bytes, &size) ||
          offsets[i] > data.size() || size > data.size() - offsets[i]) {
        return Bad(absl::StrCat("tensor ", i, " reaches past the end of the file"));
      }
      tensor.data = data.substr(offsets[i], size);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::uint64_t> ReadDescription(Tensor* tensor) {
    RAGMESH_ASSIGN_OR_RETURN(tensor->name, Name());
    RAGMESH_ASSIGN_OR_RETURN(const auto dimension_count, Number<std::uint32_t>());
    if (dimension_count < 1 || dimension_count > kMaxDimensions) {
      return Bad(absl::StrCat("a tensor of ", dimension_count, " dimensions"));
    }
    tensor->values = 1;
    for (std::uint32_t i = 0; i < dimension_count; ++i) {
      RAGMESH_ASSIGN_OR_RETURN(const auto size, Number<std::uint64_t>());
      if (size == 0 || __builtin_mul_overflow(tensor->values, size, &tensor->values)) {
        return Bad("a tensor whose dimensions multiply to zero or overflow");
      }
      tensor->dimensions.push_back(size);
    }
    RAGMESH_ASSIGN_OR_RETURN(const auto type, Number<std::uint32_t>());
    const std::optional<BlockShape> shape = FindBlockShape(type);
    if (!shape.has_value()) {
      return MakeError(
          absl::StatusCode::kUnimplemented,
          absl::StrCat(file_->name_, ": tensor type ", type, " is not supported"),
          {.reason = "UNSUPPORTED_TENSOR_TYPE",
           .next_step =
               "Use a file quantised as Q4_0, Q4_1, Q5_0, Q8_0, Q4_K, Q6_K, F16, BF16 or F32."});
    }
    if (tensor->dimensions[0] % shape->values != 0)
      return Bad("a tensor row that is not a whole number of blocks");
    tensor->type = static_cast<TensorType>(type);
    return Number<std::uint64_t>();
  }

  absl::StatusOr<std::uint64_t> Alignment() const {
    if (file_->FindValue("general.alignment") == nullptr) return kDefaultAlignment;
    const std::optional<std::uint64_t> alignment = file_->GetUint("general.alignment");
    if (!alignment.has_value() || *alignment == 0 || *alignment > kMaxAlignment ||
        (*alignment & (*alignment - 1)) != 0) {
      return Bad("general.alignment is not a power of two up to 1048576");
    }
    return *alignment;
  }

  const absl::string_view bytes_;
  std::uint64_t position_ = 0;
  std::unique_ptr<File> file_;
};

absl::StatusOr<std::shared_ptr<const File>> File::Open(const std::string& path) {
  RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<const MappedFile> mapped, MappedFile::Open(path));
  const absl::string_view bytes = mapped->bytes();
  return Parse(bytes, path, std::move(mapped));
}

absl::StatusOr<std::shared_ptr<const File>> File::Parse(absl::string_view bytes, std::string name,
                                                        std::shared_ptr<const void> owner) {
  return Reader(bytes, std::move(name)).Read(std::move(owner));
}

const Value* File::FindValue(absl::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

const Tensor* File::FindTensor(absl::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

std::optional<std::uint64_t> File::GetUint(absl::string_view key) const {
  const Value* value = FindValue(key);
  if (value == nullptr || ScalarBytes(value->type) == 0 || value->type == ValueType::kBool)
    return std::nullopt;
  if (value->type == ValueType::kUint64) return Load<std::uint64_t>(value->bytes.data());
  const std::optional<std::int64_t> number = LoadInt(value->type, value->bytes.data());
  if (!number.has_value() || *number < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*number);
}

std::optional<double> File::GetFloat(absl::string_view key) const {
  const Value* value = FindValue(key);
  if (value == nullptr) return std::nullopt;
  if (value->type == ValueType::kFloat32) return Load<float>(value->bytes.data());
  if (value->type == ValueType::kFloat64) return Load<double>(value->bytes.data());
  return std::nullopt;
}

std::optional<bool> File::GetBool(absl::string_view key) const {
  const Value* value = FindValue(key);
  if (value == nullptr || value->type != ValueType::kBool) return std::nullopt;
  return value->bytes[0] != 0;
}

std::optional<absl::string_view> File::GetString(absl::string_view key) const {
  const Value* value = FindValue(key);
  if (value == nullptr || value->type != ValueType::kString) return std::nullopt;
  return value->bytes;
}

std::optional<std::vector<absl::string_view>> File::GetStrings(absl::string_view key) const {
  const Value* value = FindValue(key);
  if (value == nullptr || value->type != ValueType::kArray ||
      value->element != ValueType::kString) {
    return std::nullopt;
  }
  std::vector<absl::string_view> strings;
  strings.reserve(value->count);  // reading proved that each takes at least 8 bytes of the file
  absl::string_view rest = value->bytes;
  for (std::uint64_t i = 0; i < value->count; ++i) {
    const auto size = Load<std::uint64_t>(rest.data());
    strings.push_back(rest.substr(8, size));
    rest.remove_prefix(8 + size);
  }
  return strings;
}

std::optional<std::vector<std::int64_t>> File::GetInts(absl::string_view key) const {
  const Value* value = FindValue(key);
  if (value == nullptr || value->type != ValueType::kArray) return std::nullopt;
  const std::size_t size = ScalarBytes(value->element);
  if (size == 0) return std::nullopt;
  std::vector<std::int64_t> numbers;
  numbers.reserve(value->count);
  for (std::uint64_t i = 0; i < value->count; ++i) {
    const std::optional<std::int64_t> number =
        LoadInt(value->element, value->bytes.data() + i * size);
    if (!number.has_value()) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

std::optional<std::vector<float>> File::GetFloats(absl::string_view key) const {
  const Value* value = FindValue(key);
  if (value == nullptr || value->type != ValueType::kArray || value->element != ValueType::kFloat32)
    return std::nullopt;
  std::vector<float> numbers(value->count);
  if (!numbers.empty()) std::memcpy(numbers.data(), value->bytes.data(), value->bytes.size());
  return numbers;
}

}  // namespace ragmesh::gguf
