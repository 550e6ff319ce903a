// Writes images: of a mutable index, and of any number of images and indexes merged.
#ifndef RAGMESH_LIBS_LEXICAL_POSTINGS_WRITER_H_
#define RAGMESH_LIBS_LEXICAL_POSTINGS_WRITER_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/lexical/inverted_index.h"
#include "libs/lexical/postings_image.h"

namespace ragmesh::lexical {

// Either an image or an index, borrowed. `new_slots` has the new slot of each of its slots, or
// InvertedIndex::kDropped; slots beyond its end are dropped.
struct PostingsSource {
  const PostingsImage* image = nullptr;
  const InvertedIndex* index = nullptr;
  absl::Span<const std::uint32_t> new_slots;
};

struct PostingsLayout {
  std::uint32_t slots = 0;  // of the image that is written, at most kMaxSlots
  bool positions = true;    // without them an image answers no phrases
};

// Takes the next bytes of an image. An error ends the writing and is returned.
using ByteSink = absl::FunctionRef<absl::Status(absl::string_view bytes)>;

// Writes one image out of all sources, from its first byte to its last. New slots may come in any
// order, each at most once; a slot that none maps to is empty. The bytes depend on the content
// alone, not on how it is spread over sources. Terms are merged one after the other, twice where
// positions are written: memory is the dictionary, 8 bytes a slot, and the longest list with its
// positions. INVALID_ARGUMENT where the mapping is none or positions are wanted that a source does
// not have; DATA_LOSS where an image turns out to follow no layout.
absl::Status WritePostings(absl::Span<const PostingsSource> sources, const PostingsLayout& layout,
                           ByteSink sink);

// The same into memory.
absl::StatusOr<std::string> WritePostings(absl::Span<const PostingsSource> sources,
                                          const PostingsLayout& layout);

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_POSTINGS_WRITER_H_
