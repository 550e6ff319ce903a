// Answers with checked citations. What is emitted is never taken back.
#ifndef RAGMESH_LIBS_PIPELINE_ASK_H_
#define RAGMESH_LIBS_PIPELINE_ASK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "libs/answer/question.h"
#include "libs/pipeline/citer.h"
#include "libs/pipeline/search.h"

namespace ragmesh::pipeline {

enum class AnswerMode { kAuto, kGenerated, kExtractive };
enum class AnswerKind { kGenerated, kExtractive, kNotFound };

struct AskRequest {
  std::string collection;
  std::string question;
  AnswerMode mode = AnswerMode::kAuto;
  std::uint32_t top_k = 0;  // 0: the default
  std::optional<stages::Filter> filter;
  std::uint32_t max_tokens = 0;  // 0: the default
  double temperature = 0;
  std::optional<std::uint64_t> seed;
  std::vector<answer::Turn> history;
};

struct AnswerSentence {
  stages::ByteRange range;  // in Answer::text
  bool supported = false;
  double support = 0;
  std::vector<std::uint32_t> citations;
};

struct Answer {
  std::string text;
  AnswerKind kind = AnswerKind::kNotFound;
  std::vector<AnswerSentence> sentences;
};

// Events of an answer, in the order of the gateway's contract.
struct RetrievalEvent {
  std::vector<Passage> passages;
};
struct TextEvent {
  std::string text;
};
struct TimingsEvent {
  std::vector<StageTiming> stages;
};
struct DoneEvent {
  stages::FinishReason finish_reason = stages::FinishReason::kStop;
};
using AskEvent = std::variant<RetrievalEvent, TextEvent, Citation, Answer, stages::Usage,
                              TimingsEvent, Degradation, DoneEvent>;
// A non-OK status ends the answer with that status.
using AskSink = absl::FunctionRef<absl::Status(AskEvent)>;

// What is said when no passage answers the question.
inline constexpr char kNotFoundText[] = "This was not found in these documents.";

// Thread-safe.
class Asker {
 public:
  struct Options {
    std::uint32_t top_k = 5;
    std::uint32_t max_tokens = 128;
    std::uint32_t prompt_tokens =
        480;  // more passages do not help a small model, and each costs prefill time
    std::uint32_t max_quotes = 2;  // sentences of an extractive answer
    // Relevance of the best sentence below which the passages do not answer the question: with
    // meaning and words, and by words alone. Set between answerable and unanswerable questions;
    // tuned by `./dev bench answers`.
    double found_relevance = 0.40;
    double found_relevance_by_words = 0.50;
    // A generated sentence must rest on evidence at least this relevant, as a share of the best
    // sentence's.
    double evidence_share = 0.55;
    double retrieval_share = 0.6;  // of the call's time
  };

  Asker(const Stages& stages, const Searcher& searcher, Embedders& embedders,
        const Options& options, Observer& observer)
      : stages_(stages),
        searcher_(searcher),
        embedders_(embedders),
        options_(options),
        observer_(observer) {}

  absl::Status Ask(const Caller& caller, const AskRequest& request, AskSink sink,
                   const CallContext& call) const;

 private:
  class Run;

  const Stages stages_;
  const Searcher& searcher_;
  Embedders& embedders_;
  const Options options_;
  Observer& observer_;
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_ASK_H_
