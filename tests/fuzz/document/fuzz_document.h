// What the fuzz targets of the parsers share: parse, and hold every block to the rules.
#ifndef RAGMESH_TESTS_FUZZ_DOCUMENT_FUZZ_DOCUMENT_H_
#define RAGMESH_TESTS_FUZZ_DOCUMENT_FUZZ_DOCUMENT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "libs/base/check.h"
#include "libs/document/block_sequence.h"
#include "libs/document/parse_document.h"
#include "libs/text/utf8.h"

namespace ragmesh::document {

// `name` chooses the format among those that bytes cannot tell apart.
inline void FuzzDocument(const std::uint8_t* data, std::size_t size, const char* name) {
  static Sniffer* const sniffer = new Sniffer();
  ParseOptions options;
  options.name = name;
  options.limits.max_text_bytes = 1 << 20;
  options.limits.max_zip_bytes = 8 << 20;
  BlockSequence sequence;
  const auto info =
      ParseDocument(absl::string_view(reinterpret_cast<const char*>(data), size), options, *sniffer,
                    [&sequence](stages::Block block) {
                      RAGMESH_CHECK(sequence.Check(block).ok(), "a block breaks the rules");
                      RAGMESH_CHECK(text::IsValidUtf8(block.text), "a block is not UTF-8");
                      return absl::OkStatus();
                    });
  if (info.ok()) RAGMESH_CHECK(info->coverage.blocks > 0, "a document without text is an error");
}

}  // namespace ragmesh::document

#endif  // RAGMESH_TESTS_FUZZ_DOCUMENT_FUZZ_DOCUMENT_H_
