// Any query string against a request with nested, repeated and well-known fields.
#include <cstddef>
#include <cstdint>

#include "libs/bridge/transcode.h"
#include "libs/http/message.h"
#include "ragmesh/gateway/v1/gateway.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parameters =
      ragmesh::http::ParseQuery({reinterpret_cast<const char*>(data), size}, 200);
  if (!parameters.has_value()) return 0;
  ragmesh::gateway::v1::Job job;
  ragmesh::gateway::v1::CreateIngestJobRequest request;
  for (const auto& parameter : *parameters) {
    ragmesh::bridge::SetFieldFromText(parameter.name, parameter.value, &job).IgnoreError();
    ragmesh::bridge::SetFieldFromText(parameter.name, parameter.value, &request).IgnoreError();
  }
  return 0;
}
