// Bytes as they could come from a damaged disk or a hostile page token. The first byte chooses the
// decoder. To get past the checksum, each input is also tried as a payload that is sealed first.
// What decodes must encode to the same bytes again, or the layout would be ambiguous.
#include <cstdint>
#include <iterator>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "libs/base/check.h"
#include "libs/vector_store/aliases.h"
#include "libs/vector_store/binary_codec.h"
#include "libs/vector_store/page_token.h"
#include "libs/vector_store/records.h"

namespace ragmesh::vector_store {
namespace {

constexpr RecordKind kKinds[] = {
    RecordKind::kCollection, RecordKind::kState,  RecordKind::kDocument, RecordKind::kChunk,
    RecordKind::kIndexEntry, RecordKind::kVector, RecordKind::kCounter,  RecordKind::kPageToken,
    RecordKind::kTokens,     RecordKind::kReplay, RecordKind::kAlias};
constexpr std::size_t kChoices = std::size(kKinds);

template <typename Decode, typename Encode>
void RoundTrip(absl::string_view value, Decode decode, Encode encode) {
  const auto decoded = decode(value);
  if (!decoded.ok()) return;
  const std::string encoded = encode(*decoded);
  const auto again = decode(encoded);
  RAGMESH_CHECK(again.ok() && encode(*again) == encoded,
                "what decodes can be encoded and decoded again");
}

void Try(std::uint8_t choice, absl::string_view value) {
  switch (choice % kChoices) {
    case 0:
      RoundTrip(value, DecodeCollection, [](const CollectionRecord& r) { return Encode(r); });
      break;
    case 1:
      RoundTrip(value, DecodeState, [](const CollectionState& r) { return Encode(r); });
      break;
    case 2:
      RoundTrip(value, DecodeDocument, [](const DocumentRecord& r) { return Encode(r); });
      break;
    case 3:
      RoundTrip(value, DecodeChunk, [](const ChunkRecord& r) { return Encode(r); });
      break;
    case 4:
      // The first version has no positions, which later ones are not written without.
      if (value.size() > 1 && VersionOf(value) == 1) {
        (void)DecodeIndexEntry(value);
      } else {
        RoundTrip(value, DecodeIndexEntry, [](const IndexEntry& r) { return Encode(r); });
      }
      break;
    case 5:
      RoundTrip(value, DecodeVector, [](const std::vector<float>& r) { return EncodeVector(r); });
      break;
    case 6:
      RoundTrip(value, DecodeCounter, [](std::uint64_t r) { return EncodeCounter(r); });
      break;
    case 8:
      RoundTrip(value, DecodeTokens, [](const stages::PassageTokens& r) { return Encode(r); });
      break;
    case 9:
      RoundTrip(value, DecodeReplay, [](const ReplayRecord& r) { return Encode(r); });
      break;
    case 10:
      RoundTrip(value, DecodeAlias, [](const AliasRecord& r) { return Encode(r); });
      (void)ParseAliasKey(value);
      break;
    default:
      for (const Listing listing : {Listing::kDocuments, Listing::kChunks}) {
        (void)DecodePageToken(listing, 1, value);
        (void)DecodePageToken(listing, 1, absl::WebSafeBase64Escape(value));
      }
  }
}

}  // namespace
}  // namespace ragmesh::vector_store

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ragmesh::vector_store;  // NOLINT: one function
  if (size == 0) return 0;
  const absl::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  Try(data[0], input);
  for (const std::uint8_t version : {1, 2})
    Try(data[0], Seal(kKinds[data[0] % kChoices], version, input));
  return 0;
}
