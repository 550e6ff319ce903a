#include "libs/vector_store/records.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/binary_codec.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/value_codec.h"

namespace ragmesh::vector_store {
namespace {

// Layouts that are not named below are at their first version.
constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kCollectionVersion =
    3;  // 2 added the weights of fields, 3 recall and retention
constexpr std::uint8_t kDocumentVersion = 2;    // 2 added when it goes
constexpr std::uint8_t kIndexEntryVersion = 2;  // 2 added fields and positions of terms
constexpr std::uint8_t kStateVersion =
    3;  // 2 added counts of documents and chunks, 3 bytes of text

// How often a term occurs in each field, and where.
void TakeOccurrences(BinaryReader* in, lexical::ChunkTerms::Term* term,
                     std::vector<std::uint32_t>* positions) {
  const std::uint64_t body = in->Varint();
  if (body / 2 > 0xFFFFFFFF) in->Fail();
  term->counts[2] = static_cast<std::uint32_t>(body / 2);
  if (body % 2 == 1) {
    term->counts[0] = in->Varint32();
    term->counts[1] = in->Varint32();
  }
  std::uint64_t next = 0;
  for (std::uint64_t n = 0; n < term->count() && !in->failed(); ++n) {
    const std::uint64_t position = next + in->Varint32();
    if (position >= 0xFFFFFFFF) in->Fail();
    positions->push_back(static_cast<std::uint32_t>(position));
    next = position + 1;
  }
}

// Ends a decode: nothing may be left, nothing may have been missing.
template <typename T>
absl::StatusOr<T> Finish(const BinaryReader& in, const char* what, T value) {
  if (in.failed() || !in.at_end()) return Corrupt(what, "does not follow its layout");
  return value;
}

}  // namespace

std::string Encode(const CollectionRecord& record) {
  const stages::CollectionConfig& config = record.config;
  BinaryWriter out;
  out.Bytes(config.id.tenant);
  out.Bytes(config.id.name);
  out.Bytes(config.description);
  out.Bytes(config.embedder_model);
  out.Bytes(config.embedder_digest);
  out.Varint(config.dimension);
  out.Bytes(config.language);
  out.U8(config.fusion.method == stages::FusionMethod::kReciprocalRank ? 1 : 0);
  out.F64(config.fusion.dense_weight);
  out.F64(config.fusion.rank_constant);
  out.Varint(config.fusion.candidates);
  out.F64(config.rerank.lexical);
  out.F64(config.rerank.dense);
  out.F64(config.rerank.model);
  out.F64(config.bm25_k1);
  out.F64(config.bm25_b);
  Put(record.created, &out);
  out.Bytes(record.analyzer_version);
  for (const double weight : config.lexical_weights) out.F64(weight);
  // What has the defaults is written as releases before recall and retention did.
  if (config.dense_recall == stages::CollectionConfig().dense_recall &&
      config.retention <= absl::ZeroDuration())
    return Seal(RecordKind::kCollection, 2, out.bytes());
  out.F64(config.dense_recall);
  out.U64(static_cast<std::uint64_t>(absl::ToInt64Seconds(config.retention)));
  return Seal(RecordKind::kCollection, kCollectionVersion, out.bytes());
}

absl::StatusOr<CollectionRecord> DecodeCollection(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kCollection, kCollectionVersion, value));
  BinaryReader in(payload);
  CollectionRecord record;
  stages::CollectionConfig& config = record.config;
  config.id.tenant = in.String();
  config.id.name = in.String();
  config.description = in.String();
  config.embedder_model = in.String();
  config.embedder_digest = in.String();
  config.dimension = in.Varint32();
  config.language = in.String();
  config.fusion.method =
      in.Bool() ? stages::FusionMethod::kReciprocalRank : stages::FusionMethod::kZScore;
  config.fusion.dense_weight = in.F64();
  config.fusion.rank_constant = in.F64();
  config.fusion.candidates = in.Varint32();
  config.rerank.lexical = in.F64();
  config.rerank.dense = in.F64();
  config.rerank.model = in.F64();
  config.bm25_k1 = in.F64();
  config.bm25_b = in.F64();
  record.created = TakeTime(&in);
  record.analyzer_version = in.String();
  if (VersionOf(value) >= 2) {
    for (double& weight : config.lexical_weights) weight = in.F64();
  }
  if (VersionOf(value) >= 3) {
    config.dense_recall = in.F64();
    const std::uint64_t seconds = in.U64();
    if (seconds > kMaxRetentionSeconds) in.Fail();
    config.retention = absl::Seconds(static_cast<std::int64_t>(seconds));
  }
  return Finish(in, "collection record", std::move(record));
}

std::string Encode(const CollectionState& state) {
  BinaryWriter out;
  out.U64(state.sequence);
  out.U64(state.next_document);
  out.U64(state.next_chunk);
  out.U64(state.documents.value_or(0));
  out.U64(state.chunks.value_or(0));
  out.U64(state.text_bytes.value_or(0));
  return Seal(RecordKind::kState, kStateVersion, out.bytes());
}

absl::StatusOr<CollectionState> DecodeState(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kState, kStateVersion, value));
  BinaryReader in(payload);
  CollectionState state{in.U64(), in.U64(), in.U64(), std::nullopt, std::nullopt, std::nullopt};
  if (value[1] >= 2) {
    state.documents = in.U64();
    state.chunks = in.U64();
  }
  if (value[1] >= 3) state.text_bytes = in.U64();
  return Finish(in, "collection state", state);
}

std::string Encode(const DocumentRecord& record) {
  const stages::StoredDocument& document = record.document;
  BinaryWriter out;
  out.Bytes(document.id);
  out.Varint(document.version);
  out.Bytes(document.name);
  out.Bytes(document.uri);
  Put(document.info, &out);
  out.Varint(document.metadata.size());
  for (const auto& [key, value] : document.metadata) {
    out.Bytes(key);
    Put(value, &out);
  }
  out.Strings(document.acl_labels);
  Put(document.updated, &out);
  out.Varint(record.text_bytes);
  out.Bytes(record.text_sha256);
  if (document.expires.has_value()) Put(*document.expires, &out);
  return Seal(RecordKind::kDocument, document.expires.has_value() ? kDocumentVersion : kVersion,
              out.bytes());
}

absl::StatusOr<DocumentRecord> DecodeDocument(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kDocument, kDocumentVersion, value));
  BinaryReader in(payload);
  DocumentRecord record;
  stages::StoredDocument& document = record.document;
  document.id = in.String();
  document.version = in.Varint();
  document.name = in.String();
  document.uri = in.String();
  document.info = TakeDocumentInfo(&in);
  const std::size_t fields = in.Count(3);
  for (std::size_t i = 0; i < fields && !in.failed(); ++i) {
    std::string key = in.String();
    document.metadata[std::move(key)] = TakeValue(&in);
  }
  document.acl_labels = in.Strings();
  document.updated = TakeTime(&in);
  record.text_bytes = in.Varint();
  record.text_sha256 = in.String();
  if (VersionOf(value) >= 2) document.expires = TakeTime(&in);
  return Finish(in, "document record", std::move(record));
}

void AppendChunk(const stages::StoredChunk& stored, std::uint64_t document_number,
                 std::string* to) {
  const stages::Chunk& chunk = stored.chunk;
  const std::size_t begin = BeginSealed(RecordKind::kChunk, kVersion, to);
  BinaryWriter out(to);
  out.U64(document_number);
  out.Bytes(stored.id);
  out.Bytes(stored.document_id);
  out.Varint(stored.document_version);
  out.Bytes(stored.document_name);
  out.Bytes(stored.content_sha256);
  out.Varint(chunk.ordinal);
  out.Varint(chunk.range.begin);
  out.Varint(chunk.range.end);
  out.Varint(chunk.overlap_begin);
  out.Bytes(chunk.text);
  out.Bytes(chunk.context);
  out.Strings(chunk.heading_path);
  out.Varint(chunk.page_begin);
  out.Varint(chunk.page_end);
  out.Varint(chunk.token_count);
  out.U8(static_cast<std::uint8_t>(chunk.kind));
  EndSealed(begin, to);
}

std::string Encode(const ChunkRecord& record) {
  std::string value;
  AppendChunk(record.chunk, record.document_number, &value);
  return value;
}

absl::StatusOr<ChunkRecord> DecodeChunk(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kChunk, kVersion, value));
  BinaryReader in(payload);
  ChunkRecord record;
  stages::StoredChunk& stored = record.chunk;
  stages::Chunk& chunk = stored.chunk;
  record.document_number = in.U64();
  stored.id = in.String();
  stored.document_id = in.String();
  stored.document_version = in.Varint();
  stored.document_name = in.String();
  stored.content_sha256 = in.String();
  chunk.ordinal = in.Varint32();
  chunk.range.begin = in.Varint();
  chunk.range.end = in.Varint();
  chunk.overlap_begin = in.Varint();
  chunk.text = in.String();
  chunk.context = in.String();
  chunk.heading_path = in.Strings();
  chunk.page_begin = in.Varint32();
  chunk.page_end = in.Varint32();
  chunk.token_count = in.Varint32();
  const std::uint8_t kind = in.U8();
  if (kind > static_cast<std::uint8_t>(stages::BlockKind::kCode)) in.Fail();
  chunk.kind = static_cast<stages::BlockKind>(kind);
  return Finish(in, "chunk record", std::move(record));
}

// An entry that was read without positions is written as it was: as one of the first version.
void AppendIndexEntry(absl::string_view chunk_id, std::uint64_t document_number,
                      std::uint32_t ordinal, const lexical::ChunkTerms& terms, std::string* to) {
  const bool has_fields = !terms.positions.empty() || terms.terms.empty();
  const std::size_t begin =
      BeginSealed(RecordKind::kIndexEntry, has_fields ? kIndexEntryVersion : kVersion, to);
  BinaryWriter out(to);
  out.Bytes(chunk_id);
  out.U64(document_number);
  out.Varint(ordinal);
  out.Varint(terms.terms.size());
  // Of a write most values are these, so they go where they belong without looking for room at
  // each.
  std::size_t room = terms.positions.size() * kMaxVarint;
  for (const lexical::ChunkTerms::Term& term : terms.terms)
    room += term.term.size() + 4 * kMaxVarint;
  const std::size_t terms_begin = to->size();
  to->resize(terms_begin + room);
  char* at = to->data() + terms_begin;
  absl::Span<const std::uint32_t> positions = terms.positions;
  for (const lexical::ChunkTerms::Term& term : terms.terms) {
    at = PutVarint(term.term.size(), at);
    std::memcpy(at, term.term.data(), term.term.size());
    at += term.term.size();
    if (!has_fields) {
      at = PutVarint(term.count(), at);
      continue;
    }
    // Most terms are in the body alone.
    const bool elsewhere = term.counts[0] + term.counts[1] > 0;
    at = PutVarint(std::uint64_t{term.counts[2]} * 2 + (elsewhere ? 1 : 0), at);
    if (elsewhere) at = PutVarint(term.counts[1], PutVarint(term.counts[0], at));
    std::uint32_t next = 0;
    for (const std::uint32_t position : positions.first(term.count())) {
      at = PutVarint(position - next, at);
      next = position + 1;
    }
    positions.remove_prefix(term.count());
  }
  to->resize(static_cast<std::size_t>(at - to->data()));
  EndSealed(begin, to);
}

std::string Encode(const IndexEntry& entry) {
  std::string value;
  AppendIndexEntry(entry.chunk_id, entry.document_number, entry.ordinal, entry.terms, &value);
  return value;
}

absl::StatusOr<IndexEntry> DecodeIndexEntry(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kIndexEntry, kIndexEntryVersion, value));
  const bool has_fields = VersionOf(value) >= 2;
  BinaryReader in(payload);
  IndexEntry entry;
  entry.chunk_id = in.String();
  entry.document_number = in.U64();
  entry.ordinal = in.Varint32();
  const std::size_t count = in.Count(2);
  entry.terms.terms.reserve(count);
  for (std::size_t i = 0; i < count && !in.failed(); ++i) {
    lexical::ChunkTerms::Term& term = entry.terms.terms.emplace_back();
    term.term = in.String();
    if (has_fields) {
      TakeOccurrences(&in, &term, &entry.terms.positions);
    } else {
      term.counts[2] = in.Varint32();  // not yet told apart; the collection is analysed anew
    }
    if (term.count() == 0) in.Fail();
    for (std::size_t field = 0; field < lexical::kFields; ++field)
      entry.terms.lengths[field] += term.counts[field];
  }
  return Finish(in, "index entry", std::move(entry));
}

void AppendText(absl::string_view text, std::string* out) {
  const std::size_t begin = BeginSealed(RecordKind::kText, kVersion, out);
  out->append(text.data(), text.size());
  EndSealed(begin, out);
}

std::string EncodeText(absl::string_view text) { return Seal(RecordKind::kText, kVersion, text); }

absl::StatusOr<std::string> DecodeText(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kText, kVersion, value));
  return std::string(payload);
}

void AppendVector(absl::Span<const float> vector, std::string* out) {
  const std::size_t begin = BeginSealed(RecordKind::kVector, kVersion, out);
  BinaryWriter(out).Floats(vector);
  EndSealed(begin, out);
}

std::string EncodeVector(absl::Span<const float> vector) {
  std::string value;
  AppendVector(vector, &value);
  return value;
}

absl::StatusOr<std::vector<float>> DecodeVector(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kVector, kVersion, value));
  BinaryReader in(payload);
  std::vector<float> vector = in.Floats();
  return Finish(in, "vector record", std::move(vector));
}

void AppendTokens(const stages::PassageTokens& tokens, std::string* to) {
  const std::size_t begin = BeginSealed(RecordKind::kTokens, kVersion, to);
  BinaryWriter out(to);
  out.Bytes(tokens.tokenizer);
  out.Varint(tokens.ids.size());
  for (const std::uint32_t id : tokens.ids) out.Varint(id);
  out.Bytes(tokens.encoder);
  out.Bytes(tokens.vectors);
  EndSealed(begin, to);
}

std::string Encode(const stages::PassageTokens& tokens) {
  std::string value;
  AppendTokens(tokens, &value);
  return value;
}

absl::StatusOr<stages::PassageTokens> DecodeTokens(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kTokens, kVersion, value));
  BinaryReader in(payload);
  stages::PassageTokens tokens;
  tokens.tokenizer = in.String();
  const std::size_t ids = in.Count(1);
  tokens.ids.reserve(ids);
  for (std::size_t i = 0; i < ids && !in.failed(); ++i) tokens.ids.push_back(in.Varint32());
  tokens.encoder = in.String();
  tokens.vectors = in.String();
  return Finish(in, "tokens record", std::move(tokens));
}

std::string Encode(const ReplayRecord& record) {
  BinaryWriter out;
  out.U64(record.sequence);
  Put(record.committed, &out);
  out.Bytes(record.content_sha256);
  out.U8(record.is_delete ? 1 : 0);
  if (record.is_delete) {
    out.U64(record.deleted.documents);
    out.U64(record.deleted.chunks);
    out.U64(record.deleted.sequence);
  } else {
    out.U64(record.upserted.sequence);
    out.U64(record.upserted.document_version);
    out.U32(record.upserted.chunks_written);
    out.U32(record.upserted.chunks_removed);
  }
  return Seal(RecordKind::kReplay, kVersion, out.bytes());
}

absl::StatusOr<ReplayRecord> DecodeReplay(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kReplay, kVersion, value));
  BinaryReader in(payload);
  ReplayRecord record;
  record.sequence = in.U64();
  record.committed = TakeTime(&in);
  record.content_sha256 = in.String();
  record.is_delete = in.Bool();
  if (record.is_delete) {
    record.deleted.documents = in.U64();
    record.deleted.chunks = in.U64();
    record.deleted.sequence = in.U64();
  } else {
    record.upserted.sequence = in.U64();
    record.upserted.document_version = in.U64();
    record.upserted.chunks_written = in.U32();
    record.upserted.chunks_removed = in.U32();
  }
  return Finish(in, "replay record", std::move(record));
}

std::string EncodeFilter(const stages::Filter& filter) {
  BinaryWriter out;
  Put(filter, &out);
  return out.Take();
}

std::string EncodeFormat(std::uint32_t version) {
  BinaryWriter out;
  out.U32(version);
  return Seal(RecordKind::kFormat, kVersion, out.bytes());
}

absl::StatusOr<std::uint32_t> DecodeFormat(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kFormat, kVersion, value));
  BinaryReader in(payload);
  const std::uint32_t version = in.U32();
  return Finish(in, "format record", version);
}

std::string EncodeCounter(std::uint64_t value) {
  BinaryWriter out;
  out.U64(value);
  return Seal(RecordKind::kCounter, kVersion, out.bytes());
}

absl::StatusOr<std::uint64_t> DecodeCounter(absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kCounter, kVersion, value));
  BinaryReader in(payload);
  const std::uint64_t counter = in.U64();
  return Finish(in, "counter record", counter);
}

}  // namespace ragmesh::vector_store
