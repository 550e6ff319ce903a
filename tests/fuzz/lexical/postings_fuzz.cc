// Bytes as they could come from a damaged or hostile postings image. An input that begins with 'P'
// is a list of changes to a good image (offset u24, byte), which gets deep into it; any other input
// is the image. Whatever opens is searched, scored, read through, checked and merged: each may give
// an error, and none may read outside, which the heap block of exactly the image's size would show.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/base/check.h"
#include "libs/lexical/index_search.h"
#include "libs/lexical/postings_writer.h"
#include "tests/unit/lexical/random_index.h"

namespace ragmesh::lexical {
namespace {

// Lists of one posting, of one block, of several, and with codes.
const std::string& GoodImage() {
  static const std::string* const image = [] {
    constexpr std::uint32_t kChunks = 280;
    RandomChunks chunks(3, 12);
    InvertedIndex index;
    for (std::uint32_t slot = 0; slot < kChunks; ++slot) AddChunk(&index, slot, chunks.Chunk());
    std::vector<std::uint32_t> same(kChunks);
    std::iota(same.begin(), same.end(), 0u);
    const PostingsSource source{nullptr, &index, same};
    return new std::string(*WritePostings({&source, 1}, {.slots = kChunks}));
  }();
  return *image;
}

std::string ImageOf(absl::string_view input) {
  if (input.empty() || input[0] != 'P') return std::string(input);
  std::string image = GoodImage();
  input.remove_prefix(1);
  for (; input.size() >= 4; input.remove_prefix(4)) {
    const std::size_t offset = LoadLittle<std::uint16_t>(input.data()) |
                               std::size_t{static_cast<unsigned char>(input[2])} << 16;
    image[offset % image.size()] = input[3];
  }
  return image;
}

void Use(const PostingsImage& image) {
  (void)image.Check();
  const std::vector<std::uint64_t> all(image.slot_count() / 64 + 1, ~std::uint64_t{0});
  const SearchPart part{&image, 0, all, nullptr};
  std::vector<std::uint32_t> slots(image.slot_count());
  std::iota(slots.begin(), slots.end(), 0u);
  Query query;
  query.clauses.push_back({Clause::Role::kOptional, {{"t1", 0}, {"t2", 1}, {"t9", 2}}, ""});
  query.clauses.push_back({Clause::Role::kOptional, {}, "t1"});
  for (const Bm25& bm25 : {Bm25(), Bm25{0.5, 1, {2, 0, 1}}}) {
    const auto found = SearchIndex({&part, 1}, query, bm25, 10,
                                   [](std::uint32_t a, std::uint32_t b) { return a < b; });
    if (found.ok()) {
      for (const ScoredSlot& hit : found->best)
        RAGMESH_CHECK(hit.slot < image.slot_count(), "a slot of the image");
    }
    (void)ScoreIndex({&part, 1}, query, bm25, slots);
  }
  query.clauses = {{Clause::Role::kRequired, {{"t1", 0}, {"t2", 1}}, ""}};
  (void)SearchIndex({&part, 1}, query, {}, 10,
                    [](std::uint32_t a, std::uint32_t b) { return a < b; });
  std::reverse(slots.begin(), slots.end());
  const PostingsSource source{&image, nullptr, slots};
  (void)WritePostings({&source, 1}, {image.slot_count(), image.has_positions()});
}

}  // namespace
}  // namespace ragmesh::lexical

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ragmesh::lexical;  // NOLINT
  const std::string bytes = ImageOf({reinterpret_cast<const char*>(data), size});
  const std::unique_ptr<char[]> exact(new char[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  const auto tables = ragmesh::linalg::SupportedPostingsKernels();
  const auto image =
      PostingsImage::Open({exact.get(), bytes.size()}, *tables[size % tables.size()]);
  if (image.ok()) Use(*image);
  return 0;
}
