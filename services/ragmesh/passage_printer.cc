#include "services/ragmesh/passage_printer.h"

#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

namespace v1 = ragmesh::gateway::v1;

std::string RankOf(bool listed, std::uint32_t rank) {
  return listed ? absl::StrCat(" (#", rank, ")") : "";
}

std::string ScoreLine(const common::v1::Scores& scores) {
  std::vector<std::string> parts;
  if (scores.has_dense()) {
    parts.push_back(absl::StrCat(absl::StrFormat("dense %.3f", scores.dense()),
                                 RankOf(scores.has_dense_rank(), scores.dense_rank())));
  }
  if (scores.has_lexical()) {
    parts.push_back(absl::StrCat(absl::StrFormat("lexical %.2f", scores.lexical()),
                                 RankOf(scores.has_lexical_rank(), scores.lexical_rank())));
  }
  if (scores.has_fused()) parts.push_back(absl::StrFormat("fused %.3f", scores.fused()));
  if (scores.has_model()) parts.push_back(absl::StrFormat("model %.3f", scores.model()));
  if (scores.has_reranked()) parts.push_back(absl::StrFormat("reranked %.3f", scores.reranked()));
  return absl::StrJoin(parts, "  ");
}

// How the scores of a passage came about, a line each.
std::vector<std::string> Explain(const v1::Passage& passage) {
  const common::v1::HitExplanation& how = passage.explanation();
  std::vector<std::string> lines;
  if (passage.scores().has_fused()) {
    lines.push_back(
        absl::StrFormat("fused = dense %.3f + lexical %.3f", how.dense_part(), how.lexical_part()));
  }
  std::vector<std::string> terms;
  for (const auto& term : how.terms()) {
    terms.push_back(absl::StrFormat("%s %.2f (%g times, idf %.2f, length norm %.2f)", term.term(),
                                    term.score(), term.frequency(), term.idf(),
                                    term.length_norm()));
  }
  if (!terms.empty()) lines.push_back("lexical = " + absl::StrJoin(terms, " + "));
  if (how.has_relevance()) {
    lines.push_back(absl::StrFormat("diversity: relevance %.3f, likeness to a better passage %.3f",
                                    how.relevance(), how.similarity()));
  }
  return lines;
}

void PrintScale(const char* name, bool present, const common::v1::ScoreScale& scale) {
  if (present)
    std::printf("  %s scores: mean %.3f, deviation %.3f\n", name, scale.mean(), scale.deviation());
}

void PrintSearch(const common::v1::SearchExplanation& how) {
  std::printf("How this was searched:\n");
  if (how.fusion().method() == common::v1::Fusion::METHOD_RECIPROCAL_RANK) {
    std::printf("  fusion: reciprocal rank, constant %g\n", how.fusion().rank_constant());
  } else {
    std::printf("  fusion: z-score, dense weight %g\n", how.fusion().dense_weight());
  }
  std::printf("  words: BM25 with k1 %g, b %g\n", how.bm25().k1(), how.bm25().b());
  const double share = how.chunks() == 0 ? 0
                                         : 100.0 * static_cast<double>(how.allowed()) /
                                               static_cast<double>(how.chunks());
  std::printf("  searched: %llu of %llu chunks (%.1f %%)%s%s\n",
              static_cast<unsigned long long>(how.allowed()),
              static_cast<unsigned long long>(how.chunks()), share,
              how.dense_plan().empty() ? "" : ", vectors by ", Printable(how.dense_plan()).c_str());
  std::printf("  lists: %u dense, %u lexical, %u candidates\n", how.dense_listed(),
              how.lexical_listed(), how.candidates());
  PrintScale("dense", how.has_dense_scale(), how.dense_scale());
  PrintScale("lexical", how.has_lexical_scale(), how.lexical_scale());
  std::vector<std::string> steps;
  for (const auto& step : how.steps()) {
    steps.push_back(absl::StrFormat(
        "%s %.2f ms", step.name(),
        1e3 * static_cast<double>(step.duration().seconds()) + step.duration().nanos() / 1e6));
  }
  std::printf("  steps: %s\n", Printable(absl::StrJoin(steps, ", ")).c_str());
}

void PrintPassage(const v1::Passage& passage, const Terminal& terminal) {
  const std::string place = absl::StrCat(
      passage.document_name(), passage.page() > 0 ? absl::StrCat(", page ", passage.page()) : "",
      passage.heading_path().empty() ? "" : ": ", absl::StrJoin(passage.heading_path(), " > "));
  std::printf("%s %s\n", terminal.Bold(absl::StrCat(passage.number(), ".")).c_str(),
              terminal.Bold(Printable(place)).c_str());
  std::printf("   %s\n", terminal.Dim(ScoreLine(passage.scores())).c_str());
  if (passage.has_explanation()) {
    for (const std::string& line : Explain(passage))
      std::printf("%s\n", terminal.Dim(Wrap(Printable(line), terminal.columns, 3)).c_str());
  }
  const auto print = [&terminal](const std::string& text, bool dim) {
    const std::string wrapped = Wrap(Printable(text), terminal.columns, 3);
    std::printf("%s\n", dim ? terminal.Dim(wrapped).c_str() : wrapped.c_str());
  };
  for (const v1::Neighbour& neighbour : passage.neighbours()) {
    if (neighbour.position() < passage.position()) print(neighbour.text(), true);
  }
  print(passage.text(), false);
  for (const v1::Neighbour& neighbour : passage.neighbours()) {
    if (neighbour.position() > passage.position()) print(neighbour.text(), true);
  }
  std::printf("\n");
}

}  // namespace

void PrintPassages(const v1::SearchResponse& response) {
  const Terminal terminal = Terminal::Of(STDOUT_FILENO);
  for (const v1::Passage& passage : response.passages()) PrintPassage(passage, terminal);
  if (response.passages().empty()) std::printf("Nothing found.\n");
  if (response.has_explanation()) PrintSearch(response.explanation());
  for (const v1::Degradation& degradation : response.degraded()) {
    std::printf("%s %s\n", terminal.Bad("note:").c_str(), Printable(degradation.message()).c_str());
  }
}

}  // namespace ragmesh::cli
