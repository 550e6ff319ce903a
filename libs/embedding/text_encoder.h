// Texts -> token vectors: the tokenizer, the encoder and the compute threads behind one call. What
// the embedder pools and the reranker compares.
#ifndef RAGMESH_LIBS_EMBEDDING_TEXT_ENCODER_H_
#define RAGMESH_LIBS_EMBEDDING_TEXT_ENCODER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/concurrency/compute_pool.h"
#include "libs/concurrency/executor.h"
#include "libs/embedding/batcher.h"
#include "libs/embedding/encoder_input.h"
#include "libs/embedding/encoder_model.h"
#include "libs/embedding/model_loader.h"
#include "libs/embedding/pooling.h"
#include "libs/text/tokenizer.h"

namespace ragmesh::embedding {

// Thread-safe; calls share the batcher. The destructor waits for work in progress.
class TextEncoder {
 public:
  struct Options : EncoderSource {
    Batcher::Options batcher = {};
  };

  // Errors as LoadEncoder. `compute` is borrowed and must outlive the encoder.
  static absl::StatusOr<std::unique_ptr<TextEncoder>> Create(const Options& options,
                                                             Executor& compute);

  // The ids of a whole text, without special tokens.
  TokenIds Tokenize(absl::string_view text) const;

  // [CLS] text [SEP], cut to `max_tokens` in all (0: the model's own limit), the end of the text
  // lost. `text` may be given by its ids; so may those of PreparePair.
  EncoderInput Prepare(absl::Span<const std::uint32_t> text, std::size_t max_tokens = 0) const;
  EncoderInput Prepare(absl::string_view text, std::size_t max_tokens = 0) const {
    return Prepare(Tokenize(text), max_tokens);
  }

  // [CLS] a [SEP] b [SEP] with types 0 and 1, or in RoBERTa's layout <s> a </s></s> b </s> without
  // types. While it is over `max_tokens` the longer side loses its last token, and when both are
  // equal the one that began shorter does, `a` if neither did. So the reference cuts.
  EncoderInput PreparePair(absl::Span<const std::uint32_t> a, absl::Span<const std::uint32_t> b,
                           std::size_t max_tokens = 0) const;
  EncoderInput PreparePair(absl::string_view a, absl::string_view b,
                           std::size_t max_tokens = 0) const {
    return PreparePair(Tokenize(a), Tokenize(b), max_tokens);
  }

  // `reduce(tokens, hidden)` of every input, in order: what the caller wants of its hidden states,
  // `tokens` rows. Each result depends on its input alone. `reduce` runs on compute threads,
  // possibly after the caller has given up: it must own or outlive what it uses. RESOURCE_EXHAUSTED
  // / QUEUE_FULL; returns as soon as `call` is cancelled or late, and what it had queued is then
  // dropped.
  template <typename Function, typename Result = std::invoke_result_t<const Function&, std::size_t,
                                                                      absl::Span<const float>>>
  absl::StatusOr<std::vector<Result>> Run(std::vector<EncoderInput> inputs, Priority priority,
                                          Function reduce, const CallContext& call) {
    const auto results = std::make_shared<std::vector<Result>>(inputs.size());
    const auto take = [results, reduce = std::move(reduce)](std::size_t index, std::size_t tokens,
                                                            absl::Span<const float> hidden) {
      (*results)[index] = reduce(tokens, hidden);
    };
    const absl::Status status = RunEach(std::move(inputs), priority, take, call);
    if (!status.ok()) return status;
    return std::move(*results);
  }

  const EncoderModel& model() const { return *model_; }
  const text::EncoderTokenizer& tokenizer() const { return *tokenizer_; }
  const std::string& digest() const { return digest_; }
  // Of the tokenizer: encoders with the same make the same ids.
  const std::string& tokenizer_digest() const { return tokenizer_digest_; }
  // Of all that decides a text's hidden states: weights, tokenizer, the model's limit of tokens,
  // and the arithmetic, since no two tables of kernels round alike.
  const std::string& states_digest() const { return states_digest_; }
  Batcher::Stats batcher_stats() const { return batcher_.stats(); }

 private:
  struct Job;
  // Takes the hidden states of input `index`, `tokens` rows.
  using Take =
      std::function<void(std::size_t index, std::size_t tokens, absl::Span<const float> hidden)>;

  TextEncoder(const Batcher::Options& options, Executor& compute, LoadedEncoder loaded);

  absl::Status RunEach(std::vector<EncoderInput> inputs, Priority priority, Take take,
                       const CallContext& call);
  std::size_t LimitOf(std::size_t max_tokens) const;
  void RunBatch(Batcher::Batch batch);
  // In one pass of the model.
  void RunTexts(absl::Span<const Batcher::Item> items, Priority priority);
  // Divides a loop among all threads while no other batch runs.
  void RunLoop(std::size_t items, absl::FunctionRef<void(std::size_t item, int thread)> work);
  std::unique_ptr<EncoderWorkspace> TakeWorkspace();
  void PutWorkspaceBack(std::unique_ptr<EncoderWorkspace> workspace);

  const std::shared_ptr<const EncoderModel> model_;
  const std::unique_ptr<const text::EncoderTokenizer> tokenizer_;
  const std::string digest_;
  const std::string tokenizer_digest_;
  const std::string states_digest_;
  ComputePool pool_;
  std::atomic<bool> pool_in_use_{false};
  absl::Mutex workspaces_mutex_;
  // Those not in use: at most two a thread, since a batch of passages lets one of queries in.
  std::vector<std::unique_ptr<EncoderWorkspace>> workspaces_ ABSL_GUARDED_BY(workspaces_mutex_);
  Batcher batcher_;  // last: its destructor waits for work that uses the rest
};

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_TEXT_ENCODER_H_
