// Sampling and log-probabilities <-> the messages of the generator and of the gateway, which name
// their fields alike: Sampling and ChatRequest, TokenLogprobs and TokenLogprobs.
#ifndef RAGMESH_LIBS_WIRE_SAMPLING_WIRE_H_
#define RAGMESH_LIBS_WIRE_SAMPLING_WIRE_H_

#include <algorithm>
#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "libs/base/status_macros.h"
#include "libs/stages/generator.h"
#include "libs/wire/field.h"

namespace ragmesh::wire {

template <typename Message>
void SamplingToProto(const stages::Sampling& sampling, Message* out) {
  out->set_temperature(sampling.temperature);
  out->set_top_k(sampling.top_k);
  out->set_top_p(sampling.top_p);
  out->set_min_p(sampling.min_p);
  out->set_typical_p(sampling.typical_p);
  out->set_xtc_probability(sampling.xtc_probability);
  out->set_xtc_threshold(sampling.xtc_threshold);
  out->set_repeat_penalty(sampling.repeat_penalty);
  out->set_repeat_last_n(sampling.repeat_last_n);
  out->set_frequency_penalty(sampling.frequency_penalty);
  out->set_presence_penalty(sampling.presence_penalty);
  out->set_dry_multiplier(sampling.dry_multiplier);
  out->set_dry_base(sampling.dry_base);
  out->set_dry_allowed_length(sampling.dry_allowed_length);
  out->set_dry_penalty_last_n(sampling.dry_penalty_last_n);
  *out->mutable_dry_sequence_breakers() = {sampling.dry_sequence_breakers.begin(),
                                           sampling.dry_sequence_breakers.end()};
  for (const stages::LogitBias& entry : sampling.logit_bias)
    (*out->mutable_logit_bias())[entry.token_id] = entry.bias;
  if (sampling.seed.has_value()) out->set_seed(*sampling.seed);
}

// What is unset keeps its default. `prefix` as for stages::CheckSampling.
template <typename Message>
absl::StatusOr<stages::Sampling> SamplingFromProto(const Message& in, absl::string_view prefix) {
  stages::Sampling sampling;
  sampling.temperature = in.temperature();
  sampling.top_k = in.top_k();
  if (in.has_top_p()) sampling.top_p = in.top_p();
  sampling.min_p = in.min_p();
  if (in.has_typical_p()) sampling.typical_p = in.typical_p();
  sampling.xtc_probability = in.xtc_probability();
  if (in.has_xtc_threshold()) sampling.xtc_threshold = in.xtc_threshold();
  if (in.has_repeat_penalty()) sampling.repeat_penalty = in.repeat_penalty();
  if (in.has_repeat_last_n()) sampling.repeat_last_n = in.repeat_last_n();
  sampling.frequency_penalty = in.frequency_penalty();
  sampling.presence_penalty = in.presence_penalty();
  sampling.dry_multiplier = in.dry_multiplier();
  if (in.has_dry_base()) sampling.dry_base = in.dry_base();
  if (in.has_dry_allowed_length()) sampling.dry_allowed_length = in.dry_allowed_length();
  if (in.has_dry_penalty_last_n()) sampling.dry_penalty_last_n = in.dry_penalty_last_n();
  if (in.dry_sequence_breakers_size() > 0) {
    sampling.dry_sequence_breakers.assign(in.dry_sequence_breakers().begin(),
                                          in.dry_sequence_breakers().end());
  }
  for (const auto& [id, bias] : in.logit_bias()) sampling.logit_bias.push_back({id, bias});
  // A map has no order; equal requests are to be equal here.
  std::sort(sampling.logit_bias.begin(), sampling.logit_bias.end(),
            [](const auto& a, const auto& b) { return a.token_id < b.token_id; });
  if (in.has_seed()) sampling.seed = in.seed();
  RAGMESH_RETURN_IF_ERROR(stages::CheckSampling(sampling, prefix));
  return sampling;
}

template <typename Message>
void ScoredToProto(const stages::ScoredToken& token, Message* out) {
  out->set_token_id(token.token_id);
  out->set_text(token.bytes);
  out->set_logprob(token.logprob);
}

template <typename Message>
void LogprobsToProto(const stages::TokenLogprobs& logprobs, Message* out) {
  ScoredToProto(logprobs.chosen, out->mutable_chosen());
  for (const stages::ScoredToken& token : logprobs.top) ScoredToProto(token, out->add_top());
}

template <typename Message>
stages::TokenLogprobs LogprobsFromProto(const Message& in) {
  const auto scored = [](const auto& token) {
    return stages::ScoredToken{token.token_id(), token.text(), token.logprob()};
  };
  stages::TokenLogprobs logprobs{.chosen = scored(in.chosen())};
  for (const auto& token : in.top()) logprobs.top.push_back(scored(token));
  return logprobs;
}

// How many texts a request asks for; 0 stands for 1.
template <typename Message>
absl::StatusOr<std::uint32_t> ChoicesFromProto(const Message& in, const Field& field) {
  RAGMESH_RETURN_IF_ERROR(CheckCount(in.choices(), 0, stages::kMaxChoices, "texts", field));
  return std::max<std::uint32_t>(in.choices(), 1);
}

template <typename Message>
absl::StatusOr<std::optional<std::uint32_t>> TopLogprobsFromProto(const Message& in,
                                                                  const Field& field) {
  if (!in.has_top_logprobs()) return std::optional<std::uint32_t>();
  RAGMESH_RETURN_IF_ERROR(
      CheckCount(in.top_logprobs(), 0, stages::kMaxTopLogprobs, "alternatives", field));
  return std::optional<std::uint32_t>(in.top_logprobs());
}

inline constexpr std::size_t kMaxFormatBytes = 256 << 10;

// Of generator.v1.GenerateRequest and gateway.v1.ChatRequest, which have the same fields.
template <typename Message>
void FormatToProto(const stages::OutputFormat& format, Message* out) {
  switch (format.kind) {
    case stages::OutputFormat::Kind::kText:
      return;
    case stages::OutputFormat::Kind::kJsonObject:
      return out->set_json_object(true);
    case stages::OutputFormat::Kind::kJsonSchema:
      return out->set_json_schema(format.text);
    case stages::OutputFormat::Kind::kGrammar:
      return out->set_grammar(format.text);
  }
}

template <typename Message>
absl::StatusOr<stages::OutputFormat> FormatFromProto(const Message& in, const Field& field) {
  using Kind = stages::OutputFormat::Kind;
  stages::OutputFormat format;
  if (in.has_json_schema()) {
    RAGMESH_RETURN_IF_ERROR(
        CheckBytes(in.json_schema(), 1, kMaxFormatBytes, Field(field, "json_schema")));
    format = {Kind::kJsonSchema, in.json_schema()};
  } else if (in.has_grammar()) {
    RAGMESH_RETURN_IF_ERROR(CheckBytes(in.grammar(), 1, kMaxFormatBytes, Field(field, "grammar")));
    format = {Kind::kGrammar, in.grammar()};
  } else if (in.has_json_object() && in.json_object()) {
    format.kind = Kind::kJsonObject;
  }
  return format;
}

}  // namespace ragmesh::wire

#endif  // RAGMESH_LIBS_WIRE_SAMPLING_WIRE_H_
