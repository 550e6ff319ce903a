#include "libs/pipeline/embedders.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::pipeline {

Embedders::Embedders(stages::Embedder& first, stages::Embedder* next, const Clock& clock) {
  all_.push_back({&first, std::make_unique<EmbedderIdentity>(first, clock)});
  if (next != nullptr) all_.push_back({next, std::make_unique<EmbedderIdentity>(*next, clock)});
}

absl::StatusOr<Embedders::Bound> Embedders::Look(const One& one, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(EmbedderIdentity::Identity identity, one.identity->Get(call));
  return Bound{one.stage, one.identity.get(), std::move(identity)};
}

absl::StatusOr<Embedders::Bound> Embedders::First(const CallContext& call) {
  return Look(all_.front(), call);
}

absl::StatusOr<Embedders::Bound> Embedders::For(const std::string& digest,
                                                const CallContext& call) {
  // The one that was it last is asked first, so that the other may be down.
  const bool other_way = all_.size() > 1 && all_[1].identity->LastDigest() == digest;
  absl::Status unreachable;
  absl::Status mismatch;
  for (std::size_t i = 0; i < all_.size(); ++i) {
    auto bound = Look(all_[other_way ? all_.size() - 1 - i : i], call);
    if (!bound.ok()) {
      if (unreachable.ok()) unreachable = bound.status();
      continue;
    }
    const absl::Status matches = CheckEmbedderMatches(digest, bound->identity);
    if (matches.ok()) return bound;
    if (mismatch.ok()) mismatch = matches;
  }
  ForgetAll();  // another model may be there the next time
  return unreachable.ok() ? mismatch : unreachable;
}

void Embedders::ForgetAll() {
  for (const One& one : all_) one.identity->Forget();
}

absl::StatusOr<Embedders::Bound> Embedders::Named(const std::string& name,
                                                  const std::string& other_than,
                                                  const CallContext& call) {
  std::vector<std::string> served;
  absl::Status unreachable;
  for (auto one = all_.rbegin(); one != all_.rend(); ++one) {
    auto bound = Look(*one, call);
    if (!bound.ok()) {
      unreachable = bound.status();
      continue;
    }
    const stages::ModelInfo& model = bound->identity.model;
    if (name.empty() ? model.digest != other_than : name == model.name || name == model.digest)
      return bound;
    served.push_back(model.name);
  }
  if (!unreachable.ok()) return unreachable;
  return WrongState(
      "EMBEDDER_NOT_SERVED",
      name.empty()
          ? absl::StrCat("no embedder but the collection's is served: ",
                         absl::StrJoin(served, ", "))
          : absl::StrCat("no embedder serves '", name, "', but ", absl::StrJoin(served, ", ")),
      "Start the gateway with --next_embedder, or ragmesh serve with --next_embedder_model.");
}

}  // namespace ragmesh::pipeline
