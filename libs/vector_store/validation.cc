#include "libs/vector_store/validation.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/text/utf8.h"
#include "libs/vector_store/filter.h"
#include "libs/vector_store/limits.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::int64_t kFirstSecond = -62'135'596'800, kLastSecond = 253'402'300'799;

// The name of a chunk's field, made when it is needed: most chunks are good.
struct ChunkField {
  std::size_t index;
  absl::string_view name;
  std::string Name() const { return absl::StrCat("chunks[", index, "].", name); }
};

absl::Status CheckText(absl::string_view field, absl::string_view text, std::size_t limit) {
  if (text.size() > limit) {
    return LimitExceeded(field, static_cast<long long>(text.size()), static_cast<long long>(limit),
                         "bytes");
  }
  return text::IsValidUtf8(text) ? absl::OkStatus() : InvalidField(field, "is not valid UTF-8");
}

// Of its length. Several sums, so that no addition waits for the one before.
template <typename Number>
Number SquareOf(absl::Span<const float> vector) {
  constexpr std::size_t kSums = 16;
  Number sums[kSums] = {};
  std::size_t i = 0;
  for (; i + kSums <= vector.size(); i += kSums) {
    for (std::size_t k = 0; k < kSums; ++k)
      sums[k] += static_cast<Number>(vector[i + k]) * vector[i + k];
  }
  for (; i < vector.size(); ++i) sums[0] += static_cast<Number>(vector[i]) * vector[i];
  return std::accumulate(sums, sums + kSums, Number{0});
}

absl::Status CheckCount(absl::string_view field, std::size_t count, std::size_t limit,
                        absl::string_view unit) {
  if (count <= limit) return absl::OkStatus();
  return LimitExceeded(field, static_cast<long long>(count), static_cast<long long>(limit), unit);
}

absl::Status CheckText(const ChunkField& field, absl::string_view text, std::size_t limit) {
  if (text.size() <= limit && text::IsValidUtf8(text)) return absl::OkStatus();
  return CheckText(field.Name(), text, limit);
}

absl::Status CheckItemId(absl::string_view field, absl::string_view id) {
  if (id.empty()) return InvalidField(field, "must not be empty");
  return CheckText(field, id, kMaxIdBytes);
}

absl::Status CheckItemId(const ChunkField& field, absl::string_view id) {
  if (!id.empty() && id.size() <= kMaxIdBytes && text::IsValidUtf8(id)) return absl::OkStatus();
  return CheckItemId(field.Name(), id);
}

bool IsName(absl::string_view text, bool underscore) {
  return !text.empty() && text.size() <= 63 &&
         std::all_of(text.begin(), text.end(), [underscore](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
                  (underscore && c == '_');
         });
}

absl::Status CheckWeight(absl::string_view field, double value, double low, double high) {
  if (value >= low && value <= high) return absl::OkStatus();  // false for NaN
  return InvalidField(field, absl::StrCat("must be from ", low, " to ", high));
}

absl::Status CheckFieldWeights(const stages::FieldWeights& weights) {
  for (const double weight : weights)
    RAGMESH_RETURN_IF_ERROR(CheckWeight("lexical_weights", weight, 0, 100));
  if (weights == stages::FieldWeights{0, 0, 0})
    return InvalidField("lexical_weights", "must have at least one weight above 0");
  return absl::OkStatus();
}

absl::Status CheckMetadata(const stages::Metadata& metadata) {
  RAGMESH_RETURN_IF_ERROR(
      CheckCount("document.metadata", metadata.size(), kMaxMetadataFields, "fields"));
  std::size_t bytes = 0;
  for (const auto& [key, value] : metadata) {
    const std::string field = absl::StrCat("document.metadata[\"", key.substr(0, 64), "\"]");
    if (key.empty()) return InvalidField("document.metadata", "has a field without a name");
    RAGMESH_RETURN_IF_ERROR(CheckText("document.metadata", key, kMaxMetadataBytes));
    if (IsReservedField(key)) {
      return InvalidField(field, "is a reserved name",
                          "Filters read these from the document itself.");
    }
    bytes += key.size() + sizeof(double);
    if (const auto* text = std::get_if<std::string>(&value)) {
      RAGMESH_RETURN_IF_ERROR(CheckText(field, *text, kMaxMetadataBytes));
      bytes += text->size();
    } else if (const auto* list = std::get_if<std::vector<std::string>>(&value)) {
      for (const std::string& text : *list) {
        RAGMESH_RETURN_IF_ERROR(CheckText(field, text, kMaxMetadataBytes));
        bytes += text.size() + sizeof(double);
      }
    } else if (const auto* number = std::get_if<double>(&value)) {
      if (!std::isfinite(*number)) return InvalidField(field, "must be a finite number");
    } else if (const auto* time = std::get_if<absl::Time>(&value)) {
      if (*time == absl::InfiniteFuture() || *time == absl::InfinitePast()) {
        return InvalidField(field, "must be a finite time");
      }
    }
  }
  return CheckCount("document.metadata", bytes, kMaxMetadataBytes, "bytes");
}

absl::Status CheckInfo(const stages::DocumentInfo& info) {
  RAGMESH_RETURN_IF_ERROR(CheckText("document.info.title", info.title, kMaxNameBytes));
  for (const std::string* text :
       {&info.sha256, &info.media_type, &info.language, &info.parser, &info.normalisation}) {
    RAGMESH_RETURN_IF_ERROR(CheckText("document.info", *text, kMaxIdBytes));
  }
  RAGMESH_RETURN_IF_ERROR(
      CheckCount("document.info.properties", info.properties.size(), kMaxProperties, "properties"));
  std::size_t bytes = 0;
  for (const auto& [key, value] : info.properties) bytes += key.size() + value.size();
  for (const std::string& warning : info.coverage.warnings) bytes += warning.size();
  RAGMESH_RETURN_IF_ERROR(CheckCount("document.info", bytes, kMaxChunkBytes, "bytes"));
  RAGMESH_RETURN_IF_ERROR(CheckCount("document.info.coverage.empty_pages",
                                     info.coverage.empty_pages.size(), kMaxWarnings, "entries"));
  return CheckCount("document.info.coverage.warnings", info.coverage.warnings.size(), kMaxWarnings,
                    "entries");
}

absl::Status CheckDocument(const stages::StoredDocument& document) {
  RAGMESH_RETURN_IF_ERROR(CheckItemId("document.id", document.id));
  RAGMESH_RETURN_IF_ERROR(CheckText("document.name", document.name, kMaxNameBytes));
  RAGMESH_RETURN_IF_ERROR(CheckText("document.uri", document.uri, kMaxNameBytes));
  RAGMESH_RETURN_IF_ERROR(CheckText("document.text", document.text, kMaxTextBytes));
  RAGMESH_RETURN_IF_ERROR(CheckInfo(document.info));
  if (document.expires.has_value() && (*document.expires < absl::FromUnixSeconds(kFirstSecond) ||
                                       *document.expires > absl::FromUnixSeconds(kLastSecond)))
    return InvalidField("document.expires_at", "must be in the years 1 to 9999");
  RAGMESH_RETURN_IF_ERROR(CheckMetadata(document.metadata));
  RAGMESH_RETURN_IF_ERROR(
      CheckCount("document.acl_labels", document.acl_labels.size(), kMaxLabels, "labels"));
  for (const std::string& label : document.acl_labels) {
    if (label.empty() || label == stages::kAllLabels) {
      return InvalidField("document.acl_labels", "must hold neither an empty label nor \"*\"",
                          "Name the labels of those who may see the document.");
    }
    RAGMESH_RETURN_IF_ERROR(CheckText("document.acl_labels", label, kMaxLabelBytes));
  }
  return absl::OkStatus();
}

absl::Status CheckTokens(std::size_t index, const stages::PassageTokens& tokens) {
  if (tokens.empty()) return absl::OkStatus();
  const std::string field = absl::StrCat("chunks[", index, "]");
  RAGMESH_RETURN_IF_ERROR(
      CheckText(absl::StrCat(field, ".tokens.tokenizer"), tokens.tokenizer, kMaxIdBytes));
  RAGMESH_RETURN_IF_ERROR(
      CheckText(absl::StrCat(field, ".tokens.encoder"), tokens.encoder, kMaxIdBytes));
  RAGMESH_RETURN_IF_ERROR(CheckCount(absl::StrCat(field, ".tokens.ids"), tokens.ids.size(),
                                     stages::kMaxPassageIds, "ids"));
  return CheckCount(absl::StrCat(field, ".tokens.vectors"), tokens.vectors.size(),
                    stages::kMaxPassageVectorBytes, "bytes");
}

// Within 0.001 of 1; false for NaN and infinity.
bool IsUnit(absl::Span<const float> vector) {
  return std::abs(SquareOf<float>(vector) - 1) <= 2e-3f;
}

}  // namespace

absl::Status ValidateTenant(absl::string_view tenant) {
  return IsName(tenant, false)
             ? absl::OkStatus()
             : InvalidField("collection.tenant", "must be 1 to 63 of a-z, 0-9 and -");
}

absl::Status ValidateId(const stages::CollectionId& id) {
  RAGMESH_RETURN_IF_ERROR(ValidateTenant(id.tenant));
  return IsName(id.name, true)
             ? absl::OkStatus()
             : InvalidField("collection.name", "must be 1 to 63 of a-z, 0-9, _ and -");
}

absl::Status ValidateFusion(const stages::Fusion& fusion) {
  if (fusion.method != stages::FusionMethod::kZScore &&
      fusion.method != stages::FusionMethod::kReciprocalRank) {
    return InvalidField("fusion.method", "is unknown");
  }
  RAGMESH_RETURN_IF_ERROR(CheckWeight("fusion.dense_weight", fusion.dense_weight, 0, 1));
  RAGMESH_RETURN_IF_ERROR(CheckWeight("fusion.rank_constant", fusion.rank_constant, 0, 1e6));
  if (fusion.candidates < 1 || fusion.candidates > kMaxTopK) {
    return InvalidField("fusion.candidates", absl::StrCat("must be from 1 to ", kMaxTopK));
  }
  return absl::OkStatus();
}

absl::Status ValidateConfig(const stages::CollectionConfig& config) {
  RAGMESH_RETURN_IF_ERROR(ValidateId(config.id));
  RAGMESH_RETURN_IF_ERROR(CheckText("description", config.description, kMaxNameBytes));
  RAGMESH_RETURN_IF_ERROR(CheckText("embedder_model", config.embedder_model, kMaxIdBytes));
  RAGMESH_RETURN_IF_ERROR(CheckText("embedder_digest", config.embedder_digest, kMaxIdBytes));
  if (config.dimension > kMaxDimension) {
    return InvalidField("dimension", absl::StrCat("must be at most ", kMaxDimension));
  }
  if (config.embedder_digest.empty() != (config.dimension == 0)) {
    return InvalidField(
        "dimension", "must be set exactly when embedder_digest is",
        "Take both from the embedder's Info, or leave both out for a lexical-only collection.");
  }
  const bool tag =
      config.language.size() <= 8 && std::all_of(config.language.begin(), config.language.end(),
                                                 [](char c) { return c >= 'a' && c <= 'z'; });
  if (!tag) {
    return InvalidField("language", "must be a BCP 47 primary tag in lower case",
                        "Write \"en\", not \"en-GB\"; leave it empty for no stemming.");
  }
  RAGMESH_RETURN_IF_ERROR(ValidateFusion(config.fusion));
  RAGMESH_RETURN_IF_ERROR(CheckWeight("rerank.lexical", config.rerank.lexical, 0, 1e6));
  RAGMESH_RETURN_IF_ERROR(CheckWeight("rerank.dense", config.rerank.dense, 0, 1e6));
  RAGMESH_RETURN_IF_ERROR(CheckWeight("rerank.model", config.rerank.model, 0, 1e6));
  if (config.rerank.lexical + config.rerank.dense + config.rerank.model <= 0) {
    return InvalidField("rerank", "must have at least one weight above 0");
  }
  RAGMESH_RETURN_IF_ERROR(CheckWeight("bm25_k1", config.bm25_k1, 0, 100));
  RAGMESH_RETURN_IF_ERROR(CheckWeight("bm25_b", config.bm25_b, 0, 1));
  RAGMESH_RETURN_IF_ERROR(CheckWeight("dense_recall", config.dense_recall, 0.8, 1));
  if (config.retention < absl::ZeroDuration() ||
      config.retention > absl::Seconds(static_cast<std::int64_t>(kMaxRetentionSeconds)) ||
      config.retention != absl::Trunc(config.retention, absl::Seconds(1))) {
    return InvalidField("retention", "must be whole seconds, at most 100 years",
                        "Give 0 to keep documents for ever.");
  }
  return CheckFieldWeights(config.lexical_weights);
}

absl::Status ValidateUpdate(const stages::CollectionConfig& old,
                            const stages::CollectionConfig& config) {
  const char* changed = config.embedder_digest != old.embedder_digest ? "embedder_digest"
                        : config.dimension != old.dimension           ? "dimension"
                        : config.language != old.language             ? "language"
                                                                      : nullptr;
  if (changed == nullptr) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat(changed, " of a collection never changes"),
                   {.reason = "IMMUTABLE_SETTING",
                    .field = changed,
                    .next_step = "Ingest into a new collection with the new setting."});
}

absl::Status ValidateEmbedder(const stages::CollectionConfig& config, absl::string_view digest) {
  if (digest == config.embedder_digest) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      absl::StrCat("collection \"", config.id.name, "\" holds vectors of another embedder"),
      {.reason = "EMBEDDER_MISMATCH",
       .field = "embedder_digest",
       .next_step = "Embed with the collection's model, or ingest into a new collection.",
       .metadata = {{"collection_digest", config.embedder_digest},
                    {"request_digest", std::string(digest.substr(0, kMaxIdBytes))}}});
}

absl::Status ValidateVector(const stages::CollectionConfig& config, absl::string_view field,
                            absl::Span<const float> vector) {
  if (vector.size() != config.dimension) {
    return MakeError(absl::StatusCode::kInvalidArgument,
                     absl::StrCat(field, " has ", vector.size(),
                                  " values, the collection's dimension is ", config.dimension),
                     {.reason = "DIMENSION_MISMATCH",
                      .field = std::string(field),
                      .next_step = "Embed with the collection's model."});
  }
  if (IsUnit(vector)) return absl::OkStatus();
  const auto square = SquareOf<double>(vector);  // which no float is too large for
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat(field, std::isfinite(square) ? " is not of unit length"
                                                             : " holds NaN or infinity"),
                   {.reason = "INVALID_VECTOR",
                    .field = std::string(field),
                    .next_step = "Normalise vectors to length 1 before storing or searching."});
}

absl::Status ValidateChunk(const stages::CollectionConfig& config, std::size_t index,
                           const stages::StoredChunk& stored) {
  const stages::Chunk& chunk = stored.chunk;
  const ChunkField range{index, "range"}, headings{index, "heading_path"}, vector{index, "vector"};
  RAGMESH_RETURN_IF_ERROR(CheckItemId(ChunkField{index, "id"}, stored.id));
  RAGMESH_RETURN_IF_ERROR(CheckText(ChunkField{index, "text"}, chunk.text, kMaxChunkBytes));
  RAGMESH_RETURN_IF_ERROR(CheckText(ChunkField{index, "context"}, chunk.context, kMaxChunkBytes));
  std::size_t heading_bytes = 0;
  for (const std::string& heading : chunk.heading_path) {
    RAGMESH_RETURN_IF_ERROR(CheckText(headings, heading, kMaxChunkBytes));
    heading_bytes += heading.size() + 1;
  }
  if (heading_bytes > kMaxChunkBytes)
    return CheckCount(headings.Name(), heading_bytes, kMaxChunkBytes, "bytes");
  RAGMESH_RETURN_IF_ERROR(CheckTokens(index, stored.tokens));
  if (chunk.overlap_begin > chunk.range.begin || chunk.range.begin > chunk.range.end)
    return InvalidField(range.Name(), "must have overlap_begin <= begin <= end");
  if (config.dimension == 0) {
    if (stored.vector.empty()) return absl::OkStatus();
    return InvalidField(vector.Name(), "must be empty in a lexical-only collection");
  }
  if (stored.vector.size() == config.dimension && IsUnit(stored.vector)) return absl::OkStatus();
  return ValidateVector(config, vector.Name(), stored.vector);
}

absl::Status ValidateOutline(const stages::CollectionConfig& config,
                             absl::string_view embedder_digest, const stages::Upsert& upsert) {
  RAGMESH_RETURN_IF_ERROR(ValidateIdempotencyKey(upsert.idempotency_key));
  RAGMESH_RETURN_IF_ERROR(ValidateEmbedder(config, embedder_digest));
  if (!upsert.document.has_value() && upsert.chunks.empty()) {
    return InvalidField("upsert", "must hold a document or chunks");
  }
  if (upsert.chunks.size() > kMaxChunksPerWrite) {
    return LimitExceeded(
        "chunks", static_cast<long long>(upsert.chunks.size()), kMaxChunksPerWrite, "chunks",
        "Write the document with its first chunks, then the others without the document.");
  }
  if (upsert.document.has_value()) RAGMESH_RETURN_IF_ERROR(CheckDocument(*upsert.document));
  if (upsert.copied && !upsert.document.has_value())
    return InvalidField("copied", "is for a write with a document");
  if (upsert.copied && upsert.document->version == 0)
    return InvalidField("document.version", "must be at least 1 in a copy");
  const std::string& owner =
      upsert.document.has_value() ? upsert.document->id : upsert.chunks[0].document_id;
  absl::flat_hash_set<absl::string_view> ids;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < upsert.chunks.size(); ++i) {
    const stages::StoredChunk& chunk = upsert.chunks[i];
    if (!ids.insert(chunk.id).second)
      return InvalidField(ChunkField{i, "id"}.Name(), "is given twice");
    const bool inherits = upsert.document.has_value() && chunk.document_id.empty();
    if (!inherits)
      RAGMESH_RETURN_IF_ERROR(CheckItemId(ChunkField{i, "document_id"}, chunk.document_id));
    if (!inherits && chunk.document_id != owner) {
      return InvalidField(ChunkField{i, "document_id"}.Name(),
                          "must name the one document of this write");
    }
    if (upsert.document.has_value() && chunk.chunk.range.end > upsert.document->text.size()) {
      return InvalidField(ChunkField{i, "range"}.Name(), "ends beyond the document's text");
    }
    bytes += chunk.chunk.text.size() + chunk.chunk.context.size() +
             chunk.vector.size() * sizeof(float) + chunk.tokens.size_bytes();
  }
  return CheckCount("chunks", bytes, kMaxWriteBytes, "bytes");
}

absl::Status ValidateUpsert(const stages::CollectionConfig& config,
                            absl::string_view embedder_digest, const stages::Upsert& upsert) {
  RAGMESH_RETURN_IF_ERROR(ValidateOutline(config, embedder_digest, upsert));
  for (std::size_t i = 0; i < upsert.chunks.size(); ++i)
    RAGMESH_RETURN_IF_ERROR(ValidateChunk(config, i, upsert.chunks[i]));
  return absl::OkStatus();
}

namespace {

// What a search asks of the ranking.
absl::Status CheckOptions(const stages::CollectionConfig& config,
                          const stages::SearchRequest& request) {
  const std::uint64_t hits = std::uint64_t{request.top_k} * std::max(1u, request.max_per_document);
  if (hits > kMaxTopK) {
    return LimitExceeded("max_per_document", static_cast<long long>(hits), kMaxTopK, "hits",
                         "top_k times max_per_document must not be more.");
  }
  if (request.bm25.has_value()) {
    RAGMESH_RETURN_IF_ERROR(CheckWeight("bm25.k1", request.bm25->k1, 0, 100));
    RAGMESH_RETURN_IF_ERROR(CheckWeight("bm25.b", request.bm25->b, 0, 1));
  }
  if (request.diversity.has_value()) {
    if (config.dimension == 0) {
      return WrongState("LEXICAL_ONLY_COLLECTION",
                        "diversity compares vectors, and the collection has none",
                        "Search without diversity, or limit the hits of each document instead.");
    }
    RAGMESH_RETURN_IF_ERROR(CheckWeight("diversity.lambda", request.diversity->lambda, 0, 1));
    if (request.diversity->candidates < 1 || request.diversity->candidates > kMaxDiverse) {
      return InvalidField("diversity.candidates", absl::StrCat("must be from 1 to ", kMaxDiverse));
    }
    if (hits > kMaxDiverse) {
      return LimitExceeded("top_k", static_cast<long long>(hits), kMaxDiverse, "hits",
                           "Ask for fewer hits, or without diversity.");
    }
  }
  const stages::NeighbourWindow& window = request.neighbours;
  if (window.before > kMaxNeighbours)
    return InvalidField("neighbours.before", absl::StrCat("must be at most ", kMaxNeighbours));
  if (window.after > kMaxNeighbours)
    return InvalidField("neighbours.after", absl::StrCat("must be at most ", kMaxNeighbours));
  const std::uint64_t neighbours = hits * (window.before + window.after);
  if (neighbours > kMaxNeighboursPerAnswer) {
    return LimitExceeded("neighbours", static_cast<long long>(neighbours), kMaxNeighboursPerAnswer,
                         "chunks", "Ask for fewer hits, or for fewer neighbours of each.");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ValidateSearch(const stages::CollectionConfig& config,
                            const stages::SearchRequest& request) {
  if (request.top_k < 1 || request.top_k > kMaxTopK) {
    return InvalidField("top_k", absl::StrCat("must be from 1 to ", kMaxTopK));
  }
  RAGMESH_RETURN_IF_ERROR(ValidatePrincipal(request.principal_labels));
  if (request.fusion.has_value()) RAGMESH_RETURN_IF_ERROR(ValidateFusion(*request.fusion));
  if (request.lexical_weights.has_value())
    RAGMESH_RETURN_IF_ERROR(CheckFieldWeights(*request.lexical_weights));
  if (request.filter.has_value()) RAGMESH_RETURN_IF_ERROR(ValidateFilter(*request.filter));
  RAGMESH_RETURN_IF_ERROR(CheckOptions(config, request));
  if (request.mode != stages::SearchMode::kDense) {
    if (request.query_text.empty()) return InvalidField("query_text", "must not be empty");
    RAGMESH_RETURN_IF_ERROR(CheckText("query_text", request.query_text, kMaxQueryBytes));
  }
  if (request.mode != stages::SearchMode::kLexical) {
    if (config.dimension == 0) {
      return WrongState("LEXICAL_ONLY_COLLECTION", "the collection has no vectors",
                        "Search it in lexical mode.");
    }
    RAGMESH_RETURN_IF_ERROR(ValidateEmbedder(config, request.embedder_digest));
    RAGMESH_RETURN_IF_ERROR(ValidateVector(config, "query_vector", request.query_vector));
  }
  return absl::OkStatus();
}

absl::Status ValidatePrincipal(absl::Span<const std::string> labels) {
  return CheckCount("principal_labels", labels.size(), kMaxPrincipalLabels, "labels");
}

absl::Status ValidateIds(absl::string_view field, absl::Span<const std::string> ids) {
  RAGMESH_RETURN_IF_ERROR(CheckCount(field, ids.size(), kMaxIdsPerCall, "ids"));
  for (const std::string& id : ids) RAGMESH_RETURN_IF_ERROR(CheckItemId(field, id));
  return absl::OkStatus();
}

absl::Status ValidateIdempotencyKey(absl::string_view key) {
  if (key.size() <= kMaxIdempotencyKeyBytes) return absl::OkStatus();
  return LimitExceeded("idempotency_key", static_cast<long long>(key.size()),
                       static_cast<long long>(kMaxIdempotencyKeyBytes), "bytes");
}

absl::Status ValidatePage(const stages::Page& page) {
  if (page.size >= 1 && page.size <= kMaxPageSize) return absl::OkStatus();
  return InvalidField("page.size", absl::StrCat("must be from 1 to ", kMaxPageSize));
}

}  // namespace ragmesh::vector_store
