// An embedder whose vectors are hashed bags of words: texts that share words are near, others are
// far.
#ifndef RAGMESH_LIBS_TESTING_FAKE_EMBEDDER_H_
#define RAGMESH_LIBS_TESTING_FAKE_EMBEDDER_H_

#include <atomic>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "libs/base/status_macros.h"
#include "libs/stages/embedder.h"
#include "libs/testing/stage_fault.h"

namespace ragmesh::testing {

class FakeEmbedder final : public stages::Embedder {
 public:
  static constexpr std::size_t kDimension = 256;
  StageFault fault;
  std::string name = "fake";
  std::string digest = std::string(64, 'a');  // empty: no weights
  std::size_t dimension = kDimension;
  std::string vectors_digest = std::string(64, 'e');
  std::atomic<int> texts = 0;

  // What this embedder reads of a text: a byte an id, and the bytes as vectors of width 1.
  static stages::PassageTokens Tokens(absl::string_view text, stages::TokenDetail detail,
                                      const std::string& encoder = std::string(64, 'e')) {
    stages::PassageTokens tokens;
    if (detail == stages::TokenDetail::kNone) return tokens;
    tokens.tokenizer = std::string(64, 'f');
    for (const char c : text) tokens.ids.push_back(static_cast<unsigned char>(c));
    if (detail == stages::TokenDetail::kIds) return tokens;
    tokens.encoder = encoder;
    tokens.vectors = std::string(text);
    return tokens;
  }

  static std::vector<float> Vector(absl::string_view text, std::size_t dimension = kDimension) {
    std::vector<float> values(dimension, 0.f);
    std::size_t hash = 14695981039346656037u;
    bool word = false;
    const auto end_word = [&] {
      if (word) values[hash % dimension] += 1.f;
      hash = 14695981039346656037u;
      word = false;
    };
    for (const char c : text) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c))) {
        end_word();
        continue;
      }
      hash =
          (hash ^ static_cast<unsigned char>(absl::ascii_tolower(static_cast<unsigned char>(c)))) *
          1099511628211u;
      word = true;
    }
    end_word();
    float norm = 0;
    for (const float v : values) norm += v * v;
    if (norm == 0) values[0] = norm = 1.f;
    for (float& v : values) v /= std::sqrt(norm);
    return values;
  }

  absl::StatusOr<std::vector<stages::Embedding>> Embed(const stages::EmbedRequest& request,
                                                       const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(fault.Check(call));
    if (digest.empty()) return Unavailable("MODEL_NOT_LOADED", "the embedder has no weights");
    texts.fetch_add(static_cast<int>(request.texts.size()));
    std::vector<stages::Embedding> embeddings;
    for (const std::string& text : request.texts) {
      embeddings.push_back({Vector(text, dimension),
                            static_cast<std::uint32_t>(text.size() / 4 + 2), false,
                            Tokens(text, request.token_detail, vectors_digest)});
    }
    return embeddings;
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    stages::StageInfo info;
    info.stage = "embedder";
    info.ready = !digest.empty();
    if (!info.ready) info.not_ready_reason = "no weights";
    info.model.name = name;
    info.model.digest = digest;
    info.model.dimension = digest.empty() ? 0 : static_cast<std::uint32_t>(dimension);
    info.limits["max_batch_texts"] = 16;
    info.features["passage_vectors"] = vectors_digest;
    return info;
  }
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_LIBS_TESTING_FAKE_EMBEDDER_H_
