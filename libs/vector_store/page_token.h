// Where a listing goes on. Opaque to callers; what they send back is checked like any other input.
#ifndef RAGMESH_LIBS_VECTOR_STORE_PAGE_TOKEN_H_
#define RAGMESH_LIBS_VECTOR_STORE_PAGE_TOKEN_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ragmesh::vector_store {

enum class Listing : std::uint8_t { kDocuments = 1, kChunks = 2 };

// The last item given out.
struct PageToken {
  Listing listing = Listing::kDocuments;
  std::uint32_t collection = 0;
  std::string document_id;
  std::uint32_t ordinal = 0;  // kChunks
  std::string chunk_id;       // kChunks
};

std::string EncodePageToken(const PageToken& token);

// INVALID_ARGUMENT on anything that EncodePageToken did not make for this listing of this
// collection.
absl::StatusOr<PageToken> DecodePageToken(Listing listing, std::uint32_t collection,
                                          absl::string_view text);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_PAGE_TOKEN_H_
