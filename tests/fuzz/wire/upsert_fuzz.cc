// Any bytes as the message stream of upserts, several of them on one call.
#include "libs/wire/vector_store_wire.h"
#include "tests/fuzz/wire/round_trip.h"

namespace ragmesh::wire {
namespace {

void SurvivesTheWire(const UpsertReader::Complete& upsert) {
  UpsertReader reader;
  bool complete = false;
  const absl::Status sent = ToProto(upsert.collection, upsert.embedder_digest, upsert.upsert,
                                    [&](const store::UpsertRequest& message) {
                                      RAGMESH_CHECK(!complete, "nothing follows the commit");
                                      const auto added = reader.Add(OverTheWire(message));
                                      complete = added.ok() && *added;
                                      return added.status();
                                    });
  RAGMESH_CHECK(sent.ok(), std::string(sent.message()).c_str());
  RAGMESH_CHECK(complete, "the last message commits");
  RAGMESH_CHECK(Same(reader.Take(), upsert), "an upsert survives the wire");
}

}  // namespace
}  // namespace ragmesh::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ragmesh::wire;  // NOLINT: one function
  UpsertReader reader;
  for (const store::UpsertRequest& message : ParseStream<store::UpsertRequest>(View(data, size))) {
    const auto complete = reader.Add(message);
    if (!complete.ok()) {  // ends the call
      CheckRefusal(complete.status());
      return 0;
    }
    RAGMESH_CHECK(reader.incomplete(), "an upsert lasts until it is taken");
    if (!*complete) continue;
    SurvivesTheWire(reader.Take());
    RAGMESH_CHECK(!reader.incomplete(), "the next message begins an upsert");
  }
  return 0;
}
