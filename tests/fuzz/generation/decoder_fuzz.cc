// A small model of any architecture and weight type, then any changes to what its file says about
// it: keys set or left out, tensors renamed, reshaped, retyped or removed. What loads must run.
//
// Bytes: architecture, type of the matrices, flags; then changes, each an operation, an index and
// its operands. What the bytes lack is 0.
#include <sys/prctl.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/generation/decoder.h"

namespace ragmesh::generation {
namespace {

constexpr const char* kArchitectures[] = {"llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3"};
constexpr const char* kKeys[] = {"block_count",
                                 "embedding_length",
                                 "feed_forward_length",
                                 "context_length",
                                 "attention.head_count",
                                 "attention.head_count_kv",
                                 "attention.key_length",
                                 "attention.value_length",
                                 "attention.layer_norm_rms_epsilon",
                                 "attention.scale",
                                 "attention.sliding_window",
                                 "attention.sliding_window_pattern",
                                 "attn_logit_softcapping",
                                 "final_logit_softcapping",
                                 "rope.dimension_count",
                                 "rope.freq_base",
                                 "rope.freq_base_swa",
                                 "rope.scale_linear",
                                 "rope.scaling.type",
                                 "rope.scaling.factor",
                                 "rope.scaling.attn_factor",
                                 "rope.scaling.original_context_length",
                                 "rope.scaling.yarn_beta_fast",
                                 "rope.scaling.yarn_beta_slow",
                                 "rope.scaling.yarn_ext_factor",
                                 "rope.scaling.yarn_attn_factor",
                                 "expert_count",
                                 "logit_scale"};
constexpr const char* kScalings[] = {"none", "linear", "yarn", "longrope", "other"};
constexpr std::uint32_t kTypes[] = {0, 1, 30, 2, 3, 6, 7, 8, 20, 10, 11, 12, 13, 14};
constexpr const char* kOtherNames[] = {"rope_freqs.weight",        "rope_factors_long.weight",
                                       "blk.0.attn_q_norm.weight", "output.weight",
                                       "blk.0.attn_k.bias",        "blk.9.attn_norm.weight"};
constexpr std::uint64_t kMaxValues = 1 << 14;  // of a tensor, so that a run stays short

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  bool empty() const { return at_ >= size_; }
  std::uint8_t Byte() { return empty() ? 0 : data_[at_++]; }
  template <typename T>
  T Number() {
    std::uint8_t bytes[sizeof(T)];
    for (std::uint8_t& byte : bytes) byte = Byte();
    T value;
    std::memcpy(&value, bytes, sizeof(value));
    return value;
  }

 private:
  const std::uint8_t* const data_;
  const std::size_t size_;
  std::size_t at_ = 0;
};

struct Tensor {
  std::uint32_t type = 0;
  std::vector<std::uint64_t> dimensions;
};

struct Model {
  std::string architecture;
  std::map<std::string, std::variant<std::uint32_t, float, std::string, std::vector<bool>>> values;
  std::map<std::string, Tensor> tensors;
};

// Two heads with one of keys, 8 tokens; as wide as a block of the type, and as narrow inside as
// blocks and heads allow, since packing the weights is what takes time.
Model Begin(Input& input) {
  Model model;
  model.architecture = kArchitectures[input.Byte() % std::size(kArchitectures)];
  const std::uint32_t type = kTypes[input.Byte() % std::size(kTypes)];
  const std::uint8_t flags = input.Byte();
  const std::uint32_t layers = 1 + (flags & 1);
  const std::uint32_t width = gguf::FindBlockShape(type)->values == 256 ? 256 : 32;
  const bool small_blocks = width == 32;
  const std::uint32_t head = small_blocks ? 16 : 8, inside = 2 * head;
  model.values = {{"block_count", layers},         {"embedding_length", width},
                  {"feed_forward_length", inside}, {"context_length", 16u},
                  {"attention.head_count", 2u},    {"attention.head_count_kv", 1u},
                  {"attention.key_length", head},  {"attention.sliding_window", 2u}};
  const auto matrix = [&](const std::string& name, std::uint64_t rows) {
    model.tensors[name] = {type, {width, rows}};
  };
  const auto vector = [&](const std::string& name, std::uint64_t size) {
    model.tensors[name] = {0, {size}};
  };
  matrix("token_embd.weight", 8);
  if ((flags & 2) != 0) matrix("output.weight", 8);
  vector("output_norm.weight", width);
  if ((flags & 4) != 0) vector("rope_freqs.weight", head / 2);
  if ((flags & 8) != 0) {
    vector("rope_factors_long.weight", head / 2), vector("rope_factors_short.weight", head / 2);
    model.values["rope.scaling.original_context_length"] = 8u;
  }
  for (std::uint32_t i = 0; i < layers; ++i) {
    const std::string layer = absl::StrCat("blk.", i, ".");
    vector(layer + "attn_norm.weight", width), vector(layer + "ffn_norm.weight", width);
    if (model.architecture == "phi3") {
      matrix(layer + "attn_qkv.weight", 2 * inside), matrix(layer + "ffn_up.weight", 2 * inside);
    } else {
      matrix(layer + "attn_q.weight", inside), matrix(layer + "attn_k.weight", head);
      matrix(layer + "attn_v.weight", head), matrix(layer + "ffn_gate.weight", inside);
      matrix(layer + "ffn_up.weight", inside);
    }
    if ((flags & 16) != 0) {
      vector(layer + "attn_q.bias", inside), vector(layer + "attn_k.bias", head);
      vector(layer + "attn_v.bias", head);
    }
    for (const char* name : {"attn_output.weight", "ffn_down.weight"})
      model.tensors[layer + name] = {small_blocks ? type : 0, {inside, width}};
    if (model.architecture == "qwen3" || model.architecture == "gemma3") {
      vector(layer + "attn_q_norm.weight", head), vector(layer + "attn_k_norm.weight", head);
    }
    if (model.architecture.substr(0, 5) == "gemma") {
      vector(layer + "post_attention_norm.weight", width);
      vector(layer + "post_ffw_norm.weight", width);
    }
  }
  return model;
}

void Change(Input& input, Model* model) {
  const std::uint8_t operation = input.Byte() % 9, index = input.Byte();
  const std::string key = kKeys[index % std::size(kKeys)];
  auto tensor = std::next(model->tensors.begin(), index % model->tensors.size());
  switch (operation) {
    case 0:
      model->values[key] = std::uint32_t{input.Byte()};
      return;
    case 1:
      model->values[key] = input.Number<std::uint32_t>();
      return;
    case 2:
      model->values[key] = input.Number<float>();
      return;
    case 3:
      model->values[key] = std::vector<bool>(input.Byte() % 8, (index & 128) != 0);
      return;
    case 4:
      model->values["rope.scaling.type"] = std::string(kScalings[index % std::size(kScalings)]);
      return;
    case 5:
      model->values.erase(key);
      return;
    case 6:
      if (model->tensors.size() > 1) model->tensors.erase(tensor);
      return;
    case 7: {
      const std::uint8_t to = input.Byte();
      tensor->second.dimensions[to % tensor->second.dimensions.size()] = 1 + input.Byte() * 2;
      tensor->second.type = kTypes[to / 2 % std::size(kTypes)];
      return;
    }
    default:
      model->tensors[kOtherNames[input.Byte() % std::size(kOtherNames)]] = tensor->second;
  }
}

template <typename T>
void Put(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void PutText(const std::string& text, std::string* out) {
  Put(static_cast<std::uint64_t>(text.size()), out);
  *out += text;
}

void PutValue(std::uint32_t value, std::string* out) {
  Put(std::uint32_t{4}, out), Put(value, out);
}
void PutValue(float value, std::string* out) { Put(std::uint32_t{6}, out), Put(value, out); }
void PutValue(const std::string& value, std::string* out) {
  Put(std::uint32_t{8}, out), PutText(value, out);
}
void PutValue(const std::vector<bool>& value, std::string* out) {
  Put(std::uint32_t{9}, out), Put(std::uint32_t{7}, out);
  Put(static_cast<std::uint64_t>(value.size()), out);
  for (const bool one : value) Put(static_cast<std::uint8_t>(one), out);
}

// "" when a tensor is larger than this looks at. Vectors hold ones; matrices any bytes.
std::string Write(const Model& model) {
  static auto* const kScratch = new std::string[2];  // so that memory is taken once
  std::string &out = kScratch[0], &data = kScratch[1];
  out = "GGUF", data.clear();
  Put(std::uint32_t{3}, &out), Put(static_cast<std::uint64_t>(model.tensors.size()), &out);
  Put(static_cast<std::uint64_t>(model.values.size() + 1), &out);
  PutText("general.architecture", &out), PutValue(model.architecture, &out);
  for (const auto& [key, value] : model.values) {
    PutText(model.architecture + "." + key, &out);
    std::visit([&](const auto& one) { PutValue(one, &out); }, value);
  }
  for (const auto& [name, tensor] : model.tensors) {
    PutText(name, &out), Put(static_cast<std::uint32_t>(tensor.dimensions.size()), &out);
    std::uint64_t values = 1;
    for (const std::uint64_t size : tensor.dimensions) Put(size, &out), values *= size;
    if (values > kMaxValues) return "";
    Put(tensor.type, &out), Put(static_cast<std::uint64_t>(data.size()), &out);
    const gguf::BlockShape shape = *gguf::FindBlockShape(tensor.type);
    const std::size_t bytes = values / shape.values * shape.bytes;
    if (tensor.dimensions.size() == 1 && tensor.type == 0) {
      const std::vector<float> ones(values, 1.0f);
      data.append(reinterpret_cast<const char*>(ones.data()), bytes);
    } else {
      static const auto* const kPattern = [] {
        auto* bytes = new std::string;
        while (bytes->size() < 4 * kMaxValues) *bytes += "\x11\x2a\x93\x24\x05\x36\x47\x28\x19";
        return bytes;
      }();
      data.append(*kPattern, 0, bytes);
    }
    data.resize((data.size() + 31) / 32 * 32);
  }
  out.resize((out.size() + 31) / 32 * 32);
  std::string file;
  file.reserve(out.size() + data.size());  // no more, so that a read beyond it is seen
  return std::move(file.append(out).append(data));
}

void Run(const std::string& bytes, ComputeMode mode, const quant::QuantKernels& kernels) {
  static auto* const kPool = new ComputePool(1);
  const auto file = gguf::File::Parse(bytes, "fuzz", nullptr);
  if (!file.ok()) return;
  const auto decoder =
      Decoder::Create(*file, {.mode = mode, .max_rows = 3, .kernels = &kernels}, kPool);
  if (!decoder.ok()) return;
  const auto cache = KvCache::Create((*decoder)->kv_shape(), 5);
  if (!cache.ok()) return;
  KvCache* const kv = cache->get();
  const auto go_on = [] { return true; };
  const std::uint32_t last = static_cast<std::uint32_t>((*decoder)->config().vocabulary) - 1;
  if (!(*decoder)->Forward({{0, 0, kv, false}, {last, 1, kv, true}, {0, 2, kv, true}}, go_on) ||
      !(*decoder)->Forward({{0, 3, kv, true}}, go_on)) {
    std::abort();
  }
}

}  // namespace
}  // namespace ragmesh::generation

// Weights and caches ask for huge pages, two of which would be cleared in each execution.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ragmesh;
  generation::Input input(data, size);
  const std::uint8_t how = input.Byte();
  generation::Model model = generation::Begin(input);
  for (int changes = 0; changes < 16 && !input.empty(); ++changes)
    generation::Change(input, &model);
  const std::string bytes = generation::Write(model);
  if (bytes.empty()) return 0;
  generation::Run(bytes,
                  (how & 1) == 0 ? generation::ComputeMode::kExact : generation::ComputeMode::kFast,
                  *quant::FindQuantKernels((how & 2) == 0 ? "" : "scalar"));
  return 0;
}
