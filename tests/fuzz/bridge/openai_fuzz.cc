// Any body as a chat completion and as an embeddings request.
#include <cstddef>
#include <cstdint>

#include "libs/bridge/openai_request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view body(reinterpret_cast<const char*>(data), size);
  ragmesh::bridge::ParseChatCompletion(body).status().IgnoreError();
  ragmesh::bridge::ParseEmbeddings(body).status().IgnoreError();
  return 0;
}
