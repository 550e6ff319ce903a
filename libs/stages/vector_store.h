// Stage 4: documents, chunks and vectors kept durably and found again.
#ifndef RAGMESH_LIBS_STAGES_VECTOR_STORE_H_
#define RAGMESH_LIBS_STAGES_VECTOR_STORE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"
#include "libs/stages/aliases.h"
#include "libs/stages/document.h"
#include "libs/stages/passage_tokens.h"
#include "libs/stages/reranker.h"
#include "libs/stages/search_options.h"
#include "libs/stages/stage_info.h"
#include "libs/stages/store_admin.h"

namespace ragmesh::stages {

// Collections of one tenant are invisible to every other tenant.
struct CollectionId {
  std::string tenant = "default";  // [a-z0-9-]{1,63}
  std::string name;                // [a-z0-9_-]{1,63}
  bool operator==(const CollectionId&) const = default;
};

// What an occurrence of a word counts in the title, in the heading and in the text of a chunk, 0 to
// 100, not all of them 0.
using FieldWeights = std::array<double, 3>;

// How the text of a lexical query is read: as words and nothing else, or as libs/lexical/query.h
// says, with phrases, prefixes and signs.
enum class QuerySyntax { kPlain, kOperators };

struct CollectionConfig {
  CollectionId id;
  std::string description;
  std::string embedder_model;   // catalogue name, for people
  std::string embedder_digest;  // empty: lexical only, vectors are refused
  std::uint32_t dimension = 0;  // 1 to 4096; 0 with an empty digest
  std::string language =
      "en";  // analysis of lexical search, BCP 47 primary tag; unknown ones get no stemming
  Fusion fusion;
  RerankWeights rerank;
  double bm25_k1 = 1.2;
  double bm25_b = 0.75;
  FieldWeights lexical_weights = {1, 1, 1};
  // Share of the nearest chunks that a dense search finds on average, 0.8 to 1; 1 compares every
  // vector.
  double dense_recall = 0.99;
  // For which documents are kept that name no time of their own, from their last write on; 0: for
  // ever. A change counts for what is written from then on.
  absl::Duration retention = absl::ZeroDuration();
};

struct CollectionStats {
  std::uint64_t documents = 0;
  std::uint64_t chunks = 0;
  // Distinct lexical terms of each part of the index, summed; in parts on disk also those of chunks
  // that have gone, until they are merged away.
  std::uint64_t terms = 0;
  std::uint64_t text_bytes = 0;
  std::uint64_t disk_bytes = 0;    // of the whole store on disk, shared by all collections
  std::uint64_t memory_bytes = 0;  // of this collection's search image
  std::uint64_t sequence = 0;      // of the last acknowledged write
};

struct Collection {
  CollectionConfig config;
  absl::Time created;
  CollectionStats stats;
};

// A document as stored. `version` rises by one each time its content changes.
struct StoredDocument {
  std::string id;             // chosen by the caller, unique in the collection, 1 to 512 bytes
  std::uint64_t version = 0;  // set by the store
  std::string name;           // path or file name shown to people
  std::string uri;
  DocumentInfo info;
  std::string text;  // normalised text; citations resolve into it
  Metadata metadata;
  std::vector<std::string>
      acl_labels;      // who may see it; a document without labels is seen by nobody
  absl::Time updated;  // set by the store
  // From then on it goes, with its chunks; unset: the collection's retention decides.
  std::optional<absl::Time> expires = std::nullopt;
};

struct StoredChunk {
  std::string id;  // unique in the collection, 1 to 512 bytes
  std::string document_id;
  std::uint64_t document_version = 0;  // set by the store
  std::string document_name;           // set by the store from the document
  std::string content_sha256;          // of EmbeddingText: an unchanged chunk keeps its vector
  Chunk chunk;
  std::vector<float> vector;  // unit length; empty in a lexical-only collection
  PassageTokens tokens;       // what the embedder read of EmbeddingText; may be empty
};

// What of a chunk is read beside its text. Tokens come with the first chunks of an answer, as far
// as 32 MiB go.
struct ChunkParts {
  bool vector = false;
  bool tokens = false;
};

// One atomic write. A document given here replaces its earlier version with all its chunks; chunks
// that come without their document are added to the stored one.
struct Upsert {
  std::optional<StoredDocument> document;
  std::vector<StoredChunk> chunks;
  std::string idempotency_key = {};  // names this write, so that it is done once; empty: no name
  // `document` is a copy of one of another collection: its version and time are kept, not set.
  bool copied = false;
};

struct UpsertResult {
  std::uint64_t sequence = 0;  // of the durable write
  std::uint64_t document_version = 0;
  std::uint32_t chunks_written = 0;
  std::uint32_t chunks_removed = 0;
  bool replayed = false;  // done before, under its idempotency key; this is the result of then
};

// ---- Filters ----

struct Filter;
struct FilterEquals {
  std::string field;
  MetadataValue value;
};
struct FilterIn {
  std::string field;
  std::vector<MetadataValue> values;
};
struct FilterPrefix {  // of a string, or of any string of a list; by bytes, case counts
  std::string field;
  std::string prefix;
};
struct FilterRange {  // any bound may be absent; numbers, times or strings, strings by their bytes
  std::string field;
  std::optional<MetadataValue> greater_than, greater_or_equal, less_than, less_or_equal;
};
struct FilterAnd {
  std::vector<Filter> filters;
};
struct FilterOr {
  std::vector<Filter> filters;
};
struct FilterNot {
  std::shared_ptr<const Filter> filter;
};

// Over document metadata, and over the reserved fields "document_id", "document_name",
// "media_type", "language". A field that a document lacks matches nothing; on a list value, equals,
// in and prefix match any element. Values of different kinds never match: a field has whatever
// kinds its documents give it. At most 32 deep, 1,000 nodes.
struct Filter {
  std::variant<FilterEquals, FilterIn, FilterRange, FilterAnd, FilterOr, FilterNot, FilterPrefix>
      node;
};

// ---- Search ----

enum class SearchMode { kHybrid, kDense, kLexical };

struct SearchRequest {
  CollectionId collection;
  SearchMode mode = SearchMode::kHybrid;
  std::string query_text;           // lexical and hybrid
  std::vector<float> query_vector;  // dense and hybrid
  std::string embedder_digest;      // of query_vector; must be the collection's
  std::uint32_t top_k = 10;         // 1 to 10,000
  std::optional<Fusion> fusion;     // unset: the collection's
  QuerySyntax query_syntax = QuerySyntax::kPlain;
  std::optional<FieldWeights> lexical_weights;  // unset: the collection's
  std::optional<Filter> filter;
  std::vector<std::string> principal_labels;  // a chunk is seen when its document has one of these;
                                              // none: nothing is seen
  ChunkParts parts;                           // of the hits
  std::optional<Bm25> bm25;                   // unset: the collection's
  std::optional<Diversity> diversity;         // unset: the best ones, however alike
  // 0: any number; otherwise top_k counts documents, each with at most so many hits, as far as the
  // candidates go. top_k times it is at most 10,000.
  std::uint32_t max_per_document = 0;
  NeighbourWindow neighbours;
  bool explain = false;
};

// A chunk beside a hit. It has no score of its own.
struct Neighbour {
  StoredChunk chunk;
  std::uint32_t position = 0;  // in its document, from 0
};

struct SearchHit {
  StoredChunk chunk;
  double score = 0;  // what the order is by: cosine, BM25, the fused score, or with diversity the
                     // marginal relevance
  std::optional<double> dense_score;    // cosine; hybrid: of every hit
  std::optional<double> lexical_score;  // BM25; hybrid: of every hit, 0 without a word of the query
  std::optional<std::uint32_t> dense_rank;  // from 1 in its own list; unset: not in it
  std::optional<std::uint32_t> lexical_rank;
  std::optional<double> fused_score;  // hybrid
  // With neighbours asked for: the chunk's place in its document, from 0; the run of text it is
  // part of, numbered from 1 in order of the best hit: hits whose neighbours touch share a run; and
  // those neighbours that no hit before it has brought, in document order.
  std::uint32_t position = 0;
  std::uint32_t run = 0;
  std::vector<Neighbour> neighbours;
  std::optional<HitExplanation> explanation;
};

struct SearchResult {
  std::vector<SearchHit> hits;   // highest score first, ties by chunk id
  std::uint64_t sequence = 0;    // writes up to this one were visible
  std::uint64_t candidates = 0;  // chunks that passed filter and labels, when the plan counted them
  bool prefix_cut = false;       // a prefix of the query stands for more terms than were searched
  std::optional<SearchExplanation> explanation;
};

struct Page {
  std::uint32_t size = 100;  // 1 to 1,000
  std::string token;         // empty: from the start
};

struct DocumentPage {
  std::vector<StoredDocument> documents;  // without `text`
  std::string next_token;                 // empty: no more
};

struct ChunkPage {
  std::vector<StoredChunk> chunks;
  std::string next_token;
};

// Chunks are chosen by id, by document, or by filter.
struct ChunkIds {
  std::vector<std::string> ids;
};
struct DocumentIds {
  std::vector<std::string> ids;
};
using DeleteSelector = std::variant<ChunkIds, DocumentIds, Filter>;

struct DeleteResult {
  std::uint64_t documents = 0;
  std::uint64_t chunks = 0;
  std::uint64_t sequence = 0;
};

class VectorStore {
 public:
  virtual ~VectorStore() = default;

  virtual absl::StatusOr<Collection> CreateCollection(const CollectionConfig& config,
                                                      const CallContext& call) = 0;
  // Changes description, fusion, rerank and BM25 settings; a changed embedder, dimension or
  // language is FAILED_PRECONDITION / IMMUTABLE_SETTING.
  virtual absl::StatusOr<Collection> UpdateCollection(const CollectionConfig& config,
                                                      const CallContext& call) = 0;
  virtual absl::StatusOr<Collection> GetCollection(const CollectionId& id,
                                                   const CallContext& call) = 0;
  virtual absl::StatusOr<std::vector<Collection>> ListCollections(const std::string& tenant,
                                                                  const CallContext& call) = 0;
  virtual absl::Status DeleteCollection(const CollectionId& id, const CallContext& call) = 0;

  // Atomic and durable: when it returns OK, everything in `upsert` is on disk and visible to the
  // next search. `embedder_digest` must be the collection's (FAILED_PRECONDITION /
  // EMBEDDER_MISMATCH), vectors must have its dimension (INVALID_ARGUMENT / DIMENSION_MISMATCH) and
  // be finite and of unit length. A write whose idempotency key was committed answers the first
  // result again; with other content it is ALREADY_EXISTS / IDEMPOTENCY_KEY_REUSED.
  virtual absl::StatusOr<UpsertResult> Write(const CollectionId& id,
                                             const std::string& embedder_digest, Upsert upsert,
                                             const CallContext& call) = 0;
  virtual absl::StatusOr<DeleteResult> Delete(const CollectionId& id, const DeleteSelector& what,
                                              const CallContext& call) = 0;
  // Delete, once for each `idempotency_key`: a key as in Upsert, not empty. UNIMPLEMENTED /
  // NO_IDEMPOTENCY_KEYS of a store that keeps none.
  virtual absl::StatusOr<DeleteResult> DeleteOnce(const CollectionId& id,
                                                  const DeleteSelector& what,
                                                  const std::string& idempotency_key,
                                                  const CallContext& call);

  // Reads. `principal_labels` as in SearchRequest; what they do not cover reads as absent.
  virtual absl::StatusOr<StoredDocument> GetDocument(
      const CollectionId& id, const std::string& document_id,
      const std::vector<std::string>& principal_labels, const CallContext& call) = 0;
  virtual absl::StatusOr<DocumentPage> ListDocuments(
      const CollectionId& id, const std::optional<Filter>& filter,
      const std::vector<std::string>& principal_labels, const Page& page,
      const CallContext& call) = 0;
  virtual absl::StatusOr<std::vector<StoredChunk>> GetChunks(
      const CollectionId& id, const std::vector<std::string>& chunk_ids,
      const std::vector<std::string>& principal_labels, ChunkParts parts,
      const CallContext& call) = 0;
  // Chunks of one document in ordinal order; of all documents when `document_id` is empty.
  virtual absl::StatusOr<ChunkPage> ListChunks(const CollectionId& id,
                                               const std::string& document_id,
                                               const std::vector<std::string>& principal_labels,
                                               ChunkParts parts, const Page& page,
                                               const CallContext& call) = 0;
  virtual absl::StatusOr<std::uint64_t> CountChunks(
      const CollectionId& id, const std::optional<Filter>& filter,
      const std::vector<std::string>& principal_labels, const CallContext& call) = 0;

  // FAILED_PRECONDITION / LEXICAL_ONLY_COLLECTION when it needs vectors that the collection does
  // not have; INVALID_ARGUMENT / UNKNOWN_FILTER_FIELD when no document that is seen has a field of
  // the filter, here and in ListDocuments and CountChunks.
  virtual absl::StatusOr<SearchResult> Search(const SearchRequest& request,
                                              const CallContext& call) = 0;

  // Names that stand for collections: see stages::Alias. FAILED_PRECONDITION / ALIAS_MOVED when it
  // does not stand for what was expected, / ALIAS_IS_COLLECTION when a collection has the name;
  // ABORTED / SEQUENCE_MOVED when what was expected was written to since; NOT_FOUND /
  // COLLECTION_NOT_FOUND without the collection. A collection that an alias stands for is deleted
  // by that name alone, and the alias with it; by its own it is FAILED_PRECONDITION /
  // COLLECTION_HAS_ALIAS. These are UNIMPLEMENTED / NO_ALIASES of a store that has none.
  virtual absl::StatusOr<Alias> SetAlias(const AliasChange& change, const CallContext& call);
  virtual absl::StatusOr<std::vector<Alias>> ListAliases(const std::string& tenant,
                                                         const CallContext& call);
  // Of an alias that stands for `expected_collection`, which stays, under its own name.
  virtual absl::Status DeleteAlias(const CollectionId& alias,
                                   const std::string& expected_collection, const CallContext& call);
  // What was written after `after`. Unset: nothing, but from now on the store knows.
  // FAILED_PRECONDITION / CHANGES_FORGOTTEN when it does not: see CollectionChanges. `hold`: for so
  // long, at most 10 s, later writes wait, or until the next call of this for the collection, or
  // until an alias moves from it; those under way may still come in.
  virtual absl::StatusOr<CollectionChanges> ListChanges(const CollectionId& id,
                                                        std::optional<std::uint64_t> after,
                                                        absl::Duration hold,
                                                        const CallContext& call);

  virtual absl::StatusOr<StageInfo> Info(const CallContext& call) = 0;

  // Snapshots and archives, when the store has its own; null: whoever runs it has other means.
  // Lives as long as the store.
  virtual StoreAdmin* admin() { return nullptr; }
};

// Sees every label; only for the gateway's own bookkeeping, never for a user's request.
inline constexpr char kAllLabels[] = "*";

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_VECTOR_STORE_H_
