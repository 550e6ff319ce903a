#include "bench/generator/passage_quality.h"

#include "absl/strings/str_cat.h"
#include "bench/datasets/answer_metrics.h"
#include "bench/datasets/divergence.h"
#include "libs/base/status_macros.h"

namespace ragmesh::bench {
namespace {

using nlohmann::json;
using Reuse = PassageEngine::Reuse;

constexpr std::size_t kMaxAnswer = 64;  // each comes with the distribution over a whole vocabulary

absl::StatusOr<Reuse> ReuseOf(const json& request) {
  const std::string reuse = request.at("reuse");
  if (reuse == "off") return Reuse::kOff;
  if (reuse == "exact") return Reuse::kExact;
  if (reuse == "blend") return Reuse::kBlend;
  return absl::InvalidArgumentError(absl::StrCat("unknown reuse ", reuse));
}

}  // namespace

absl::StatusOr<json> PassageQuality::Compare(const json& request) {
  RAGMESH_ASSIGN_OR_RETURN(const Reuse reuse, ReuseOf(request));
  const std::vector<std::string> passages = request.at("passages");
  const std::vector<std::string> accepted = request.at("accepted");
  const std::string question = request.at("question"), model = request.at("model");
  const std::size_t tokens = request.at("tokens");
  if (tokens < 1 || tokens > kMaxAnswer)
    return absl::InvalidArgumentError(absl::StrCat("tokens must be between 1 and ", kMaxAnswer));
  if (accepted.empty()) return absl::InvalidArgumentError("accepted must hold an answer");

  RAGMESH_ASSIGN_OR_RETURN(PassageEngine* const off, Open(request, Reuse::kOff, 0));
  if (const auto asked = std::tuple(model, passages, question); asked != asked_) {
    RAGMESH_ASSIGN_OR_RETURN(reference_, off->Write(passages, question, tokens, true));
    asked_ = asked;
  }
  PassageEngine* engine = off;
  PassageEngine::Answer judged = reference_, own = reference_;
  if (reuse != Reuse::kOff) {
    RAGMESH_ASSIGN_OR_RETURN(engine, Open(request, reuse, request.value("share", 0.0)));
    RAGMESH_ASSIGN_OR_RETURN(own, engine->Write(passages, question, tokens, false));
    // After it, so that what is kept of the prompt is judged too.
    if (!reference_.ids.empty()) {
      RAGMESH_ASSIGN_OR_RETURN(judged, engine->Judge(passages, question, reference_.ids));
    }
  }
  Divergence sum;
  for (std::size_t i = 0; i < reference_.ids.size(); ++i)
    sum.Add(reference_.logprobs[i], judged.logprobs[i], reference_.ids[i]);
  const std::string text = engine->Spell(own.ids);
  return json{{"text", text},
              {"same_text", own.ids == reference_.ids},
              {"f1", TokenF1(text, accepted)},
              {"exact", ExactMatch(text, accepted)},
              {"recall", TokenRecall(text, accepted)},
              {"taken_over", own.outcome.blended_tokens},
              {"kept", judged.outcome.cached_tokens},
              {"tokens", sum.tokens},
              {"kl", sum.kl},
              {"same_best", sum.same_best}};
}

absl::StatusOr<PassageEngine*> PassageQuality::Open(const json& request, Reuse reuse,
                                                    double share) {
  auto& slot = engines_[{request.at("model"), reuse, share}];
  if (slot == nullptr) {
    PassageEngine::Options options;
    options.path = request.at("model");
    options.digest = request.value("digest", "");
    options.packed_folder = request.value("packed", "");
    options.threads = request.value("threads", 1);
    options.reuse = reuse;
    options.repeated_share = share;
    RAGMESH_ASSIGN_OR_RETURN(slot, PassageEngine::Load(options));
  }
  return slot.get();
}

}  // namespace ragmesh::bench
