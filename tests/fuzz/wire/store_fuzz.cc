// Any bytes as the unary requests of the vector store and as what it answers. The first byte
// chooses the message.
#include "libs/wire/common_wire.h"
#include "libs/wire/vector_store_wire.h"
#include "tests/fuzz/wire/round_trip.h"

namespace ragmesh::wire {
namespace {

template <typename Message>
void RoundTripAt(absl::string_view bytes, const char* name) {
  const Field root, field(root, name);
  RoundTrip<Message>(
      bytes, [&](const Message& message) { return FromProto(message, field); },
      [](const auto& value, Message* out) { ToProto(value, out); });
}

void Listing(absl::string_view bytes) {
  store::ListChunksRequest message;
  if (!Parse(bytes, &message)) return;
  const Field root;
  const auto page = PageFrom(message.page_size(), message.page_token(), root);
  if (!page.ok()) return CheckRefusal(page.status());
  RAGMESH_CHECK(page->size >= 1 && page->size <= 1000, "a page has a size");
  const auto id =
      FromProto(message.has_collection(), message.collection(), Field(root, "collection"));
  if (!id.ok()) return CheckRefusal(id.status());
  store::CollectionRef written;
  ToProto(*id, &written);
  const auto again = FromProto(true, OverTheWire(written), root);
  RAGMESH_CHECK(again.ok() && *again == *id, "a collection's name survives the wire");
}

void Ids(absl::string_view bytes) {
  store::GetChunksRequest message;
  if (!Parse(bytes, &message)) return;
  const Field root;
  constexpr std::size_t kMax = 8;
  for (const absl::Status& status :
       {CheckIds(message.chunk_ids(), kMax, Field(root, "chunk_ids")),
        CheckLabels(message.principal_labels(), kMax, Field(root, "principal_labels"))}) {
    if (!status.ok()) CheckRefusal(status);
  }
}

void Try(std::uint8_t choice, absl::string_view bytes) {
  switch (choice % 10) {
    case 0:
      return RoundTripAt<store::CollectionConfig>(bytes, "config");
    case 1:
      return RoundTripAt<store::Collection>(bytes, "collection");
    case 2:
      return RoundTripAt<store::SearchRequest>(bytes, "");
    case 3:
      return RoundTripAt<store::DeleteRequest>(bytes, "");
    case 4:
      return RoundTripAt<store::SearchHit>(bytes, "hits");
    case 5:
      return RoundTripAt<store::Document>(bytes, "document");
    case 6:
      return RoundTripAt<store::StoredChunk>(bytes, "chunks");
    case 7:
      return Listing(bytes);
    case 9:
      return RoundTripAt<store::SearchResponse>(bytes, "");
    default:
      return Ids(bytes);
  }
}

}  // namespace
}  // namespace ragmesh::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0) ragmesh::wire::Try(data[0], ragmesh::wire::View(data + 1, size - 1));
  return 0;
}
