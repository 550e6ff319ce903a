// Parses a document in this process and keeps its blocks.
#ifndef RAGMESH_TESTS_UNIT_DOCUMENT_PARSE_FIXTURE_H_
#define RAGMESH_TESTS_UNIT_DOCUMENT_PARSE_FIXTURE_H_

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "libs/document/block_sequence.h"
#include "libs/document/parse_document.h"

namespace ragmesh::document {

struct Parsed {
  absl::StatusOr<stages::DocumentInfo> info = absl::UnknownError("not parsed");
  std::vector<stages::Block> blocks;
  std::string text;
};

inline Parsed ParseBytes(const std::string& bytes, const std::string& name = "",
                         const ParseLimits& limits = {}) {
  static Sniffer* sniffer = new Sniffer();
  Parsed parsed;
  BlockSequence sequence;
  parsed.info =
      ParseDocument(bytes, {.limits = limits, .name = name}, *sniffer, [&](stages::Block block) {
        const absl::Status valid = sequence.Check(block);
        EXPECT_TRUE(valid.ok()) << valid;
        parsed.blocks.push_back(std::move(block));
        return absl::OkStatus();
      });
  parsed.text = NormalisedText(parsed.blocks);
  for (const stages::Block& block : parsed.blocks) {
    EXPECT_EQ(parsed.text.substr(block.range.begin, block.range.size()), block.text);
  }
  return parsed;
}

}  // namespace ragmesh::document

#endif  // RAGMESH_TESTS_UNIT_DOCUMENT_PARSE_FIXTURE_H_
