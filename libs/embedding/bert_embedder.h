// The embedder stage over a BERT-family encoder.
#ifndef RAGMESH_LIBS_EMBEDDING_BERT_EMBEDDER_H_
#define RAGMESH_LIBS_EMBEDDING_BERT_EMBEDDER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/embedding/text_encoder.h"
#include "libs/stages/embedder.h"

namespace ragmesh::embedding {

// Pools token vectors as the model was trained to, and scales them to unit length. Thread-safe.
class BertEmbedder final : public stages::Embedder {
 public:
  struct Options {
    std::string name;          // catalogue name of the model
    std::string query_prefix;  // put before queries and passages: "query: " for models trained so
    std::string passage_prefix;
    std::size_t max_batch_texts = 256;
    std::size_t max_text_bytes = 1 << 20;
    std::size_t max_vector_bytes = 48 << 20;  // of all token vectors of one answer
    TextEncoder::Options encoder;
  };

  // `compute` is borrowed and must outlive the embedder.
  static absl::StatusOr<std::unique_ptr<BertEmbedder>> Create(const Options& options,
                                                              Executor& compute);

  // Over an encoder that is shared, for example with a reranker.
  BertEmbedder(const Options& options, std::shared_ptr<TextEncoder> encoder);

  absl::StatusOr<std::vector<stages::Embedding>> Embed(const stages::EmbedRequest& request,
                                                       const CallContext& call) override;
  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override;

  const std::shared_ptr<TextEncoder>& encoder() const { return encoder_; }

 private:
  struct Prepared {
    std::vector<EncoderInput> inputs;
    std::vector<std::vector<std::uint32_t>> ids;  // of whole texts, where the request wants them
  };
  absl::StatusOr<Prepared> Prepare(const stages::EmbedRequest& request) const;
  // What it will get of the token detail it wants: nothing beside a prefix.
  stages::TokenDetail Details(const stages::EmbedRequest& request) const;

  const Options options_;
  const std::shared_ptr<TextEncoder> encoder_;
};

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_BERT_EMBEDDER_H_
