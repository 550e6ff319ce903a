// testdata's stories260K, a language model of 260,000 parameters in the form of llama2.c, as a GGUF
// file: a real model that any machine runs fast enough.
#ifndef RAGMESH_TESTS_INTEGRATION_REMOTE_GENERATION_STORIES_GGUF_H_
#define RAGMESH_TESTS_INTEGRATION_REMOTE_GENERATION_STORIES_GGUF_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/check.h"

namespace ragmesh::testing {

// Writes version 3 of GGUF: metadata and f32 tensors, in order.
class GgufWriter {
 public:
  void U32(const std::string& key, std::uint32_t value) { Key(key, 4), Number(&metadata_, value); }
  void F32(const std::string& key, float value) { Key(key, 6), Number(&metadata_, value); }
  void Text(const std::string& key, const std::string& value) {
    Key(key, 8), String(&metadata_, value);
  }
  void Texts(const std::string& key, const std::vector<std::string>& values) {
    BeginArray(key, 8, values.size());
    for (const std::string& value : values) String(&metadata_, value);
  }
  // `type`: 5 for i32, 6 for f32.
  template <typename T>
  void Numbers(const std::string& key, std::uint32_t type, const std::vector<T>& values) {
    BeginArray(key, type, values.size());
    for (const T value : values) Number(&metadata_, value);
  }
  // `dimensions` fastest first; `bytes` are f32.
  void Tensor(const std::string& name, const std::vector<std::uint64_t>& dimensions,
              const std::string& bytes) {
    ++tensors_;
    String(&infos_, name);
    Number(&infos_, static_cast<std::uint32_t>(dimensions.size()));
    for (const std::uint64_t size : dimensions) Number(&infos_, size);
    Number(&infos_, std::uint32_t{0});
    Number(&infos_, static_cast<std::uint64_t>(data_.size()));
    data_ += bytes;
    Align(&data_);
  }

  std::string Bytes() const {
    std::string out = "GGUF";
    Number(&out, std::uint32_t{3});
    Number(&out, tensors_);
    Number(&out, keys_);
    out += metadata_ + infos_;
    Align(&out);
    return out + data_;
  }

 private:
  template <typename T>
  static void Number(std::string* out, T value) {
    out->append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  static void String(std::string* out, const std::string& value) {
    Number(out, static_cast<std::uint64_t>(value.size()));
    *out += value;
  }
  static void Align(std::string* out) { out->resize((out->size() + 31) / 32 * 32); }
  void Key(const std::string& key, std::uint32_t type) {
    ++keys_;
    String(&metadata_, key);
    Number(&metadata_, type);
  }
  void BeginArray(const std::string& key, std::uint32_t type, std::size_t size) {
    Key(key, 9);
    Number(&metadata_, type);
    Number(&metadata_, static_cast<std::uint64_t>(size));
  }

  std::uint64_t keys_ = 0, tensors_ = 0;
  std::string metadata_, infos_, data_;
};

// Takes a file apart from its beginning.
class ByteReader {
 public:
  explicit ByteReader(std::string bytes) : bytes_(std::move(bytes)) {}
  template <typename T>
  T Number() {
    T value;
    std::memcpy(&value, Take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string Take(std::size_t size) {
    RAGMESH_CHECK(bytes_.size() - at_ >= size, "the file is too short");
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

 private:
  const std::string bytes_;
  std::size_t at_ = 0;
};

inline void AddStoriesVocabulary(const std::string& tokenizer, std::uint32_t size,
                                 GgufWriter* gguf) {
  ByteReader in(tokenizer);
  in.Number<std::int32_t>();  // length of the longest
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<std::int32_t> types;
  for (std::uint32_t i = 0; i < size; ++i) {
    scores.push_back(in.Number<float>());
    const std::string token = in.Take(static_cast<std::size_t>(in.Number<std::int32_t>()));
    tokens.push_back(i < 3 ? absl::StrReplaceAll(token, {{"\n", ""}})
                           : absl::StrReplaceAll(token, {{" ", "\u2581"}}));
    types.push_back(i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1);  // unknown, control, byte, normal
  }
  gguf->Text("tokenizer.ggml.model", "llama");
  gguf->Texts("tokenizer.ggml.tokens", tokens);
  gguf->Numbers("tokenizer.ggml.scores", 6, scores);
  gguf->Numbers("tokenizer.ggml.token_type", 5, types);
  gguf->U32("tokenizer.ggml.unknown_token_id", 0);
  gguf->U32("tokenizer.ggml.bos_token_id", 1);
  gguf->U32("tokenizer.ggml.eos_token_id", 2);
}

// `model` and `tokenizer`: the bytes of stories260K.bin and tok512.bin.
inline std::string StoriesGguf(const std::string& model, const std::string& tokenizer) {
  ByteReader in(model);
  std::uint64_t header[7];  // width, inner width, layers, heads, heads of keys, tokens, context
  for (std::uint64_t& value : header) value = in.Number<std::uint32_t>();
  const auto [width, inner, layers, heads, kv_heads, tokens, context] = header;
  const std::uint64_t kv_width = width / heads * kv_heads;
  GgufWriter gguf;
  gguf.Text("general.architecture", "llama");
  const auto number = [&](const char* key, std::uint64_t value) {
    gguf.U32(absl::StrCat("llama.", key), static_cast<std::uint32_t>(value));
  };
  number("context_length", context);
  number("embedding_length", width);
  number("block_count", layers);
  number("feed_forward_length", inner);
  number("attention.head_count", heads);
  number("attention.head_count_kv", kv_heads);
  number("rope.dimension_count", width / heads);
  gguf.F32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  AddStoriesVocabulary(tokenizer, static_cast<std::uint32_t>(tokens), &gguf);

  const auto matrix = [&](const std::string& name, std::uint64_t columns, std::uint64_t rows) {
    gguf.Tensor(name, {columns, rows}, in.Take(columns * rows * sizeof(float)));
  };
  const auto vector = [&](const std::string& name) {
    gguf.Tensor(name, {width}, in.Take(width * sizeof(float)));
  };
  const auto in_each_layer = [&](const char* name, auto add) {
    for (std::uint64_t i = 0; i < layers; ++i) add(absl::StrCat("blk.", i, ".", name, ".weight"));
  };
  using Name = const std::string&;
  matrix("token_embd.weight", width, tokens);
  in_each_layer("attn_norm", vector);
  in_each_layer("attn_q", [&](Name name) { matrix(name, width, width); });
  in_each_layer("attn_k", [&](Name name) { matrix(name, width, kv_width); });
  in_each_layer("attn_v", [&](Name name) { matrix(name, width, kv_width); });
  in_each_layer("attn_output", [&](Name name) { matrix(name, width, width); });
  in_each_layer("ffn_norm", vector);
  in_each_layer("ffn_gate", [&](Name name) { matrix(name, width, inner); });
  in_each_layer("ffn_down", [&](Name name) { matrix(name, inner, width); });
  in_each_layer("ffn_up", [&](Name name) { matrix(name, width, inner); });
  vector("output_norm.weight");
  return gguf.Bytes();
}

}  // namespace ragmesh::testing

#endif  // RAGMESH_TESTS_INTEGRATION_REMOTE_GENERATION_STORIES_GGUF_H_
