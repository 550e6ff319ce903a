// Any bytes as a form: the parser never reads outside, and what it finds does not depend on how the
// bytes arrive.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/bridge/multipart.h"

namespace {

using ragmesh::bridge::MultipartParser;
using ragmesh::bridge::PartEvent;

std::string Read(absl::string_view form, std::size_t step) {
  MultipartParser parser("b");
  std::string log;
  for (std::size_t at = 0; at < form.size(); at += step) {
    const absl::Status status = parser.Feed(form.substr(at, step), [&log](const PartEvent& event) {
      if (event.kind == PartEvent::Kind::kBegin) absl::StrAppend(&log, "<", event.header.name, ">");
      if (event.kind == PartEvent::Kind::kData) absl::StrAppend(&log, event.data);
      return absl::OkStatus();
    });
    if (!status.ok()) return "refused";
  }
  return parser.Finish().ok() ? log : "refused";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view form(reinterpret_cast<const char*>(data), size);
  RAGMESH_CHECK(Read(form, 1) == Read(form, 7), "pieces must not matter");
  ragmesh::bridge::BoundaryOf(form).status().IgnoreError();
  ragmesh::bridge::ParseDisposition(form);
  return 0;
}
