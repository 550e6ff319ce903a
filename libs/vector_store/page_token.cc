#include "libs/vector_store/page_token.h"

#include "absl/strings/escaping.h"
#include "libs/base/error.h"
#include "libs/vector_store/binary_codec.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMaxTokenBytes = 2048;  // two ids of 512 bytes and some numbers, in base 64

absl::Status BadToken() {
  return InvalidField("page.token", "is not a token of this listing",
                      "Send back next_token unchanged, or leave it empty to start over.");
}

}  // namespace

std::string EncodePageToken(const PageToken& token) {
  BinaryWriter out;
  out.U8(static_cast<std::uint8_t>(token.listing));
  out.U32(token.collection);
  out.Bytes(token.document_id);
  out.U32(token.ordinal);
  out.Bytes(token.chunk_id);
  return absl::WebSafeBase64Escape(Seal(RecordKind::kPageToken, kVersion, out.bytes()));
}

absl::StatusOr<PageToken> DecodePageToken(Listing listing, std::uint32_t collection,
                                          absl::string_view text) {
  std::string bytes;
  if (text.size() > kMaxTokenBytes || !absl::WebSafeBase64Unescape(text, &bytes)) return BadToken();
  const auto payload = Unseal(RecordKind::kPageToken, kVersion, bytes);
  if (!payload.ok()) return BadToken();
  BinaryReader in(*payload);
  PageToken token;
  token.listing = static_cast<Listing>(in.U8());
  token.collection = in.U32();
  token.document_id = in.String();
  token.ordinal = in.U32();
  token.chunk_id = in.String();
  if (in.failed() || !in.at_end() || token.listing != listing || token.collection != collection)
    return BadToken();
  return token;
}

}  // namespace ragmesh::vector_store
