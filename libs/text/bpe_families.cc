#include <utility>

#include "libs/text/bpe_pretokenizer.h"

namespace ragmesh::text {

// As llama.cpp's converter names families, and what its reader takes for granted of them.
std::optional<BpeFamily> FindBpeFamily(absl::string_view name) {
  using Rule = BpePretokenizer;
  static constexpr std::pair<absl::string_view, BpeFamily> kFamilies[] = {
      {"default", {Rule::kDefault}},
      {"gpt-2", {Rule::kGpt2}},
      {"gpt2", {Rule::kGpt2}},
      {"phi-2", {Rule::kGpt2}},
      {"mpt", {Rule::kGpt2}},
      {"olmo", {Rule::kGpt2}},
      {"jais", {Rule::kGpt2}},
      {"trillion", {Rule::kGpt2}},
      {"granite-docling", {Rule::kGpt2}},
      {"exaone4", {Rule::kGpt2}},
      {"gigachat", {Rule::kGpt2}},
      {"a.x-4.0", {Rule::kGpt2}},
      {"mellum", {Rule::kGpt2}},
      {"modern-bert", {Rule::kGpt2}},
      {"roberta-bpe", {Rule::kGpt2}},
      {"jina-es", {Rule::kGpt2}},
      {"jina-de", {Rule::kGpt2}},
      {"jina-v1-en", {Rule::kGpt2}},
      {"jina-v2-es", {Rule::kGpt2}},
      {"jina-v2-de", {Rule::kGpt2}},
      {"jina-v2-code", {Rule::kGpt2}},
      {"smollm", {Rule::kSmolLm}},
      {"starcoder", {Rule::kSmolLm}},
      {"refact", {Rule::kSmolLm}},
      {"command-r", {Rule::kSmolLm}},
      {"codeshell", {Rule::kSmolLm}},
      {"exaone", {Rule::kSmolLm}},
      {"minerva-7b", {Rule::kSmolLm}},
      {"llama-bpe", {Rule::kLlama3, true, true}},
      {"llama3", {Rule::kLlama3, true, true}},
      {"llama-v3", {Rule::kLlama3, true, true}},
      {"falcon3", {Rule::kLlama3, true, true}},
      {"falcon-h1", {Rule::kLlama3, true, true}},
      {"pixtral", {Rule::kLlama3, true, true}},
      {"midm-2.0", {Rule::kLlama3, true, true}},
      {"lfm2", {Rule::kLlama3, true, true}},
      {"dbrx", {Rule::kLlama3}},
      {"smaug-bpe", {Rule::kLlama3}},
      {"glm4", {Rule::kLlama3}},
      {"chatglm-bpe", {Rule::kLlama3}},
      {"qwen2", {Rule::kQwen2}},
      {"deepseek-r1-qwen", {Rule::kQwen2}},
      {"megrez", {Rule::kQwen2}},
      {"kormo", {Rule::kQwen2}},
      {"stablelm2", {Rule::kQwen2}},
      {"hunyuan", {Rule::kQwen2}},
      {"solar-open", {Rule::kQwen2}},
      {"grok-2", {Rule::kQwen2}},
      {"bailingmoe", {Rule::kQwen2}},
      {"bailingmoe2", {Rule::kQwen2}},
      {"llada-moe", {Rule::kQwen2}},
      {"qwen35", {Rule::kQwen35}},
      {"seed-coder", {Rule::kSeedCoder}},
      {"tekken", {Rule::kTekken, true, true}},
      {"gpt-4o", {Rule::kGpt4o}},
      {"llama4", {Rule::kGpt4o}},
      {"minimax-m2", {Rule::kGpt4o}},
      {"falcon", {Rule::kFalcon}},
      {"chameleon", {Rule::kChameleon, false, true}},
      {"bloom", {Rule::kBloom}},
      {"gpt3-finnish", {Rule::kBloom}},
      {"poro-chat", {Rule::kBloom}},
      {"viking", {Rule::kViking}},
      {"deepseek-llm", {Rule::kDeepSeekLlm}},
      {"deepseek-coder", {Rule::kDeepSeekCoder}},
      {"deepseek-v3", {Rule::kDeepSeekV3}},
      {"hunyuan-dense", {Rule::kDeepSeekV3}},
  };
  for (const auto& [known, family] : kFamilies) {
    if (known == name) return family;
  }
  return std::nullopt;
}

}  // namespace ragmesh::text
