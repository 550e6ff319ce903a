// The stage interfaces over slots: what a call finds while its stage is loading, or could not be
// loaded, is a typed error, so the mesh is up before its models are.
#ifndef RAGMESH_SERVICES_RAGMESH_SLOT_STAGES_H_
#define RAGMESH_SERVICES_RAGMESH_SLOT_STAGES_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "libs/base/status_macros.h"
#include "libs/stages/embedder.h"
#include "libs/stages/generator.h"
#include "libs/stages/loader.h"
#include "libs/stages/reranker.h"
#include "libs/stages/splitter.h"
#include "libs/stages/vector_store.h"
#include "services/common/stage_slot.h"

namespace ragmesh::cli {

// What every one of them has. The slot keeps the object alive for the length of a call.
template <typename Stage>
class SlotStage : public Stage {
 public:
  explicit SlotStage(std::string name) : slot_(std::move(name)) {}

  services::StageSlot<Stage>& slot() { return slot_; }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    return slot_.Info(call);
  }

 protected:
  // Calls `method` of the stage with `arguments`, or returns why there is none.
  template <typename Method, typename... Arguments>
  auto Forward(Method method, Arguments&&... arguments)
      -> decltype((std::declval<Stage&>().*method)(std::forward<Arguments>(arguments)...)) {
    const auto stage = slot_.Get();
    if (!stage.ok()) return stage.status();
    return ((**stage).*method)(std::forward<Arguments>(arguments)...);
  }

 private:
  services::StageSlot<Stage> slot_;
};

class SlotLoader final : public SlotStage<stages::Loader> {
 public:
  using SlotStage::SlotStage;
  absl::StatusOr<stages::DocumentInfo> Load(const stages::LoadRequest& request,
                                            absl::FunctionRef<absl::Status(stages::Block)> on_block,
                                            const CallContext& call) override {
    return Forward(&stages::Loader::Load, request, on_block, call);
  }
};

class SlotSplitter final : public SlotStage<stages::Splitter> {
 public:
  using SlotStage::SlotStage;
  absl::Status Split(const stages::SplitOptions& options,
                     absl::FunctionRef<absl::StatusOr<std::optional<stages::Block>>()> next_block,
                     absl::FunctionRef<absl::Status(stages::Chunk)> on_chunk,
                     const CallContext& call) override {
    return Forward(&stages::Splitter::Split, options, next_block, on_chunk, call);
  }
};

class SlotEmbedder final : public SlotStage<stages::Embedder> {
 public:
  using SlotStage::SlotStage;
  absl::StatusOr<std::vector<stages::Embedding>> Embed(const stages::EmbedRequest& request,
                                                       const CallContext& call) override {
    return Forward(&stages::Embedder::Embed, request, call);
  }
};

class SlotReranker final : public SlotStage<stages::Reranker> {
 public:
  using SlotStage::SlotStage;
  absl::StatusOr<std::vector<stages::Reranked>> Rerank(const stages::RerankRequest& request,
                                                       const CallContext& call) override {
    return Forward(&stages::Reranker::Rerank, request, call);
  }
};

class SlotGenerator final : public SlotStage<stages::Generator> {
 public:
  using SlotStage::SlotStage;
  absl::StatusOr<stages::GenerateResult> Generate(
      const stages::GenerateRequest& request,
      absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token,
      const CallContext& call) override {
    return Forward(&stages::Generator::Generate, request, on_token, call);
  }
  absl::StatusOr<std::vector<std::uint32_t>> Tokenize(const stages::Prompt& prompt,
                                                      const CallContext& call) override {
    return Forward(&stages::Generator::Tokenize, prompt, call);
  }
};

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_SLOT_STAGES_H_
