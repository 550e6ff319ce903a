#include "libs/model_files/safetensors.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/text/bounded_json.h"

namespace ragmesh::model_files {
namespace {

using nlohmann::json;

// The format allows 100 MB. Real headers have about 100 bytes a tensor, and a parsed header takes
// up to 20 times its bytes in memory, so a hostile one is refused early.
constexpr std::uint64_t kMaxHeaderBytes = 16 << 20;
constexpr std::size_t kMaxRank = 16;
constexpr char kNextStep[] = "Pull the model again; `ragmesh models pull` verifies what it stores.";

struct DtypeFacts {
  Dtype dtype;
  const char* name;
  std::uint64_t size_bytes;
};

constexpr DtypeFacts kDtypes[] = {
    {Dtype::kBool, "BOOL", 1}, {Dtype::kU8, "U8", 1},   {Dtype::kI8, "I8", 1},
    {Dtype::kI16, "I16", 2},   {Dtype::kU16, "U16", 2}, {Dtype::kF16, "F16", 2},
    {Dtype::kBf16, "BF16", 2}, {Dtype::kI32, "I32", 4}, {Dtype::kU32, "U32", 4},
    {Dtype::kF32, "F32", 4},   {Dtype::kI64, "I64", 8}, {Dtype::kU64, "U64", 8},
    {Dtype::kF64, "F64", 8}};

const DtypeFacts& Facts(Dtype dtype) { return kDtypes[static_cast<std::size_t>(dtype)]; }

// Where a tensor lies, relative to the end of the header.
struct Extent {
  std::uint64_t begin;
  std::uint64_t end;
  const std::string* tensor;
};

absl::Status ReadDtype(const json& value, Dtype* dtype) {
  const std::string name = value.is_string() ? value.get<std::string>() : "";
  const auto* facts =
      std::find_if(std::begin(kDtypes), std::end(kDtypes),
                   [&name](const DtypeFacts& candidate) { return name == candidate.name; });
  if (facts == std::end(kDtypes))
    return Corrupt("dtype", absl::StrCat("\"", name.substr(0, 20), "\" is not known"));
  *dtype = facts->dtype;
  return absl::OkStatus();
}

absl::Status ReadShape(const json& value, Tensor* tensor) {
  if (!value.is_array() || value.size() > kMaxRank) {
    return Corrupt("shape", absl::StrCat("must be a list of at most ", kMaxRank, " sizes"));
  }
  // Elements times 8 bytes must not overflow either.
  constexpr std::uint64_t kMaxElements = std::numeric_limits<std::uint64_t>::max() / 8;
  for (const json& size : value) {
    if (!size.is_number_unsigned()) return Corrupt("shape", "must hold whole numbers from 0");
    tensor->shape.push_back(size.get<std::uint64_t>());
    if (tensor->shape.back() != 0 && tensor->elements > kMaxElements / tensor->shape.back()) {
      return Corrupt("shape", "has more elements than a file can hold");
    }
    tensor->elements *= tensor->shape.back();
  }
  return absl::OkStatus();
}

absl::StatusOr<Extent> ReadExtent(const json& value, std::uint64_t data_bytes) {
  if (!value.is_array() || value.size() != 2 || !value[0].is_number_unsigned() ||
      !value[1].is_number_unsigned()) {
    return Corrupt("data_offsets", "must be two whole numbers from 0");
  }
  const Extent extent{value[0].get<std::uint64_t>(), value[1].get<std::uint64_t>(), nullptr};
  if (extent.begin > extent.end || extent.end > data_bytes) {
    return Corrupt("data_offsets",
                   absl::StrCat("[", extent.begin, ", ", extent.end, "] do not lie in the ",
                                data_bytes, " bytes of tensor data"));
  }
  return extent;
}

absl::StatusOr<Extent> ReadTensor(const json& value, absl::string_view data, Tensor* tensor) {
  const bool complete = value.is_object() && value.size() == 3 && value.contains("dtype") &&
                        value.contains("shape") && value.contains("data_offsets");
  if (!complete) return Corrupt("entry", "must have exactly dtype, shape and data_offsets");
  RAGMESH_RETURN_IF_ERROR(ReadDtype(value["dtype"], &tensor->dtype));
  RAGMESH_RETURN_IF_ERROR(ReadShape(value["shape"], tensor));
  RAGMESH_ASSIGN_OR_RETURN(const Extent extent, ReadExtent(value["data_offsets"], data.size()));
  const std::uint64_t expected = tensor->elements * SizeBytes(tensor->dtype);
  if (extent.end - extent.begin != expected) {
    return Corrupt("data_offsets", absl::StrCat("span ", extent.end - extent.begin, " bytes where ",
                                                ShapeToString(tensor->shape), " ",
                                                ToString(tensor->dtype), " needs ", expected));
  }
  tensor->bytes = data.substr(extent.begin, expected);
  return extent;
}

// Every byte of the data belongs to exactly one tensor.
absl::Status CheckCover(std::vector<Extent> extents, std::uint64_t data_bytes) {
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t end = 0;
  for (const Extent& extent : extents) {
    if (extent.begin != end) {
      return Corrupt(
          absl::StrCat("tensor ", *extent.tensor),
          absl::StrCat("begins at ", extent.begin, ", but the tensors before it end at ", end),
          kNextStep);
    }
    end = extent.end;
  }
  if (end == data_bytes) return absl::OkStatus();
  return Corrupt("tensor data",
                 absl::StrCat("has ", data_bytes, " bytes, of which tensors cover ", end),
                 kNextStep);
}

absl::StatusOr<absl::string_view> HeaderOf(absl::string_view bytes) {
  if (bytes.size() < 8)
    return Corrupt("file", absl::StrCat("has ", bytes.size(), " bytes, too few for a header"),
                   kNextStep);
  std::uint64_t length = 0;
  for (int i = 7; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(bytes[i]);
  if (length > bytes.size() - 8 || length > kMaxHeaderBytes) {
    return Corrupt("header",
                   absl::StrCat("claims ", length, " bytes; the file has ", bytes.size() - 8,
                                " after the length and the limit is ", kMaxHeaderBytes),
                   kNextStep);
  }
  return bytes.substr(8, length);
}

}  // namespace

absl::string_view ToString(Dtype dtype) { return Facts(dtype).name; }
std::uint64_t SizeBytes(Dtype dtype) { return Facts(dtype).size_bytes; }

std::string ShapeToString(const std::vector<std::uint64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

absl::StatusOr<std::shared_ptr<const Safetensors>> Safetensors::Open(const std::string& path) {
  RAGMESH_ASSIGN_OR_RETURN(auto file, MappedFile::Open(path));
  std::shared_ptr<Safetensors> opened(new Safetensors);
  opened->bytes_ = file->bytes();
  opened->file_ = std::move(file);
  opened->name_ = path;
  RAGMESH_RETURN_IF_ERROR(Annotate(opened->ParseHeader(), path));
  return opened;
}

absl::StatusOr<std::shared_ptr<const Safetensors>> Safetensors::Parse(absl::string_view bytes,
                                                                      absl::string_view name) {
  std::shared_ptr<Safetensors> parsed(new Safetensors);
  parsed->bytes_ = bytes;
  parsed->name_ = std::string(name);
  RAGMESH_RETURN_IF_ERROR(Annotate(parsed->ParseHeader(), name));
  return parsed;
}

const Tensor* Safetensors::Find(absl::string_view tensor) const {
  const auto it = tensors_.find(std::string(tensor));
  return it == tensors_.end() ? nullptr : &it->second;
}

absl::Status Safetensors::ParseHeader() {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view header, HeaderOf(bytes_));
  const absl::string_view data = bytes_.substr(8 + header.size());
  const auto root =
      text::ParseBoundedJson(header, "header", {.max_bytes = kMaxHeaderBytes, .max_depth = 3});
  if (!root.ok()) return Corrupt("safetensors", root.status().message(), kNextStep);
  if (!root->is_object()) return Corrupt("header", "must be a JSON object", kNextStep);
  std::vector<Extent> extents;
  for (const auto& [name, value] : root->items()) {
    if (name == "__metadata__") {
      if (!value.is_object()) return Corrupt("__metadata__", "must be an object", kNextStep);
      for (const auto& [key, text] : value.items()) {
        if (!text.is_string())
          return Corrupt("__metadata__", "must map strings to strings", kNextStep);
        metadata_[key] = text.get<std::string>();
      }
      continue;
    }
    const auto inserted = tensors_.try_emplace(name).first;
    auto extent = ReadTensor(value, data, &inserted->second);
    if (!extent.ok())
      return Corrupt(absl::StrCat("tensor ", name.substr(0, 200)), extent.status().message(),
                     kNextStep);
    extent->tensor = &inserted->first;
    extents.push_back(*extent);
  }
  return CheckCover(std::move(extents), data.size());
}

}  // namespace ragmesh::model_files
