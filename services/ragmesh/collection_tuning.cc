#include "services/ragmesh/collection_tuning.h"

#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/tuning/golden_set.h"
#include "libs/tuning/tune.h"
#include "services/ragmesh/golden_searches.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

namespace v1 = ragmesh::gateway::v1;

absl::StatusOr<std::vector<tuning::GoldenQuestion>> ReadGoldenFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound("golden file", path, "Check the path.");
  // One byte more than is allowed, so that what is too long is seen to be.
  std::string text(tuning::kMaxGoldenBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return absl::UnavailableError(absl::StrCat("reading ", path, " failed"));
  text.resize(static_cast<std::size_t>(file.gcount()));
  auto questions = tuning::ParseGoldenSet(text);
  if (!questions.ok()) return Annotate(questions.status(), path);
  return questions;
}

tuning::Settings SettingsOf(const v1::Collection& collection) {
  tuning::Settings settings;
  const auto& fusion = collection.fusion();
  if (fusion.method() == common::v1::Fusion::METHOD_RECIPROCAL_RANK)
    settings.fusion.method = stages::FusionMethod::kReciprocalRank;
  if (fusion.has_dense_weight()) settings.fusion.dense_weight = fusion.dense_weight();
  if (fusion.has_rank_constant()) settings.fusion.rank_constant = fusion.rank_constant();
  if (fusion.candidates() > 0) settings.fusion.candidates = fusion.candidates();
  if (collection.bm25().has_k1()) settings.bm25.k1 = collection.bm25().k1();
  if (collection.bm25().has_b()) settings.bm25.b = collection.bm25().b();
  return settings;
}

absl::Status Store(GatewayConnection& gateway, const std::string& name,
                   const tuning::Settings& settings, bool hybrid) {
  v1::UpdateCollectionRequest request;
  request.set_collection(name);
  if (hybrid) {
    auto* fusion = request.mutable_fusion();
    fusion->set_method(settings.fusion.method == stages::FusionMethod::kReciprocalRank
                           ? common::v1::Fusion::METHOD_RECIPROCAL_RANK
                           : common::v1::Fusion::METHOD_Z_SCORE);
    fusion->set_dense_weight(settings.fusion.dense_weight);
    fusion->set_rank_constant(settings.fusion.rank_constant);
    fusion->set_candidates(settings.fusion.candidates);
  }
  request.mutable_bm25()->set_k1(settings.bm25.k1);
  request.mutable_bm25()->set_b(settings.bm25.b);
  v1::UpdateCollectionResponse response;
  const auto context = gateway.NewContext();
  return gateway.ToStatus(gateway.stub().UpdateCollection(context.get(), request, &response));
}

// What is printed of a run.
struct Outcome {
  std::string collection;
  std::size_t questions = 0;
  std::size_t recall_cut = 10;
  bool hybrid = true;
  bool apply = false;
  tuning::TuneReport report;

  bool same() const {
    return tuning::KeyOf(report.before, hybrid) == tuning::KeyOf(report.after, hybrid);
  }
  bool applied() const { return apply && report.significant && !same(); }
};

std::string Verdict(const Outcome& outcome) {
  const tuning::TuneReport& report = outcome.report;
  if (outcome.same()) return "The settings in force are the best that were tried; they stay.";
  if (!report.significant) {
    return absl::StrFormat(
        "The gain is within noise (p %.3f): other questions would likely not see it. The settings "
        "in "
        "force stay. More questions tell smaller gains from chance.",
        report.p_value);
  }
  if (outcome.apply) return "The new settings are stored in the collection.";
  return absl::StrCat(
      "The gain is more than chance. Store the new settings with: ragmesh "
      "collections tune ",
      outcome.collection, " --golden FILE --apply");
}

void PrintTable(const Outcome& outcome) {
  const tuning::TuneReport& report = outcome.report;
  std::printf("%s: %zu questions, %zu settings tried\n", outcome.collection.c_str(),
              outcome.questions, report.settings_tried);
  std::printf("  in force: %s\n", tuning::Describe(report.before, outcome.hybrid).c_str());
  std::printf("  best:     %s\n\n", tuning::Describe(report.after, outcome.hybrid).c_str());
  std::printf("%-12s %10s %10s %10s\n", "", "in force", "tuned *", "change");
  const auto row = [](const std::string& name, double before, double after) {
    std::printf("%-12s %10.4f %10.4f %+10.4f\n", name.c_str(), before, after, after - before);
  };
  row("nDCG@10", report.quality_before.ndcg_at_10, report.quality_after.ndcg_at_10);
  row(absl::StrCat("recall@", outcome.recall_cut), report.quality_before.recall,
      report.quality_after.recall);
  row("MRR@10", report.quality_before.mrr_at_10, report.quality_after.mrr_at_10);
  std::printf(
      "\n* each question under settings chosen without it (%zu-fold cross-validation); on "
      "the questions they\n  were chosen by, the best settings reach nDCG@10 %.4f\n",
      report.by_fold.size(), report.quality_fitted.ndcg_at_10);
  std::printf(
      "  95 %% interval of the change of nDCG@10: %+.4f to %+.4f; paired permutation test: "
      "p %.4f\n\n",
      report.interval.low, report.interval.high, report.p_value);
  if (!report.never_found.empty()) {
    std::printf(
        "No setting found anything relevant for %zu questions, the first on line %d of the "
        "file. Are these names or ids\nin the collection? `ragmesh documents list --collection %s` "
        "shows them.\n",
        report.never_found.size(), report.never_found.front(), outcome.collection.c_str());
  }
  std::printf("%s\n", Verdict(outcome).c_str());
}

nlohmann::json ToJson(const tuning::Settings& settings, bool hybrid) {
  nlohmann::json json = {{"bm25", {{"k1", settings.bm25.k1}, {"b", settings.bm25.b}}}};
  if (!hybrid) return json;
  const bool z_score = settings.fusion.method == stages::FusionMethod::kZScore;
  json["fusion"] = {{"method", z_score ? "METHOD_Z_SCORE" : "METHOD_RECIPROCAL_RANK"},
                    {"denseWeight", settings.fusion.dense_weight},
                    {"rankConstant", settings.fusion.rank_constant},
                    {"candidates", settings.fusion.candidates}};
  return json;
}

void PrintJsonOutcome(const Outcome& outcome) {
  const tuning::TuneReport& report = outcome.report;
  const auto quality = [&](const tuning::Quality& one) {
    return nlohmann::json{
        {"ndcgAt10", one.ndcg_at_10}, {"recall", one.recall}, {"mrrAt10", one.mrr_at_10}};
  };
  nlohmann::json by_fold = nlohmann::json::array();
  for (const tuning::Settings& one : report.by_fold) by_fold.push_back(ToJson(one, outcome.hybrid));
  const nlohmann::json json = {{"collection", outcome.collection},
                               {"questions", outcome.questions},
                               {"settingsTried", report.settings_tried},
                               {"recallCut", outcome.recall_cut},
                               {"before",
                                {{"settings", ToJson(report.before, outcome.hybrid)},
                                 {"quality", quality(report.quality_before)}}},
                               {"after",
                                {{"settings", ToJson(report.after, outcome.hybrid)},
                                 {"quality", quality(report.quality_after)},
                                 {"fitted", quality(report.quality_fitted)}}},
                               {"settingsByFold", by_fold},
                               {"gain", report.gain},
                               {"interval", {report.interval.low, report.interval.high}},
                               {"pValue", report.p_value},
                               {"significant", report.significant},
                               {"neverFoundLines", report.never_found},
                               {"applied", outcome.applied()},
                               {"verdict", Verdict(outcome)}};
  std::printf("%s\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

}  // namespace

void CollectionTuning::Declare(flags::FlagSet& collections, std::string* name,
                               ConnectionOptions* connection) {
  flags::FlagSet& tune = collections.Subcommand(
      "tune",
      "Finds fusion and BM25 settings that suit a collection, by questions whose answers are "
      "known, "
      "and says whether the gain is more than chance. Nothing is changed without --apply.",
      "ragmesh collections tune manuals --golden questions.jsonl");
  tune.Positional("name", name, true, "Its name.");
  tune.Group("Tuning");
  tune.String(
      "golden", &golden_,
      "File with one JSON object a line: {\"question\": \"How often is the seal replaced?\", "
      "\"names\": [\"pump.md\"]}. What is relevant is a list of document \"names\", of "
      "\"documents\" or "
      "of \"chunks\" by id, or an object with grades: {\"pump.md\": 3, \"seals.md\": 1}.");
  tune.Int("folds", &folds_, {2, 20}, "parts",
           "Of the cross-validation: settings are judged by questions they were not chosen by.");
  tune.Int("recall_at", &recall_at_, {1, 100}, "hits", "Where recall is measured.");
  tune.Int("parallel", &parallel_, {1, 64}, "calls", "Searches at a time.");
  tune.Int("seed", &seed_, {0, 1'000'000'000}, "",
           "Of the folds and the tests; equal seeds, equal "
           "results.");
  tune.Bool("apply", &apply_,
            "Store the settings found in the collection, if the gain is more than chance.");
  tune.Bool("dry_run", &dry_run_, "Only show what would be stored, as without --apply.");
  tune.Check([this]() -> absl::Status {
    if (golden_.empty())
      return InvalidField("--golden", "is required", "Name a file with questions and answers.");
    if (apply_ && dry_run_)
      return InvalidField("--dry_run", "contradicts --apply", "Give one of them.");
    return absl::OkStatus();
  });
  connection->Declare(tune);
}

absl::Status CollectionTuning::Run(GatewayConnection& gateway, const std::string& name,
                                   const ConnectionOptions& connection) const {
  RAGMESH_ASSIGN_OR_RETURN(const auto questions, ReadGoldenFile(golden_));
  v1::GetCollectionRequest get;
  get.set_collection(name);
  v1::GetCollectionResponse found;
  const auto context = gateway.NewContext();
  RAGMESH_RETURN_IF_ERROR(
      gateway.ToStatus(gateway.stub().GetCollection(context.get(), get, &found)));

  Outcome outcome{.collection = name, .questions = questions.size(), .apply = apply_};
  outcome.recall_cut = static_cast<std::size_t>(recall_at_);
  GoldenSearches searches(gateway, found.collection(), questions,
                          static_cast<std::uint32_t>(std::max<std::int64_t>(10, recall_at_)),
                          static_cast<int>(parallel_));
  outcome.hybrid = searches.hybrid();
  {
    Progress embedding("Embedding", "questions", connection.quiet);
    RAGMESH_RETURN_IF_ERROR(
        searches.Embed([&](std::size_t done) { embedding.Update(done, questions.size(), ""); }));
  }
  {
    Progress progress("Tuning", "searches", connection.quiet);
    tuning::TuneOptions options{.hybrid = outcome.hybrid};
    options.folds = static_cast<std::size_t>(folds_);
    options.recall_cut = outcome.recall_cut;
    options.seed = static_cast<std::uint64_t>(seed_);
    const std::size_t likely = tuning::LikelySettings(options) * questions.size();
    std::size_t done = 0;
    const auto rank_all = [&](const tuning::Settings& settings) {
      const std::string what = tuning::Describe(settings, outcome.hybrid);
      return searches.RankAll(settings, [&] {
        ++done;
        progress.Update(done, std::max(done, likely), what);
      });
    };
    RAGMESH_ASSIGN_OR_RETURN(
        outcome.report, tuning::Tune(questions, SettingsOf(found.collection()), options, rank_all));
  }
  if (outcome.applied())
    RAGMESH_RETURN_IF_ERROR(Store(gateway, name, outcome.report.after, outcome.hybrid));
  connection.json ? PrintJsonOutcome(outcome) : PrintTable(outcome);
  return absl::OkStatus();
}

}  // namespace ragmesh::cli
