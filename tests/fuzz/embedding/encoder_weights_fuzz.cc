// A small encoder's safetensors file, damaged as the bytes say, beside a config.json of the bytes
// that are left: a status, or a model that encodes in every precision. Damage goes to tensors
// rather than to bytes, since bytes at random rarely get past the header; safetensors_fuzz has
// those.
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/check.h"
#include "libs/embedding/quantization.h"

namespace ragmesh::embedding {
namespace {

using linalg::Precision;
using model_files::Dtype;
using model_files::Safetensors;

constexpr std::uint64_t kSizes[] = {0, 1, 2, 3, 64, 16384, 1ull << 32, 1ull << 63};
constexpr Dtype kDtypes[] = {Dtype::kF32, Dtype::kBf16, Dtype::kF16, Dtype::kI8, Dtype::kF64};
// NaN, infinity, the largest and the least, -0, what overflows when it is squared; the upper half
// of each is about the same in two bytes.
constexpr std::uint32_t kBits[] = {0x7FC00000, 0x7F800000, 0x7F7FFFFF, 1, 0x80000000, 0x7E967699};
constexpr std::size_t kMaxTensorBytes = 1 << 10;  // a shape that claims more is a lie

class Input {
 public:
  explicit Input(absl::string_view bytes) : bytes_(bytes) {}
  std::uint8_t Next() {
    if (bytes_.empty()) return 0;
    const auto next = static_cast<std::uint8_t>(bytes_[0]);
    bytes_.remove_prefix(1);
    return next;
  }
  template <typename Choices>
  auto Choose(const Choices& choices) {
    return choices[Next() % std::size(choices)];
  }
  absl::string_view rest() const { return bytes_; }

 private:
  absl::string_view bytes_;
};

struct Entry {
  std::string name;
  std::vector<std::uint64_t> shape;
  Dtype dtype = Dtype::kF32;
  std::int64_t begin_shift = 0, end_shift = 0;  // of what the header says, not of the data
  std::uint32_t first_bits = 0x3F000000;        // the first value, 0.5
};

std::vector<Entry> Encoder(Input& in) {
  const std::string prefix = in.Next() % 2 == 0 ? "" : "bert.";
  const Dtype dtype = in.Choose(kDtypes);
  const std::uint64_t width = 1 + in.Next() % 9, inner = 1 + in.Next() % 9;
  std::vector<Entry> entries;
  const auto add = [&](const std::string& name, std::vector<std::uint64_t> shape) {
    entries.push_back({prefix + name, std::move(shape), dtype});
  };
  const auto add_linear = [&](const std::string& name, std::uint64_t outputs,
                              std::uint64_t inputs) {
    add(name + ".weight", {outputs, inputs});
    add(name + ".bias", {outputs});
  };
  const auto add_norm = [&](const std::string& name) {
    add(name + ".weight", {width});
    add(name + ".bias", {width});
  };
  add("embeddings.word_embeddings.weight", {1u + in.Next() % 4, width});
  add("embeddings.position_embeddings.weight", {1u + in.Next() % 4, width});
  add("embeddings.token_type_embeddings.weight", {1, width});
  add_norm("embeddings.LayerNorm");
  const int layers = in.Next() % 3;
  for (int i = 0; i < layers; ++i) {
    const std::string layer = absl::StrCat("encoder.layer.", i, ".");
    for (const char* part : {"query", "key", "value"})
      add_linear(layer + "attention.self." + part, width, width);
    add_linear(layer + "attention.output.dense", width, width);
    add_norm(layer + "attention.output.LayerNorm");
    add_linear(layer + "intermediate.dense", inner, width);
    add_linear(layer + "output.dense", width, inner);
    add_norm(layer + "output.LayerNorm");
  }
  return entries;
}

void Damage(Input& in, std::vector<Entry>* entries) {
  const std::size_t at = in.Next() % entries->size();
  Entry& entry = (*entries)[at];
  const std::uint8_t kind = in.Next(), value = in.Next();
  switch (kind % 9) {
    case 0:
      if (entries->size() > 1) entries->erase(entries->begin() + static_cast<std::ptrdiff_t>(at));
      return;
    case 1:  // another name: of a layer that is not there, of a part that nobody reads
      entry.name = absl::StrReplaceAll(
          entry.name, {{".layer.0.", absl::StrCat(".layer.", value, ".")}, {"dense", "pooler.x"}});
      return;
    case 2:
      entries->push_back(entry);
      absl::StrAppend(&entries->back().name, value % 2 == 0 ? ".extra" : ".position_ids");
      return;
    case 3:
      entry.dtype = kDtypes[value % std::size(kDtypes)];
      return;
    case 4:
      if (!entry.shape.empty()) entry.shape[value % entry.shape.size()] = in.Choose(kSizes);
      return;
    case 5:
      value % 2 == 0 ? entry.shape.clear() : entry.shape.push_back(1 + value % 3);
      return;
    case 6:
      entry.begin_shift = static_cast<std::int8_t>(value);
      return;
    case 7:
      entry.end_shift = static_cast<std::int8_t>(value);
      return;
    case 8:
      entry.first_bits = kBits[value % std::size(kBits)];
      return;
  }
}

std::string Data(const Entry& entry) {
  std::uint64_t bytes = SizeBytes(entry.dtype);
  for (const std::uint64_t size : entry.shape) {
    if (size > kMaxTensorBytes || bytes * size > kMaxTensorBytes) return "";
    bytes *= size;
  }
  constexpr std::uint32_t kSome[] = {0x3F000000, 0xBE800000, 0x3E000000, 0, 0xBF400000};
  const std::size_t each = std::min<std::size_t>(SizeBytes(entry.dtype), 4);
  std::string data(bytes, '\0');
  for (std::size_t i = 0; (i + 1) * each <= bytes; ++i) {
    const std::uint32_t bits = i == 0 ? entry.first_bits : kSome[(i + entry.name.size()) % 5];
    std::memcpy(&data[i * each], reinterpret_cast<const char*>(&bits) + 4 - each, each);
  }
  return data;
}

std::string File(const std::vector<Entry>& entries) {
  std::string header = "{", data;
  for (const Entry& entry : entries) {
    const std::size_t begin = data.size();
    data += Data(entry);
    absl::StrAppend(&header, header.size() > 1 ? "," : "", "\"", entry.name, "\":{\"dtype\":\"",
                    ToString(entry.dtype), "\",\"shape\":", model_files::ShapeToString(entry.shape),
                    ",\"data_offsets\":[", static_cast<std::int64_t>(begin) + entry.begin_shift,
                    ",", static_cast<std::int64_t>(data.size()) + entry.end_shift, "]}");
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(std::uint64_t{header.size()} >> 8 * i);
  return length + header + data;
}

// As TextEncoder loads a model, and one text through each precision.
void Encode(const std::shared_ptr<const Safetensors>& file, const EncoderConfig& config,
            const linalg::Kernels& kernels) {
  const auto exact = EncoderModel::Load(file, config, kernels, Precision::kF32);
  if (!exact.ok()) return;
  TokenIds ids;
  for (std::size_t i = 0; i < std::min<std::size_t>(config.max_tokens, 4); ++i)
    ids.push_back(static_cast<std::uint32_t>((i + 1) % config.vocabulary));
  RAGMESH_CHECK((*exact)->Check({ids, {}}).ok(), "a text that fits is refused");
  const Calibration calibration = Calibration::Measure(**exact, {ids});
  for (const Precision precision : {Precision::kBf16, Precision::kInt8}) {
    if (!linalg::Supports(kernels, precision)) continue;
    const auto rounded = EncoderModel::Load(file, config, kernels, precision, &calibration);
    RAGMESH_CHECK(rounded.ok(), "a model loads in f32 alone");
    Compare(**exact, **rounded, {ids});
  }
}

}  // namespace
}  // namespace ragmesh::embedding

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ragmesh::embedding;
  Input in({reinterpret_cast<const char*>(data), size});
  const auto tables = ragmesh::linalg::SupportedKernels();
  const ragmesh::linalg::Kernels& kernels = *in.Choose(tables);
  EncoderFacts facts;
  facts.heads = in.Next() % 8;
  facts.max_tokens = in.Next() % 8;
  std::vector<Entry> entries = Encoder(in);
  for (int edits = in.Next() % 4; edits > 0; --edits) Damage(in, &entries);
  const std::string bytes = File(entries);
  const auto file = Safetensors::Parse(bytes, "fuzz");
  if (!file.ok()) return 0;
  const auto config = ReadEncoderConfig(**file, facts, in.rest());
  if (config.ok()) Encode(*file, *config, kernels);
  return 0;
}
