// Any answer in any format of calls. The first byte chooses the format; 0xFF is what control tokens
// stand behind.
#include <cstdint>
#include <string>
#include <vector>

#include "libs/base/check.h"
#include "tests/unit/generation/tool_calls_testing.h"

namespace ragmesh::generation {
namespace {

void Read(std::uint8_t choice, const std::string& answer) {
  const std::vector<ToolFormat> formats = {Hermes(),        Llama(),       MistralList(),
                                           MistralTagged(), Functionary(), MistralTaggedWithIds()};
  const ToolFormat& format = formats[choice % formats.size()];
  const ReadAnswer whole = ReadPieces(format, {answer});
  std::vector<std::string> bytes;
  for (const char c : answer) bytes.emplace_back(1, c);
  RAGMESH_CHECK(ReadPieces(format, bytes) == whole, "pieces do not change what is read");
  std::size_t size = whole.text.size();
  for (const ReadCall& call : whole.calls) {
    RAGMESH_CHECK(call.name == "get_weather" || call.name == "get_time", "calls are of tools");
    RAGMESH_CHECK(call.arguments.empty() || call.arguments[0] == '{', "arguments are an object");
    size += call.arguments == "{}" ? 0 : call.arguments.size();
  }
  RAGMESH_CHECK(size <= answer.size(), "nothing is made up");
}

}  // namespace
}  // namespace ragmesh::generation

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  ragmesh::generation::Read(data[0],
                            std::string(reinterpret_cast<const char*>(data + 1), size - 1));
  return 0;
}
