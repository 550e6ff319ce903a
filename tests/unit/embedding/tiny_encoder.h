// A two-layer encoder with made-up weights, for tests that need arithmetic rather than meaning. The
// reference script tests/golden/rerank/make_cross_encoder_vectors.py makes the same weights:
//
//   value(name, i) = 2 * (splitmix64(fnv1a64(name) + i) >> 40) / 2^24 - 1, in [-1, 1)
//
// times 0.3; layer-norm gains are 1 + 0.1 * value.
#ifndef RAGMESH_TESTS_UNIT_EMBEDDING_TINY_ENCODER_H_
#define RAGMESH_TESTS_UNIT_EMBEDDING_TINY_ENCODER_H_

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/embedding/text_encoder.h"
#include "libs/testing/test_data.h"

namespace ragmesh::embedding {

struct TinyTensor {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::vector<float> values;
};

inline TinyTensor MakeTinyTensor(const std::string& name, std::vector<std::uint64_t> shape) {
  std::uint64_t seed = 14695981039346656037ull, elements = 1;
  for (const char c : name) seed = (seed ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  for (const std::uint64_t size : shape) elements *= size;
  TinyTensor tensor{name, std::move(shape), std::vector<float>(elements)};
  const bool gain = absl::StrContains(name, "LayerNorm.weight");
  for (std::uint64_t i = 0; i < elements; ++i) {
    std::uint64_t z = seed + i + 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z = z ^ (z >> 31);
    const float value = static_cast<float>(static_cast<double>(z >> 40) / 8388608.0 - 1.0);
    tensor.values[i] = gain ? 1.0f + 0.1f * value : 0.3f * value;
  }
  return tensor;
}

// Width 32, 2 layers, inner width 64, 40 tokens, 64 positions; with `head`, a pooler and a
// one-logit classifier.
inline std::vector<TinyTensor> TinyWeights(const std::string& prefix = "", bool head = false) {
  std::vector<TinyTensor> tensors;
  const auto add = [&](const std::string& name, std::vector<std::uint64_t> shape) {
    tensors.push_back(MakeTinyTensor(name, std::move(shape)));
  };
  const auto add_linear = [&](const std::string& name, std::uint64_t outputs,
                              std::uint64_t inputs) {
    add(name + ".weight", {outputs, inputs});
    add(name + ".bias", {outputs});
  };
  const auto add_norm = [&](const std::string& name) {
    add(name + ".weight", {32});
    add(name + ".bias", {32});
  };
  add(prefix + "embeddings.word_embeddings.weight", {40, 32});
  add(prefix + "embeddings.position_embeddings.weight", {64, 32});
  add(prefix + "embeddings.token_type_embeddings.weight", {2, 32});
  add_norm(prefix + "embeddings.LayerNorm");
  for (int i = 0; i < 2; ++i) {
    const std::string layer = absl::StrCat(prefix, "encoder.layer.", i, ".");
    for (const char* part : {"query", "key", "value"})
      add_linear(layer + "attention.self." + part, 32, 32);
    add_linear(layer + "attention.output.dense", 32, 32);
    add_norm(layer + "attention.output.LayerNorm");
    add_linear(layer + "intermediate.dense", 64, 32);
    add_linear(layer + "output.dense", 32, 64);
    add_norm(layer + "output.LayerNorm");
  }
  if (head) {
    add_linear(prefix + "pooler.dense", 32, 32);
    add_linear("classifier", 1, 32);
  }
  return tensors;
}

inline std::string ToSafetensors(const std::vector<TinyTensor>& tensors) {
  std::string header = "{", data;
  for (const TinyTensor& tensor : tensors) {
    const std::size_t begin = data.size(), bytes = tensor.values.size() * sizeof(float);
    data.resize(begin + bytes);
    std::memcpy(data.data() + begin, tensor.values.data(), bytes);
    absl::StrAppend(&header, header.size() > 1 ? "," : "", "\"", tensor.name,
                    "\":{\"dtype\":\"F32\",\"shape\":", model_files::ShapeToString(tensor.shape),
                    ",\"data_offsets\":[", begin, ",", data.size(), "]}");
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes.push_back(static_cast<char>(std::uint64_t{header.size()} >> (8 * i) & 0xFF));
  return bytes + header + data;
}

// Ids 0-4 are special; "a" to "z" are 5 to 30 and "##a" to "##i" 31 to 39.
inline std::string TinyTokenizerJson() {
  std::string vocabulary = R"("[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"[MASK]":4)";
  for (int i = 0; i < 26; ++i)
    absl::StrAppend(&vocabulary, ",\"", std::string(1, static_cast<char>('a' + i)), "\":", 5 + i);
  for (int i = 0; i < 9; ++i)
    absl::StrAppend(&vocabulary, ",\"##", std::string(1, static_cast<char>('a' + i)),
                    "\":", 31 + i);
  return absl::StrCat(
      R"({"normalizer":{"type":"BertNormalizer","lowercase":true},)",
      R"("pre_tokenizer":{"type":"BertPreTokenizer"},"model":{"type":"WordPiece","vocab":{)",
      vocabulary, "}}}");
}

// The model as files, gone with the object.
class TinyEncoderFiles {
 public:
  explicit TinyEncoderFiles(const std::string& weights = ToSafetensors(TinyWeights())) {
    std::ofstream(dir_.path() / "model.safetensors", std::ios::binary) << weights;
    std::ofstream(dir_.path() / "tokenizer.json", std::ios::binary) << TinyTokenizerJson();
  }
  TextEncoder::Options options() const {
    return {{.weights_path = (dir_.path() / "model.safetensors").string(),
             .tokenizer_path = (dir_.path() / "tokenizer.json").string(),
             .facts = {.heads = 2}}};
  }
  const std::filesystem::path& path() const { return dir_.path(); }

 private:
  testing::TempDir dir_;
};

}  // namespace ragmesh::embedding

#endif  // RAGMESH_TESTS_UNIT_EMBEDDING_TINY_ENCODER_H_
