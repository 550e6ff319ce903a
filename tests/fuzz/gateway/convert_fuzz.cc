// Any bytes as the requests of the gateway. The first byte chooses the message. What the gateway
// lets in goes on to a stage, which must not refuse it for its form: its caller was the one to
// tell.
#include "libs/wire/common_wire.h"
#include "libs/wire/filter_wire.h"
#include "libs/wire/generator_wire.h"
#include "libs/wire/search_wire.h"
#include "libs/wire/vector_store_wire.h"
#include "services/gateway/gateway_convert.h"
#include "tests/fuzz/wire/round_trip.h"

namespace ragmesh::services {
namespace {

namespace v1 = ::ragmesh::gateway::v1;
using wire::CheckRefusal;
using wire::Field;
using wire::OverTheWire;

// `value` as a Message, and what a stage makes of it.
template <typename Message, typename Value>
void StageTakes(const Value& value) {
  Message message;
  wire::ToProto(value, &message);
  const Field root;
  const auto taken = wire::FromProto(OverTheWire(message), root);
  RAGMESH_CHECK(taken.ok(), std::string(taken.status().message()).c_str());
  RAGMESH_CHECK(wire::Same(*taken, value), "a value survives the way to the stage");
}

template <typename Value, typename Message>
void StageTakesIfSet(const std::optional<Value>& value) {
  if (value.has_value()) StageTakes<Message>(*value);
}

// `then` gets what the gateway made of a Message.
template <typename Message, typename Then>
void Convert(absl::string_view bytes, Then then) {
  Message message;
  if (!wire::Parse(bytes, &message)) return;
  const auto value = FromProto(message);
  if (!value.ok()) return CheckRefusal(value.status());
  then(*value);
}

void DocumentIsTaken(const journal::IngestOptions& options, const std::string& id,
                     const std::string& name, const std::string& uri) {
  stages::StoredDocument document{.id = id.empty() ? "id" : id, .name = name, .uri = uri};
  document.metadata = options.metadata;
  document.acl_labels = options.acl_labels;
  document.updated = absl::UnixEpoch();
  StageTakes<wire::store::Document>(document);
}

void Try(std::uint8_t choice, absl::string_view bytes) {
  const auto fusion_and_weights = [](const auto& collection) {
    StageTakesIfSet<stages::Fusion, wire::common::Fusion>(collection.fusion);
    StageTakesIfSet<stages::RerankWeights, wire::common::RerankWeights>(collection.rerank);
  };
  switch (choice % 8) {
    case 0:
      return Convert<v1::CreateCollectionRequest>(bytes, fusion_and_weights);
    case 1:
      return Convert<v1::UpdateCollectionRequest>(
          bytes, [&](const pipeline::CollectionChange& change) {
            fusion_and_weights(change);
            StageTakesIfSet<stages::Bm25, wire::common::Bm25>(change.bm25);
          });
    case 2:
      return Convert<v1::CreateIngestJobRequest>(bytes, [](const pipeline::NewJob& job) {
        for (const auto& source : job.sources) {
          if (const auto* document = std::get_if<pipeline::InlineSource>(&source)) {
            DocumentIsTaken(job.options, document->document_id, document->name, document->uri);
          }
        }
      });
    case 3:
      return Convert<v1::UploadHeader>(bytes, [](const pipeline::InlineSource& source) {
        DocumentIsTaken({}, source.document_id, source.name, source.uri);
      });
    case 4:
      return Convert<v1::SearchRequest>(bytes, [](const pipeline::SearchRequest& request) {
        StageTakesIfSet<stages::Filter, wire::common::Filter>(request.filter);
        StageTakesIfSet<stages::Fusion, wire::common::Fusion>(request.fusion);
        StageTakesIfSet<stages::Bm25, wire::common::Bm25>(request.bm25);
        StageTakesIfSet<stages::Diversity, wire::common::Diversity>(request.diversity);
        StageTakes<wire::common::NeighbourWindow>(request.neighbours);
      });
    case 5:
      return Convert<v1::AskRequest>(bytes, [](const pipeline::AskRequest& request) {
        StageTakesIfSet<stages::Filter, wire::common::Filter>(request.filter);
      });
    case 6:
      return Convert<v1::ChatRequest>(bytes, [](const stages::GenerateRequest& request) {
        StageTakes<generator::v1::GenerateRequest>(request);
      });
    default: {
      v1::ListJobDocumentsRequest message;
      if (!wire::Parse(bytes, &message)) return;
      const auto state = FromProto(message.state());
      if (!state.ok()) CheckRefusal(state.status());
    }
  }
}

}  // namespace
}  // namespace ragmesh::services

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 0) ragmesh::services::Try(data[0], ragmesh::wire::View(data + 1, size - 1));
  return 0;
}
