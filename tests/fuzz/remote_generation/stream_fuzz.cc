// Bodies of model servers: event streams cut into pieces anywhere, error bodies, lists of models.
// However a body is cut, its text is the same.
#include <cstddef>
#include <cstdint>
#include <string>

#include "libs/base/check.h"
#include "libs/remote_generation/completion_stream.h"
#include "libs/remote_generation/server_error.h"
#include "libs/remote_generation/server_facts.h"

namespace {

using namespace ragmesh;  // NOLINT

// The text, and how it ended.
std::string Read(absl::string_view body, std::size_t piece_bytes) {
  remote_generation::CompletionStream stream;
  std::string text;
  absl::Status status;
  while (!body.empty() && status.ok()) {
    const absl::string_view piece = body.substr(0, piece_bytes);
    body.remove_prefix(piece.size());
    status = stream.Add(piece, [&text](const stages::TokenEvent& event) {
      text += event.text;
      return absl::OkStatus();
    });
  }
  if (status.ok()) status = stream.Finish().status();
  return text + "|" + std::string(status.message());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view body(reinterpret_cast<const char*>(data), size);
  const std::string whole = Read(body, body.size());
  for (const std::size_t piece_bytes : {1, 7}) {
    RAGMESH_CHECK(Read(body, piece_bytes) == whole, "a cut changed the text");
  }
  for (const int status : {400, 401, 429, 500}) {
    const absl::Status error =
        remote_generation::ServerError(status, body, std::nullopt, "key-file");
    RAGMESH_CHECK(!error.ok() && error.message().size() < 1000, "an error without bound");
  }
  (void)remote_generation::ReadModelList(body, "");
  (void)remote_generation::ReadModelList(body, "a");
  return 0;
}
