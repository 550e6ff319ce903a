// answers_bench: answer quality on question sets, in every mode. Each passage of a set is stored as
// a document of its own; questions go through the gateway's pipeline as `ragmesh serve` builds it.
//
//   judged     questions that have an accepted answer; the next three are over these
//   F1, EM     token F1 and exact match of the answer's text without citation marks (SQuAD)
//   recall     share of the accepted answer's words that the answer contains
//   supported  share of answer sentences that a cited passage supports, of answers that were given
//   found      share of questions that got an answer
//   abstained  share of "not found" on questions whose passage was left out of the collection
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "bench/datasets/answer_metrics.h"
#include "bench/datasets/qa_dataset.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/document/parser_child.h"
#include "libs/flags/flag_set.h"
#include "libs/metrics/registry.h"
#include "libs/pipeline/gateway.h"
#include "services/ragmesh/local_stages.h"

namespace {

namespace bench = ragmesh::bench;
namespace pipeline = ragmesh::pipeline;
namespace stages = ragmesh::stages;
using ragmesh::CallContext;

constexpr std::size_t kEmbedBatch = 64;

struct Figures {
  double questions = 0;
  double judged = 0;  // questions with an accepted answer
  double f1 = 0, exact = 0, recall = 0, found = 0, sentences = 0, supported = 0, seconds = 0;
};

// The text without its " [1]" marks.
std::string WithoutMarks(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '[') {
      std::size_t end = i + 1;
      while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end]))) ++end;
      if (end > i + 1 && end < text.size() && text[end] == ']') {
        i = end;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

struct Options {
  std::int64_t every = 1;  // ask every N-th question only
  std::string set;         // "wikipedia" or "xquad"; empty: both
  std::string mode;        // of kModes; empty: all
  bool json = false;
  bool show = false;  // every question with its answer
};

class Bench {
 public:
  Bench(ragmesh::cli::LocalStages& local, pipeline::Gateway& gateway, bool show)
      : stages_(local.stages()), gateway_(gateway), show_(show) {}

  // Stores the passages for which `keep` is true.
  template <typename Keep>
  absl::Status Fill(const std::string& collection, const bench::QaDataset& dataset, Keep keep) {
    RAGMESH_RETURN_IF_ERROR(
        gateway_.CreateCollection(caller_, {.name = collection}, call_).status());
    RAGMESH_ASSIGN_OR_RETURN(const auto info, stages_.embedder.Info(call_));
    std::vector<std::size_t> kept;
    for (std::size_t i = 0; i < dataset.passages.size(); ++i) {
      if (keep(i) && !dataset.passages[i].empty()) kept.push_back(i);
    }
    for (std::size_t begin = 0; begin < kept.size(); begin += kEmbedBatch) {
      const std::size_t end = std::min(begin + kEmbedBatch, kept.size());
      stages::EmbedRequest request;
      for (std::size_t i = begin; i < end; ++i) request.texts.push_back(dataset.passages[kept[i]]);
      RAGMESH_ASSIGN_OR_RETURN(auto embeddings, stages_.embedder.Embed(request, call_));
      for (std::size_t i = begin; i < end; ++i) {
        RAGMESH_RETURN_IF_ERROR(Store(collection, info.model.digest, kept[i],
                                      dataset.passages[kept[i]],
                                      std::move(embeddings[i - begin].values)));
      }
      Progress(absl::StrCat("filling ", collection), end, kept.size());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Figures> Measure(const std::string& collection,
                                  const std::vector<bench::QaQuestion>& questions,
                                  pipeline::AnswerMode mode, const std::string& label) {
    Figures sum;
    for (std::size_t i = 0; i < questions.size(); ++i) {
      pipeline::Answer answer;
      const absl::Time begin = absl::Now();
      RAGMESH_RETURN_IF_ERROR(gateway_.Ask(
          caller_, {.collection = collection, .question = questions[i].text, .mode = mode},
          [&answer](pipeline::AskEvent event) {
            if (auto* whole = std::get_if<pipeline::Answer>(&event)) answer = std::move(*whole);
            return absl::OkStatus();
          },
          call_));
      sum.seconds += absl::ToDoubleSeconds(absl::Now() - begin);
      Add(questions[i], answer, &sum);
      if (show_) {
        std::printf("Q %s\nA %s\n= %s\n\n", questions[i].text.c_str(), answer.text.c_str(),
                    absl::StrJoin(questions[i].answers, " / ").c_str());
      }
      Progress(label, i + 1, questions.size());
    }
    return sum;
  }

 private:
  absl::Status Store(const std::string& collection, const std::string& digest, std::size_t index,
                     const std::string& text, std::vector<float> vector) {
    stages::Upsert upsert;
    upsert.document.emplace();
    upsert.document->id = absl::StrCat("passage-", index);
    upsert.document->name = upsert.document->id;
    upsert.document->text = text;
    upsert.document->info.sha256 = ragmesh::Sha256Hex(text);
    upsert.document->acl_labels = caller_.labels;
    stages::StoredChunk chunk;
    chunk.id = upsert.document->id;
    chunk.document_id = upsert.document->id;
    chunk.chunk.text = text;
    chunk.chunk.range = {0, text.size()};
    chunk.vector = std::move(vector);
    upsert.chunks.push_back(std::move(chunk));
    return stages_.vector_store
        .Write({caller_.tenant, collection}, digest, std::move(upsert), call_)
        .status();
  }

  static void Add(const bench::QaQuestion& question, const pipeline::Answer& answer, Figures* sum) {
    const bool found = answer.kind != pipeline::AnswerKind::kNotFound;
    sum->found += found;
    if (found) {
      for (const auto& sentence : answer.sentences) {
        ++sum->sentences;
        sum->supported += sentence.supported;
      }
    }
    ++sum->questions;
    if (question.answers.empty()) return;
    ++sum->judged;
    const std::string text = found ? WithoutMarks(answer.text) : "";
    sum->f1 += bench::TokenF1(text, question.answers);
    sum->exact += bench::ExactMatch(text, question.answers);
    sum->recall += bench::TokenRecall(text, question.answers);
  }

  void Progress(const std::string& what, std::size_t done, std::size_t total) {
    if (absl::Now() - shown_ < absl::Seconds(3) && done < total) return;
    shown_ = absl::Now();
    std::fprintf(stderr, "%s: %zu of %zu\n", what.c_str(), done, total);
  }

  const pipeline::Stages stages_;
  pipeline::Gateway& gateway_;
  const bool show_;
  const pipeline::Caller caller_;
  const CallContext call_{absl::InfiniteFuture()};
  absl::Time shown_ = absl::InfinitePast();
};

struct ModeName {
  pipeline::AnswerMode mode;
  const char* name;
};
constexpr ModeName kModes[] = {{pipeline::AnswerMode::kAuto, "auto"},
                               {pipeline::AnswerMode::kGenerated, "generated"},
                               {pipeline::AnswerMode::kExtractive, "extractive"}};

void Print(const std::string& set, const char* mode, const Figures& f, double abstained,
           bool json) {
  const double n = std::max(1.0, f.questions), judged = std::max(1.0, f.judged);
  const double supported = f.sentences > 0 ? f.supported / f.sentences : 0;
  if (json) {
    std::printf(
        "{\"name\":\"answers, %s, "
        "%s\",\"unit\":\"share\",\"questions\":%.0f,\"judged\":%.0f,\"f1\":%.4f,"
        "\"exact_match\":%.4f,\"recall\":%.4f,\"supported\":%.4f,\"found\":%.4f,"
        "\"abstained\":%.4f}\n",
        set.c_str(), mode, f.questions, f.judged, f.f1 / judged, f.exact / judged,
        f.recall / judged, supported, f.found / n, abstained);
  } else {
    std::printf("%-20s %-11s %6.0f %6.0f %7.4f %7.4f %7.4f %10.4f %7.4f %10s %8.2f\n", set.c_str(),
                mode, f.questions, f.judged, f.f1 / judged, f.exact / judged, f.recall / judged,
                supported, f.found / n,
                abstained < 0 ? "-" : absl::StrCat(abstained).substr(0, 6).c_str(), f.seconds / n);
  }
  std::fflush(stdout);
}

std::vector<bench::QaQuestion> EveryNth(const std::vector<bench::QaQuestion>& questions,
                                        std::int64_t every) {
  std::vector<bench::QaQuestion> chosen;
  for (std::size_t i = 0; i < questions.size(); i += static_cast<std::size_t>(every)) {
    chosen.push_back(questions[i]);
  }
  return chosen;
}

absl::Status RunAll(Bench& bench, const std::string& data, const Options& options) {
  if (!options.json) {
    std::printf("%-20s %-11s %6s %6s %7s %7s %7s %10s %7s %10s %8s\n", "", "mode", "asked",
                "judged", "F1", "EM", "recall", "supported", "found", "abstained", "s/answer");
  }
  RAGMESH_ASSIGN_OR_RETURN(const auto wikipedia,
                           bench::LoadMiniWikipedia(data + "/qa/rag-mini-wikipedia"));
  RAGMESH_ASSIGN_OR_RETURN(const auto xquad, bench::LoadXquad(data + "/qa/xquad/xquad.en.json"));
  const auto all = [](std::size_t) { return true; };
  if (options.set.empty() || options.set == "wikipedia") {
    RAGMESH_RETURN_IF_ERROR(bench.Fill("wikipedia", wikipedia, all));
    for (const ModeName& mode : kModes) {
      if (!options.mode.empty() && options.mode != mode.name) continue;
      RAGMESH_ASSIGN_OR_RETURN(
          const Figures figures,
          bench.Measure("wikipedia", EveryNth(wikipedia.questions, options.every), mode.mode,
                        absl::StrCat("wikipedia, ", mode.name)));
      Print(wikipedia.name, mode.name, figures, -1, options.json);
    }
  }
  if (!options.set.empty() && options.set != "xquad") return absl::OkStatus();
  // Odd passages are left out of a second collection: their questions should find nothing there.
  RAGMESH_RETURN_IF_ERROR(bench.Fill("xquad", xquad, all));
  RAGMESH_RETURN_IF_ERROR(
      bench.Fill("xquad-half", xquad, [](std::size_t i) { return i % 2 == 0; }));
  std::vector<bench::QaQuestion> orphaned;
  for (const auto& question : xquad.questions) {
    if (question.passage % 2 == 1) orphaned.push_back(question);
  }
  for (const ModeName& mode : kModes) {
    if (!options.mode.empty() && options.mode != mode.name) continue;
    RAGMESH_ASSIGN_OR_RETURN(const Figures figures,
                             bench.Measure("xquad", EveryNth(xquad.questions, options.every),
                                           mode.mode, absl::StrCat("xquad, ", mode.name)));
    RAGMESH_ASSIGN_OR_RETURN(
        const Figures removed,
        bench.Measure("xquad-half", EveryNth(orphaned, options.every), mode.mode,
                      absl::StrCat("xquad, passage removed, ", mode.name)));
    Print(xquad.name, mode.name, figures, 1 - removed.found / std::max(1.0, removed.questions),
          options.json);
  }
  return absl::OkStatus();
}

absl::Status RunIn(const std::string& folder, const Options& options) {
  const char* data = std::getenv("RAGMESH_TESTDATA");
  if (data == nullptr) return absl::NotFoundError("RAGMESH_TESTDATA is not set");
  ragmesh::cli::LocalStagesConfig config;
  config.vector_store.data_dir = folder + "/store";
  RAGMESH_ASSIGN_OR_RETURN(const auto local, ragmesh::cli::LocalStages::Open(config, nullptr));
  ragmesh::metrics::Registry metrics;
  RAGMESH_RETURN_IF_ERROR(local->Load(metrics, CallContext(absl::InfiniteFuture())));
  pipeline::GatewayOptions gateway_options;
  gateway_options.ingest.data_folder = folder + "/gateway";
  RAGMESH_ASSIGN_OR_RETURN(const auto gateway,
                           pipeline::Gateway::Create(local->stages(), gateway_options));
  Bench bench(*local, *gateway, options.show);
  return RunAll(bench, data, options);
}

}  // namespace

int main(int argc, char** argv) {
  ragmesh::document::MaybeRunParserChild(argc, argv);
  Options options;
  ragmesh::flags::FlagSet flags("answers_bench", "Measures answer quality on question sets.",
                                "answers_bench --every 10");
  flags.Int("every", &options.every, {1, 1000}, "", "Ask every N-th question only.");
  flags.String("only", &options.set, "\"wikipedia\" or \"xquad\"; empty: both.");
  flags.String("mode", &options.mode,
               "\"auto\", \"generated\" or \"extractive\"; empty: all three.");
  flags.Bool("json", &options.json, "One JSON object a line.");
  flags.Bool("show", &options.show, "Print every question with its answer and the accepted ones.");
  flags.ParseOrExit(argc, argv);
  const std::string folder =
      absl::StrCat(std::filesystem::temp_directory_path().string(), "/ragmesh-answers-", getpid());
  const absl::Status status = RunIn(folder, options);
  std::filesystem::remove_all(folder);
  if (status.ok()) return 0;
  std::fprintf(stderr, "answers_bench: %s\n", status.ToString().c_str());
  return 1;
}
