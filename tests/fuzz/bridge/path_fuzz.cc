// First line a template, the rest a path: neither crashes the parser or the match.
#include <cstddef>
#include <cstdint>

#include "libs/base/check.h"
#include "libs/bridge/path_template.h"
#include "libs/text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  const auto parsed = ragmesh::bridge::PathTemplate::Parse(input.substr(0, line));
  if (!parsed.ok()) return 0;
  RAGMESH_CHECK(*parsed == *parsed, "a template equals itself");
  parsed->OpenApiPath();
  const auto bindings =
      parsed->Match(line == absl::string_view::npos ? input : input.substr(line + 1));
  if (!bindings.has_value()) return 0;
  for (const auto& [field, text] : *bindings) {
    RAGMESH_CHECK(ragmesh::text::IsValidUtf8(text), "bindings are UTF-8");
  }
  return 0;
}
