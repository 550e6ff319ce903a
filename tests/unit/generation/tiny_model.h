// GGUF files with made-up weights, built in memory, for tests that need arithmetic or a broken file
// rather than meaning. The reference script tests/golden/generation/make_architecture_goldens.py
// makes the same weights:
//
//   value(name, i) = 2 * (splitmix64(fnv1a64(name) + i) >> 40) / 2^24 - 1, in [-1, 1)
//
// times 0.3, or 0.1 in token_embd.weight; norms are 1 + 0.1 * value.
#ifndef RAGMESH_TESTS_UNIT_GENERATION_TINY_MODEL_H_
#define RAGMESH_TESTS_UNIT_GENERATION_TINY_MODEL_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "libs/gguf/gguf.h"
#include "libs/quant/types.h"
#include "libs/testing/test_data.h"

namespace ragmesh::generation {

struct TinyTensor {
  gguf::TensorType type = gguf::TensorType::kF32;
  std::vector<std::uint64_t> dimensions;  // fastest first
  std::string bytes;
};

inline std::string F32Bytes(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// `shape` has the fastest dimension last.
inline TinyTensor MakeTinyTensor(const std::string& name, const std::vector<std::uint64_t>& shape) {
  std::uint64_t seed = 14695981039346656037ull, elements = 1;
  for (const char c : name) seed = (seed ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  for (const std::uint64_t size : shape) elements *= size;
  const bool norm = absl::EndsWith(name, "norm.weight");
  const float scale = norm || name == "token_embd.weight" ? 0.1f : 0.3f;
  std::vector<float> values(elements);
  for (std::uint64_t i = 0; i < elements; ++i) {
    std::uint64_t z = seed + i + 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z = z ^ (z >> 31);
    const float value = static_cast<float>(static_cast<double>(z >> 40) / 8388608.0 - 1.0);
    values[i] = norm ? 1.0f + scale * value : scale * value;
  }
  return {gguf::TensorType::kF32, {shape.rbegin(), shape.rend()}, F32Bytes(values)};
}

// The tensor's values rounded to Q8_0; rows are a multiple of 32.
inline TinyTensor ToQ8(const TinyTensor& tensor) {
  TinyTensor rounded{gguf::TensorType::kQ8_0, tensor.dimensions, {}};
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  for (std::size_t begin = 0; begin < values.size(); begin += 32) {
    float largest = 0;
    for (std::size_t i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(values[begin + i]));
    const float scale = largest / 127;
    const std::uint16_t half = quant::FloatToHalf(scale);
    rounded.bytes.append(reinterpret_cast<const char*>(&half), sizeof(half));
    for (std::size_t i = 0; i < 32; ++i)
      rounded.bytes += static_cast<char>(std::lround(values[begin + i] / scale));
  }
  return rounded;
}

// A file that can be changed before it is opened. Metadata: whole numbers are written as u32,
// others as f32, lists of booleans as arrays of them.
struct TinyModel {
  nlohmann::json metadata = nlohmann::json::object();
  std::map<std::string, TinyTensor> tensors;

  // `entry` is a case of architectures.json.
  static TinyModel FromGolden(const nlohmann::json& entry) {
    TinyModel model;
    model.metadata = entry["metadata"];
    for (const auto& tensor : entry["tensors"]) {
      const auto name = tensor[0].get<std::string>();
      model.tensors[name] = MakeTinyTensor(name, tensor[1]);
    }
    for (const auto& [name, given] : entry["given"].items()) {
      const auto values = given.get<std::vector<float>>();
      model.tensors[name] = {gguf::TensorType::kF32, {values.size()}, F32Bytes(values)};
    }
    return model;
  }

  std::string architecture() const { return metadata["general.architecture"]; }

  absl::StatusOr<std::shared_ptr<const gguf::File>> Open() const {
    auto bytes = std::make_shared<std::string>(Bytes());
    return gguf::File::Parse(*bytes, "tiny", bytes);
  }

  std::string Bytes() const {
    std::string out = "GGUF", data;
    const auto number = [&](auto value) {
      out.append(reinterpret_cast<const char*>(&value), sizeof(value));
    };
    const auto text = [&](const std::string& value) {
      number(static_cast<std::uint64_t>(value.size()));
      out += value;
    };
    number(std::uint32_t{3});
    number(static_cast<std::uint64_t>(tensors.size()));
    number(static_cast<std::uint64_t>(metadata.size()));
    for (const auto& [key, value] : metadata.items()) {
      text(key);
      if (value.is_string()) {
        number(std::uint32_t{8});
        text(value.get<std::string>());
      } else if (value.is_array()) {
        number(std::uint32_t{9}), number(std::uint32_t{7});
        number(static_cast<std::uint64_t>(value.size()));
        for (const auto& one : value) number(static_cast<std::uint8_t>(one.get<bool>()));
      } else if (value.is_boolean()) {
        number(std::uint32_t{7}), number(static_cast<std::uint8_t>(value.get<bool>()));
      } else if (value.is_number_float()) {
        number(std::uint32_t{6}), number(value.get<float>());
      } else {
        number(std::uint32_t{4}), number(value.get<std::uint32_t>());
      }
    }
    for (const auto& [name, tensor] : tensors) {
      text(name);
      number(static_cast<std::uint32_t>(tensor.dimensions.size()));
      for (const std::uint64_t size : tensor.dimensions) number(size);
      number(tensor.type);
      number(static_cast<std::uint64_t>(data.size()));
      data += tensor.bytes;
      data.resize((data.size() + 31) / 32 * 32);
    }
    out.resize((out.size() + 31) / 32 * 32);
    return out + data;
  }
};

// The cases of architectures.json. Also asked for while tests are listed, where nothing may be set.
inline const nlohmann::json& ArchitectureCases() {
  static const auto* const kCases = [] {
    const char* source = std::getenv("RAGMESH_SOURCE_DIR");
    const std::string path = "/tests/golden/generation/architectures.json";
    return new nlohmann::json(nlohmann::json::parse(
        testing::ReadFileOrDie((source != nullptr ? source : ".") + path))["cases"]);
  }();
  return *kCases;
}

inline TinyModel GoldenModel(const std::string& name) {
  for (const auto& entry : ArchitectureCases()) {
    if (entry["name"] == name) return TinyModel::FromGolden(entry);
  }
  std::abort();  // a test asks for what is not there
}

}  // namespace ragmesh::generation

#endif  // RAGMESH_TESTS_UNIT_GENERATION_TINY_MODEL_H_
