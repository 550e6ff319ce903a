#include "libs/wire/search_wire.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/wire/common_wire.h"

namespace ragmesh::wire {
namespace {

constexpr std::uint32_t kMaxNeighbours = 8;
constexpr std::uint32_t kMaxDiverse = 1000;

// The longest time that a Duration may hold; a step takes no longer than its call.
constexpr absl::Duration kMostTime = absl::Seconds(315'576'000'000);

void DurationTo(absl::Duration duration, google::protobuf::Duration* out) {
  duration = std::clamp(duration, -kMostTime, kMostTime);
  const std::int64_t seconds = absl::IDivDuration(duration, absl::Seconds(1), &duration);
  out->set_seconds(seconds);
  out->set_nanos(static_cast<std::int32_t>(absl::ToInt64Nanoseconds(duration)));
}

absl::Duration DurationFrom(const google::protobuf::Duration& in) {
  return std::clamp(absl::Seconds(in.seconds()) + absl::Nanoseconds(in.nanos()), -kMostTime,
                    kMostTime);
}

void ScaleTo(const stages::ScoreScale& scale, common::ScoreScale* out) {
  out->set_mean(scale.mean);
  out->set_deviation(scale.deviation);
}

std::optional<stages::ScoreScale> ScaleFrom(bool present, const common::ScoreScale& scale) {
  if (!present) return std::nullopt;
  return stages::ScoreScale{scale.mean(), scale.deviation()};
}

}  // namespace

void ToProto(const stages::Bm25& bm25, common::Bm25* out) {
  out->set_k1(bm25.k1);
  out->set_b(bm25.b);
}

absl::StatusOr<stages::Bm25> FromProto(const common::Bm25& in, const Field& field) {
  stages::Bm25 bm25;
  if (in.has_k1()) {
    RAGMESH_RETURN_IF_ERROR(CheckRange(in.k1(), 0, 10, Field(field, "k1")));
    bm25.k1 = in.k1();
  }
  if (in.has_b()) {
    RAGMESH_RETURN_IF_ERROR(CheckRange(in.b(), 0, 1, Field(field, "b")));
    bm25.b = in.b();
  }
  return bm25;
}

void ToProto(const stages::FieldWeights& weights, common::FieldWeights* out) {
  out->set_title(weights[0]);
  out->set_heading(weights[1]);
  out->set_body(weights[2]);
}

absl::StatusOr<stages::FieldWeights> FromProto(const common::FieldWeights& in, const Field& field) {
  stages::FieldWeights weights = {1, 1, 1};
  if (in.has_title()) weights[0] = in.title();
  if (in.has_heading()) weights[1] = in.heading();
  if (in.has_body()) weights[2] = in.body();
  const char* const names[] = {"title", "heading", "body"};
  for (std::size_t i = 0; i < weights.size(); ++i)
    RAGMESH_RETURN_IF_ERROR(CheckRange(weights[i], 0, 100, Field(field, names[i])));
  if (weights == stages::FieldWeights{0, 0, 0})
    return field.Invalid("are all 0", "Give a weight above 0 to one field at least.");
  return weights;
}

absl::StatusOr<stages::QuerySyntax> FromProto(common::QuerySyntax syntax, const Field& field) {
  switch (syntax) {
    case common::QUERY_SYNTAX_UNSPECIFIED:
    case common::QUERY_SYNTAX_PLAIN:
      return stages::QuerySyntax::kPlain;
    case common::QUERY_SYNTAX_OPERATORS:
      return stages::QuerySyntax::kOperators;
    default:
      return field.Invalid("is not a known syntax", "Use QUERY_SYNTAX_PLAIN or _OPERATORS.");
  }
}

void ToProto(const stages::Diversity& diversity, common::Diversity* out) {
  out->set_lambda(diversity.lambda);
  out->set_candidates(diversity.candidates);
}

absl::StatusOr<stages::Diversity> FromProto(const common::Diversity& in, const Field& field) {
  stages::Diversity diversity;
  if (in.has_lambda()) {
    RAGMESH_RETURN_IF_ERROR(CheckRange(in.lambda(), 0, 1, Field(field, "lambda")));
    diversity.lambda = in.lambda();
  }
  RAGMESH_RETURN_IF_ERROR(CheckRange(in.candidates(), 0, kMaxDiverse, Field(field, "candidates")));
  if (in.candidates() != 0) diversity.candidates = in.candidates();
  return diversity;
}

void ToProto(const stages::NeighbourWindow& window, common::NeighbourWindow* out) {
  out->set_before(window.before);
  out->set_after(window.after);
}

absl::StatusOr<stages::NeighbourWindow> FromProto(const common::NeighbourWindow& in,
                                                  const Field& field) {
  RAGMESH_RETURN_IF_ERROR(CheckRange(in.before(), 0, kMaxNeighbours, Field(field, "before")));
  RAGMESH_RETURN_IF_ERROR(CheckRange(in.after(), 0, kMaxNeighbours, Field(field, "after")));
  return stages::NeighbourWindow{in.before(), in.after()};
}

void ToProto(const stages::HitExplanation& explanation, common::HitExplanation* out) {
  for (const stages::TermScore& term : explanation.terms) {
    auto* to = out->add_terms();
    to->set_term(term.term);
    to->set_occurrences(term.occurrences);
    to->set_idf(term.idf);
    to->set_frequency(term.frequency);
    to->set_length_norm(term.length_norm);
    to->set_score(term.score);
  }
  out->set_dense_part(explanation.dense_part);
  out->set_lexical_part(explanation.lexical_part);
  if (explanation.relevance.has_value()) out->set_relevance(*explanation.relevance);
  if (explanation.similarity.has_value()) out->set_similarity(*explanation.similarity);
}

stages::HitExplanation FromProto(const common::HitExplanation& in) {
  stages::HitExplanation explanation;
  for (const auto& term : in.terms()) {
    explanation.terms.push_back({term.term(), term.occurrences(), term.idf(), term.frequency(),
                                 term.length_norm(), term.score()});
  }
  explanation.dense_part = in.dense_part();
  explanation.lexical_part = in.lexical_part();
  if (in.has_relevance()) explanation.relevance = in.relevance();
  if (in.has_similarity()) explanation.similarity = in.similarity();
  return explanation;
}

void ToProto(const stages::SearchExplanation& explanation, common::SearchExplanation* out) {
  ToProto(explanation.fusion, out->mutable_fusion());
  ToProto(explanation.bm25, out->mutable_bm25());
  if (explanation.dense_scale.has_value())
    ScaleTo(*explanation.dense_scale, out->mutable_dense_scale());
  if (explanation.lexical_scale.has_value())
    ScaleTo(*explanation.lexical_scale, out->mutable_lexical_scale());
  out->set_dense_listed(explanation.dense_listed);
  out->set_lexical_listed(explanation.lexical_listed);
  out->set_candidates(explanation.candidates);
  out->set_dense_plan(explanation.dense_plan);
  out->set_chunks(explanation.chunks);
  out->set_allowed(explanation.allowed);
  for (const stages::SearchStep& step : explanation.steps) {
    auto* to = out->add_steps();
    to->set_name(step.name);
    DurationTo(step.duration, to->mutable_duration());
  }
}

absl::StatusOr<stages::SearchExplanation> FromProto(const common::SearchExplanation& in,
                                                    const Field& field) {
  stages::SearchExplanation explanation;
  RAGMESH_ASSIGN_OR_RETURN(explanation.fusion, FromProto(in.fusion(), Field(field, "fusion")));
  RAGMESH_ASSIGN_OR_RETURN(explanation.bm25, FromProto(in.bm25(), Field(field, "bm25")));
  explanation.dense_scale = ScaleFrom(in.has_dense_scale(), in.dense_scale());
  explanation.lexical_scale = ScaleFrom(in.has_lexical_scale(), in.lexical_scale());
  explanation.dense_listed = in.dense_listed();
  explanation.lexical_listed = in.lexical_listed();
  explanation.candidates = in.candidates();
  explanation.dense_plan = in.dense_plan();
  explanation.chunks = in.chunks();
  explanation.allowed = in.allowed();
  for (const auto& step : in.steps()) {
    explanation.steps.push_back({step.name(), DurationFrom(step.duration())});
  }
  return explanation;
}

}  // namespace ragmesh::wire
