#include "libs/pipeline/ask.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/answer/evidence.h"
#include "libs/answer/generated_text.h"
#include "libs/answer/repetition.h"
#include "libs/answer/support.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/pipeline/citer.h"
#include "libs/pipeline/prompt.h"
#include "libs/text/sentences.h"

namespace ragmesh::pipeline {
namespace {

absl::Status Validate(const AskRequest& request) {
  if (request.question.empty() || request.question.size() > 4096) {
    return InvalidField("question", "must have 1 to 4096 bytes");
  }
  if (request.top_k > 20) return InvalidField("top_k", "must be at most 20");
  if (request.max_tokens > 4096) return InvalidField("max_tokens", "must be at most 4096");
  if (!(request.temperature >= 0 && request.temperature <= 2)) {
    return InvalidField("temperature", "must be from 0 to 2");
  }
  if (request.history.size() > 64) return InvalidField("history", "must hold at most 64 turns");
  return absl::OkStatus();
}

}  // namespace

// One answer under way.
class Asker::Run {
 public:
  Run(const Asker& asker, const Caller& caller, const AskRequest& request, AskSink sink,
      const CallContext& call)
      : asker_(asker),
        caller_(caller),
        request_(request),
        sink_(sink),
        call_(call),
        citer_(asker.stages_.vector_store, caller, request.collection, call) {}

  absl::Status Answer() {
    RAGMESH_RETURN_IF_ERROR(Retrieve());
    RAGMESH_RETURN_IF_ERROR(Read());
    const bool as_written =
        request_.mode == AnswerMode::kGenerated && !evidence_->sentences().empty();
    if (!Found() && !as_written) {
      RAGMESH_RETURN_IF_ERROR(SayNotFound());
    } else if (request_.mode == AnswerMode::kExtractive) {
      RAGMESH_RETURN_IF_ERROR(Quote());
    } else {
      RAGMESH_RETURN_IF_ERROR(Generate());
      if (answer_.text.empty()) RAGMESH_RETURN_IF_ERROR(Quote());
    }
    return Finish();
  }

 private:
  absl::Status Emit(AskEvent event) {
    RAGMESH_RETURN_IF_ERROR(call_.Check());
    return sink_(std::move(event));
  }

  absl::Status EmitText(absl::string_view text) {
    if (text.empty()) return absl::OkStatus();
    if (answer_.text.empty()) timings_.push_back({"first_token", absl::Now() - begun_});
    answer_.text.append(text.data(), text.size());
    return Emit(TextEvent{std::string(text)});
  }

  absl::Status Retrieve() {
    SearchRequest search;
    search.collection = request_.collection;
    search.query = answer::RetrievalQuery(request_.question, request_.history);
    search.top_k = request_.top_k == 0 ? asker_.options_.top_k : request_.top_k;
    search.filter = request_.filter;
    auto found =
        asker_.searcher_.Search(caller_, search, ShareOf(call_, asker_.options_.retrieval_share));
    RAGMESH_RETURN_IF_ERROR(found.status());
    passages_ = std::move(found->passages);
    query_ = std::move(search.query);
    query_vector_ = std::move(found->query_vector);
    embedder_digest_ = std::move(found->embedder_digest);
    for (StageTiming& timing : found->timings) {
      if (timing.stage != "total") timings_.push_back(std::move(timing));
    }
    for (Degradation& degradation : found->degraded)
      RAGMESH_RETURN_IF_ERROR(Emit(std::move(degradation)));
    return Emit(RetrievalEvent{passages_});
  }

  // Splits the passages into sentences and sees which answer the question.
  absl::Status Read() {
    std::vector<stages::StoredChunk> chunks;
    for (const Passage& passage : passages_) chunks.push_back(passage.chunk);
    // A follow-up is searched for with the turn before it, but only its own words say what it wants
    // to know.
    const bool has_words = !answer::ReadWords(request_.question).terms.empty();
    evidence_.emplace(has_words ? request_.question : query_, chunks);
    if (query_vector_.empty() || evidence_->sentences().empty()) return absl::OkStatus();
    std::vector<std::string> texts;
    for (const answer::Sentence& sentence : evidence_->sentences())
      texts.push_back(answer::TextToEmbed(sentence));
    auto vectors = Embed(std::move(texts));
    RAGMESH_RETURN_IF_ERROR(call_.Check());
    if (!vectors.ok()) {
      return Emit(Degraded("embedder", vectors.status(), "compared sentences by words only",
                           asker_.observer_));
    }
    evidence_->Score(*std::move(vectors), query_vector_);
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::vector<float>>> Embed(std::vector<std::string> texts) {
    const absl::Time begun = absl::Now();
    const CallContext call = ShareOf(call_, 0.5);
    // The one of the question, whatever the collection has taken since.
    RAGMESH_ASSIGN_OR_RETURN(const Embedders::Bound embedder,
                             asker_.embedders_.For(embedder_digest_, call));
    const std::size_t batch = embedder.identity.max_batch_texts;
    std::vector<std::vector<float>> vectors;
    for (std::size_t at = 0; at < texts.size(); at += batch) {
      stages::EmbedRequest request;
      request.texts.assign(texts.begin() + static_cast<std::ptrdiff_t>(at),
                           texts.begin() + static_cast<std::ptrdiff_t>(
                                               std::min<std::size_t>(texts.size(), at + batch)));
      RAGMESH_ASSIGN_OR_RETURN(auto embeddings, embedder.stage->Embed(request, call));
      if (embeddings.size() != request.texts.size()) {
        return absl::InternalError("the embedder returned another number of vectors");
      }
      for (stages::Embedding& embedding : embeddings)
        vectors.push_back(std::move(embedding.values));
    }
    sentence_time_ += absl::Now() - begun;
    return vectors;
  }

  const answer::Sentence& Best(std::size_t rank = 0) const {
    return evidence_->sentences()[evidence_->by_relevance()[rank]];
  }

  bool Found() const {
    if (evidence_->sentences().empty()) return false;
    return Best().relevance >= (evidence_->has_vectors()
                                    ? asker_.options_.found_relevance
                                    : asker_.options_.found_relevance_by_words);
  }

  absl::Status SayNotFound() {
    answer_.kind = AnswerKind::kNotFound;
    RAGMESH_RETURN_IF_ERROR(EmitText(kNotFoundText));
    answer_.sentences.push_back({{0, answer_.text.size()}, false, 0, {}});
    return absl::OkStatus();
  }

  // ---- Citations ----

  absl::StatusOr<Citer::Mark> Cite(std::size_t sentence, double support) {
    const answer::Sentence& source = evidence_->sentences()[sentence];
    return citer_.Cite(sentence, source, passages_[source.passage], support);
  }

  // Emits one whole sentence with its mark; nothing when its source has gone.
  absl::Status EmitCited(absl::string_view text, std::size_t source, double support) {
    RAGMESH_ASSIGN_OR_RETURN(Citer::Mark mark, Cite(source, support));
    if (mark.number == 0) return absl::OkStatus();
    const std::string gap = answer_.text.empty() ? "" : " ";
    const std::size_t begin = answer_.text.size() + gap.size();
    RAGMESH_RETURN_IF_ERROR(EmitText(absl::StrCat(gap, text, " [", mark.number, "]")));
    if (mark.fresh.has_value()) RAGMESH_RETURN_IF_ERROR(Emit(*std::move(mark.fresh)));
    answer_.sentences.push_back({{begin, answer_.text.size()}, true, support, {mark.number}});
    return absl::OkStatus();
  }

  // ---- Quoted answers ----

  // Whether the quotes before hold most words of this one: documents repeat one another.
  bool SaidAlready(const answer::Sentence& sentence) const {
    constexpr double kMost = 0.8;
    return !said_.empty() && evidence_->Coverage(sentence.words.terms, said_, {}) >= kMost;
  }

  absl::Status Quote() {
    answer_.kind = AnswerKind::kExtractive;
    std::uint32_t quotes = 0;
    for (std::size_t rank = 0;
         rank < evidence_->by_relevance().size() && quotes < asker_.options_.max_quotes; ++rank) {
      const answer::Sentence& sentence = Best(rank);
      // A second sentence is worth its reading only when it is nearly as good as the first.
      if (quotes > 0 && sentence.relevance < 0.9 * Best().relevance) break;
      if (SaidAlready(sentence)) continue;
      std::string text = answer::OnOneLine(sentence.text);
      if (quotes == 0) {
        const std::string lead = answer::ShortAnswer(request_.question, sentence, *evidence_);
        if (!lead.empty()) text = absl::StrCat(lead, ": ", text);
      }
      const std::size_t before = answer_.text.size();
      RAGMESH_RETURN_IF_ERROR(
          EmitCited(text, evidence_->by_relevance()[rank], std::min(1.0, sentence.relevance)));
      if (answer_.text.size() > before) {
        ++quotes;
        said_.insert(sentence.words.terms.begin(), sentence.words.terms.end());
      }
      if (quotes > 0 && answer::KindOf(request_.question) != answer::QuestionKind::kOther) break;
    }
    return quotes > 0 ? absl::OkStatus() : SayNotFound();
  }

  // ---- Generated answers ----

  absl::Status Generate() {
    answer_.kind = AnswerKind::kGenerated;
    const absl::Time begun = absl::Now();
    absl::Status status = StartGenerator();
    if (generator_called_) {
      timings_.push_back({"generator", absl::Now() - begun});
      asker_.observer_.OnStage("generator", absl::Now() - begun,
                               stopped_ ? absl::OkStatus() : status);
    }
    RAGMESH_RETURN_IF_ERROR(call_.Check());
    if (!sink_status_.ok()) return sink_status_;
    if (stopped_ || status.ok()) return absl::OkStatus();
    // What was shown stays; what is missing is quoted, and both is said.
    return Emit(
        Degraded("generator", status,
                 answer_.text.empty() ? "quoted the documents instead" : "the answer ends early",
                 asker_.observer_));
  }

  absl::Status StartGenerator() {
    RAGMESH_ASSIGN_OR_RETURN(
        const Prompt prompt,
        BuildPrompt(request_.question, passages_, *evidence_, asker_.options_.prompt_tokens,
                    MaxTokens(), asker_.stages_.generator, call_));
    stages::GenerateRequest generate;
    generate.prompt = prompt.messages;
    generate.sampling.temperature = request_.temperature;
    generate.sampling.seed = request_.seed;
    generate.max_tokens = MaxTokens();
    generate.tenant = caller_.tenant;
    usage_.prompt_tokens = prompt.tokens;
    generator_called_ = true;
    const bool gated = request_.mode == AnswerMode::kAuto;
    auto result = asker_.stages_.generator.Generate(
        generate,
        [&](const stages::TokenEvent& token) -> absl::Status {
          usage_.completion_tokens +=
              static_cast<std::uint32_t>(std::max<std::size_t>(1, token.token_ids.size()));
          pending_ += token.text;
          written_ += token.text;
          looped_ = answer::EndsInLoop(written_);
          if (looped_) return absl::CancelledError("the model repeats itself");
          const absl::Status status =
              gated ? ReleaseSupported(/*last=*/false) : ReleaseRaw(/*last=*/false);
          if (!status.ok()) sink_status_ = status;
          if (stopped_) return absl::CancelledError("the answer is complete");
          return status;
        },
        call_);
    if (result.ok()) {
      usage_ = result->usage;
      finish_reason_ = result->finish_reason;
    }
    if (stopped_ || !sink_status_.ok() || !call_.Check().ok()) return result.status();
    const absl::Status status =
        gated ? ReleaseSupported(/*last=*/result.ok()) : ReleaseRaw(/*last=*/true);
    if (!status.ok()) sink_status_ = status;
    if (looped_) stopped_ = true;
    return result.status();
  }

  std::uint32_t MaxTokens() const {
    return request_.max_tokens == 0 ? asker_.options_.max_tokens : request_.max_tokens;
  }

  answer::Support Check(const std::string& sentence) {
    std::vector<float> vector;
    if (evidence_->has_vectors()) {
      auto vectors = Embed({sentence});
      if (vectors.ok()) vector = std::move(vectors->front());
    }
    answer::Support support = answer::CheckSupport(sentence, vector, *evidence_);
    // True, but no answer: the question in other words.
    const answer::Words words = answer::ReadWords(sentence);
    if (evidence_->Coverage(words.terms, evidence_->question().terms, {}) == 1) {
      support.supported = false;
    }
    // True, but not about what was asked: a small model likes to copy whatever stands first.
    if (support.supported && evidence_->sentences()[support.sentence].relevance <
                                 asker_.options_.evidence_share * Best().relevance) {
      support.supported = false;
    }
    return support;
  }

  // `sentence` as it is shown first: with "Yes: " or "No: " before it where its source answers the
  // question so and it does not say that itself; nullopt when it says the opposite, or says so
  // without ground.
  std::optional<std::string> WithVerdict(const std::string& sentence, absl::string_view own_verdict,
                                         const answer::Sentence& source) const {
    if (answer::KindOf(request_.question) != answer::QuestionKind::kYesNo) return sentence;
    const std::string verdict = answer::ShortAnswer(request_.question, source, *evidence_);
    if (!own_verdict.empty())
      return own_verdict == verdict ? std::optional(sentence) : std::nullopt;
    return verdict.empty() ? sentence : absl::StrCat(verdict, ": ", sentence);
  }

  // Auto: whole sentences leave once they are checked. The first that is not supported ends the
  // answer.
  absl::Status ReleaseSupported(bool last) {
    while (!stopped_) {
      const auto sentences = text::SplitSentences(pending_);
      if (sentences.empty() || (sentences.size() < 2 && !last)) return absl::OkStatus();
      const std::string sentence(
          absl::StripAsciiWhitespace(answer::WithoutMarks(absl::string_view(pending_).substr(
              sentences[0].begin, sentences[0].end - sentences[0].begin))));
      pending_.erase(0, sentences[0].end);
      if (sentence.empty()) continue;
      if (absl::StrContains(answer_.text, sentence)) {  // it has nothing more to say
        stopped_ = true;
        return absl::OkStatus();
      }
      // Cut off by the token limit: half a sentence may lack the word that matters.
      const bool whole = sentences.size() > 1 || finish_reason_ != stages::FinishReason::kLength;
      const auto [verdict, claim] = answer::SplitVerdict(sentence);
      const answer::Support support = whole ? Check(std::string(claim)) : answer::Support();
      RAGMESH_RETURN_IF_ERROR(call_.Check());
      const std::size_t before = answer_.text.size();
      if (support.supported) {
        std::optional<std::string> text = sentence;
        if (before == 0)
          text = WithVerdict(sentence, verdict, evidence_->sentences()[support.sentence]);
        if (text.has_value())
          RAGMESH_RETURN_IF_ERROR(EmitCited(*text, support.sentence, support.score));
      }
      if (answer_.text.size() == before) stopped_ = true;
    }
    return absl::OkStatus();
  }

  // Generated: text leaves as it comes, but for what may turn out to be a mark. Once the next
  // sentence has begun, the one before is checked and gets its mark.
  absl::Status ReleaseRaw(bool last) {
    const std::size_t open = pending_.rfind('[');
    std::string text = pending_;
    pending_.clear();
    if (!last && open != std::string::npos && text.find(']', open) == std::string::npos &&
        text.size() - open < 16) {
      pending_ = text.substr(open);
      text.resize(open);
    }
    text = answer::WithoutMarks(text);
    const std::size_t tail = answer_.text.size();
    const auto sentences =
        text::SplitSentences(absl::StrCat(answer_.text.substr(sentence_begin_), text));
    // Only a boundary at the seam gets its mark in the text: what went before has been shown.
    if (sentences.size() > 1 && sentence_begin_ + sentences[0].end <= tail) {
      RAGMESH_RETURN_IF_ERROR(CloseRawSentence(sentence_begin_ + sentences[0].begin, tail));
      RAGMESH_RETURN_IF_ERROR(EmitText(text));
      sentence_begin_ = answer_.text.size() - text.size();
    } else {
      RAGMESH_RETURN_IF_ERROR(EmitText(text));
    }
    if (!last) return absl::OkStatus();
    while (sentence_begin_ < answer_.text.size() &&
           absl::ascii_isspace(static_cast<unsigned char>(answer_.text[sentence_begin_]))) {
      ++sentence_begin_;
    }
    if (sentence_begin_ < answer_.text.size()) {
      RAGMESH_RETURN_IF_ERROR(CloseRawSentence(sentence_begin_, answer_.text.size()));
    }
    return absl::OkStatus();
  }

  absl::Status CloseRawSentence(std::size_t begin, std::size_t end) {
    const answer::Support support = Check(answer_.text.substr(begin, end - begin));
    AnswerSentence sentence{{begin, end}, false, support.score, {}};
    if (support.supported) {
      RAGMESH_ASSIGN_OR_RETURN(Citer::Mark mark, Cite(support.sentence, support.score));
      if (mark.number != 0) {
        RAGMESH_RETURN_IF_ERROR(EmitText(absl::StrCat(" [", mark.number, "]")));
        if (mark.fresh.has_value()) RAGMESH_RETURN_IF_ERROR(Emit(*std::move(mark.fresh)));
        sentence.supported = true;
        sentence.citations.push_back(mark.number);
        sentence.range.end = answer_.text.size();
      }
    }
    answer_.sentences.push_back(std::move(sentence));
    return absl::OkStatus();
  }

  absl::Status Finish() {
    const char* const kinds[] = {"generated", "extractive", "not_found"};
    asker_.observer_.OnAnswer(kinds[static_cast<int>(answer_.kind)]);
    RAGMESH_RETURN_IF_ERROR(Emit(std::move(answer_)));
    if (generator_called_) RAGMESH_RETURN_IF_ERROR(Emit(usage_));
    // "first_token" and "total" come last.
    std::stable_partition(timings_.begin(), timings_.end(),
                          [](const StageTiming& timing) { return timing.stage != "first_token"; });
    timings_.insert(
        std::find_if(timings_.begin(), timings_.end(),
                     [](const StageTiming& timing) { return timing.stage == "first_token"; }),
        {"sentences", sentence_time_});
    timings_.push_back({"total", absl::Now() - begun_});
    RAGMESH_RETURN_IF_ERROR(Emit(TimingsEvent{std::move(timings_)}));
    return Emit(DoneEvent{stopped_ ? stages::FinishReason::kStop : finish_reason_});
  }

  const Asker& asker_;
  const Caller& caller_;
  const AskRequest& request_;
  const AskSink sink_;
  const CallContext& call_;
  const absl::Time begun_ = absl::Now();
  Citer citer_;

  std::string query_;
  std::vector<float> query_vector_;
  std::string embedder_digest_;  // of query_vector_
  std::vector<Passage> passages_;
  std::optional<answer::Evidence> evidence_;
  std::set<std::string> said_;  // terms of the quotes so far
  pipeline::Answer answer_;
  std::string written_;             // all that was generated
  std::string pending_;             // the part of it that is not yet emitted
  std::size_t sentence_begin_ = 0;  // of the raw sentence under way, in answer_.text
  bool stopped_ = false;            // we ended the generation, not it
  bool looped_ = false;             // because it repeated itself
  bool generator_called_ = false;
  absl::Status sink_status_;
  stages::Usage usage_;
  stages::FinishReason finish_reason_ = stages::FinishReason::kStop;
  std::vector<StageTiming> timings_;
  absl::Duration sentence_time_;
};

absl::Status Asker::Ask(const Caller& caller, const AskRequest& request, AskSink sink,
                        const CallContext& call) const {
  RAGMESH_RETURN_IF_ERROR(Validate(request));
  const WorkMeter meter("Ask", call, observer_);
  return Run(*this, caller, request, sink, call).Answer();
}

}  // namespace ragmesh::pipeline
