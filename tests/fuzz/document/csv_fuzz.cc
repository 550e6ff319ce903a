#include "tests/fuzz/document/fuzz_document.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ragmesh::document::FuzzDocument(data, size, "a.csv");
  return 0;
}
