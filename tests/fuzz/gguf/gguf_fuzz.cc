// Any bytes as a GGUF file: read, then touch everything that was handed out, then try to make a
// model of it.
#include <cstdint>
#include <numeric>

#include "libs/generation/model_config.h"
#include "libs/generation/vocabulary.h"
#include "libs/gguf/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto file = ragmesh::gguf::File::Parse(bytes, "fuzz", nullptr);
  if (!file.ok()) return 0;
  unsigned sum = 0;
  for (const auto& tensor : (*file)->tensors())
    sum = std::accumulate(tensor.data.begin(), tensor.data.end(), sum);
  for (const char* key : {"tokenizer.ggml.tokens", "general.name", "general.alignment", "a"}) {
    sum += (*file)->GetUint(key).value_or(0) + (*file)->GetFloat(key).has_value() +
           (*file)->GetBool(key).has_value();
    if (const auto strings = (*file)->GetStrings(key)) {
      for (const auto& one : *strings) sum = std::accumulate(one.begin(), one.end(), sum);
    }
    if (const auto ints = (*file)->GetInts(key)) sum += ints->size();
  }
  sum += ragmesh::generation::ReadModelConfig(**file).ok();
  sum += ragmesh::generation::ReadVocabulary(**file).ok();
  volatile unsigned sink = sum;
  (void)sink;
  return 0;
}
