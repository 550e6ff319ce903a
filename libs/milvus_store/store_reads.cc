// The reading half of MilvusStore, searches included.
#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/milvus_store/filter_expr.h"
#include "libs/milvus_store/milvus_store.h"
#include "libs/milvus_store/rows.h"
#include "libs/ranking/chunk_ranking.h"
#include "libs/vector_store/filter.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/page_token.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::milvus_store {
namespace {

using ranking::ListedChunk;
using vector_store::Listing;
using vector_store::PageToken;

constexpr std::size_t kIdsPerQuery = 200;

// How many more rows than are wanted a list gets, so that equal scores are put in order here.
constexpr std::size_t kSpare = 16;

absl::Status Lacks(const char* reason, absl::string_view what, const char* field,
                   const char* next_step) {
  return MakeError(absl::StatusCode::kUnimplemented, absl::StrCat("this store has no ", what),
                   {.reason = reason, .field = field, .next_step = next_step});
}

// The list of one search. Records of chunks come with it, so that all is of one moment.
class DenseSource final : public ranking::ListSource {
 public:
  using Ask = std::function<absl::StatusOr<std::vector<Row>>(std::size_t limit)>;
  explicit DenseSource(Ask ask) : ask_(std::move(ask)) {}

  absl::StatusOr<std::vector<ListedChunk>> DenseList(std::size_t limit,
                                                     const CallContext&) override {
    RAGMESH_ASSIGN_OR_RETURN(
        std::vector<Row> rows,
        ask_(std::min<std::size_t>(limit + kSpare, vector_store::kMaxTopK + kSpare)));
    std::vector<ListedChunk> list;
    for (Row& row : rows) {
      const auto [it, inserted] =
          item_of_.try_emplace(row.key, static_cast<std::uint32_t>(items_.size()));
      const double score = row.score;
      if (inserted) items_.push_back({FromHex(row.chunk), DocumentNumber(row), std::move(row)});
      list.push_back({it->second, score});
    }
    std::sort(list.begin(), list.end(), [this](const ListedChunk& a, const ListedChunk& b) {
      return a.score != b.score ? a.score > b.score : items_[a.item].id < items_[b.item].id;
    });
    if (list.size() > limit) list.resize(limit);
    return list;
  }
  absl::StatusOr<std::vector<ListedChunk>> LexicalList(std::size_t, const CallContext&) override {
    return std::vector<ListedChunk>();  // refused before
  }
  absl::Status FillScores(std::vector<ranking::Candidate>*, const CallContext&) override {
    return absl::OkStatus();
  }
  absl::Status PrepareCosines(const std::vector<std::uint32_t>&, const CallContext&) override {
    return absl::OkStatus();  // vectors came with the rows
  }
  double Cosine(std::uint32_t a, std::uint32_t b) const override {
    const auto& x = items_[a].row.vector;
    const auto& y = items_[b].row.vector;
    double dot = 0;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i)
      dot += static_cast<double>(x[i]) * y[i];
    return dot;
  }
  absl::string_view ChunkId(std::uint32_t item) const override { return items_[item].id; }
  std::uint64_t DocumentOf(std::uint32_t item) const override { return items_[item].document; }
  const Row& RowOf(std::uint32_t item) const { return items_[item].row; }

 private:
  struct Item {
    std::string id;
    std::uint64_t document;
    Row row;
  };
  std::uint64_t DocumentNumber(const Row& row) {
    return document_numbers_.try_emplace(row.document, document_numbers_.size()).first->second;
  }

  const Ask ask_;
  std::vector<Item> items_;
  absl::flat_hash_map<std::string, std::uint32_t> item_of_;  // by key
  absl::flat_hash_map<std::string, std::uint64_t> document_numbers_;
};

}  // namespace

absl::StatusOr<stages::StoredDocument> MilvusStore::GetDocument(
    const stages::CollectionId& id, const std::string& document_id,
    const std::vector<std::string>& principal_labels, const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_ASSIGN_OR_RETURN(const Listed listed, Find(id, call));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePrincipal(principal_labels));
  // Its row and those of its text in one request, so that they are of one write.
  const auto visible = [&](std::int64_t kind) {
    return VisibleExpression(kind, listed.tenant(), principal_labels);
  };
  RAGMESH_ASSIGN_OR_RETURN(
      std::vector<Row> rows,
      client_->Query(listed.name,
                     absl::StrCat("document == \"", Hex(document_id), "\" && ((",
                                  visible(kDocumentRow), ") || (", visible(kTextRow), "))"),
                     {"key", "kind", "record"}, 0, SeenOf(listed.name), call));
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.key < b.key; });
  std::optional<vector_store::DocumentRecord> record;
  std::string sealed;
  for (const Row& row : rows) {
    RAGMESH_ASSIGN_OR_RETURN(std::string bytes, DecodeRecord(row));
    if (row.kind == kTextRow) {
      sealed += bytes;
    } else {
      RAGMESH_ASSIGN_OR_RETURN(record, vector_store::DecodeDocument(bytes));
    }
  }
  if (!record.has_value()) return NotFound("document", document_id);
  RAGMESH_ASSIGN_OR_RETURN(record->document.text, vector_store::DecodeText(sealed));
  return std::move(record->document);
}

absl::StatusOr<stages::DocumentPage> MilvusStore::ListDocuments(
    const stages::CollectionId& id, const std::optional<stages::Filter>& filter,
    const std::vector<std::string>& principal_labels, const stages::Page& page,
    const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_ASSIGN_OR_RETURN(const Listed listed, Find(id, call));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePage(page));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePrincipal(principal_labels));
  std::string expression = VisibleExpression(kDocumentRow, listed.tenant(), principal_labels);
  if (!page.token.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(
        const PageToken token,
        vector_store::DecodePageToken(Listing::kDocuments, listed.token_number, page.token));
    absl::StrAppend(&expression, " && key > \"", DocumentKey(token.document_id), "\"");
  }
  if (filter.has_value()) {
    RAGMESH_RETURN_IF_ERROR(vector_store::ValidateFilter(*filter));
    RAGMESH_RETURN_IF_ERROR(CheckFilter(listed, *filter, principal_labels, call));
    absl::StrAppend(&expression, " && ", FilterExpression(*filter));
  }
  // One more than a page, to know whether there is a next one.
  RAGMESH_ASSIGN_OR_RETURN(std::vector<Row> rows,
                           client_->Query(listed.name, expression, {"key", "record"}, page.size + 1,
                                          SeenOf(listed.name), call));
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.key < b.key; });
  stages::DocumentPage result;
  const bool more = rows.size() > page.size;
  if (more) rows.resize(page.size);
  for (const Row& row : rows) {
    RAGMESH_ASSIGN_OR_RETURN(const std::string bytes, DecodeRecord(row));
    RAGMESH_ASSIGN_OR_RETURN(vector_store::DocumentRecord record,
                             vector_store::DecodeDocument(bytes));
    result.documents.push_back(std::move(record.document));
  }
  if (more) {
    result.next_token = vector_store::EncodePageToken(
        {Listing::kDocuments, listed.token_number, result.documents.back().id, 0, ""});
  }
  return result;
}

absl::StatusOr<std::vector<stages::StoredChunk>> MilvusStore::GetChunks(
    const stages::CollectionId& id, const std::vector<std::string>& chunk_ids,
    const std::vector<std::string>& principal_labels, stages::ChunkParts parts,
    const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_ASSIGN_OR_RETURN(const Listed listed, Find(id, call));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateIds("chunk_ids", chunk_ids));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePrincipal(principal_labels));
  std::vector<std::string> fields = {"key", "chunk", "record"};
  if (parts.vector) fields.push_back("vector");
  const std::string visible = VisibleExpression(kChunkRow, listed.tenant(), principal_labels);
  std::map<std::string, stages::StoredChunk> by_id;
  for (std::size_t first = 0; first < chunk_ids.size(); first += kIdsPerQuery) {
    std::vector<std::string> texts;
    for (std::size_t i = first; i < std::min(chunk_ids.size(), first + kIdsPerQuery); ++i)
      texts.push_back(absl::StrCat("\"", Hex(chunk_ids[i]), "\""));
    RAGMESH_ASSIGN_OR_RETURN(
        const auto rows,
        client_->Query(listed.name,
                       absl::StrCat(visible, " && chunk in [", absl::StrJoin(texts, ","), "]"),
                       fields, 0, SeenOf(listed.name), call));
    for (const Row& row : rows) {
      RAGMESH_ASSIGN_OR_RETURN(stages::StoredChunk chunk, ReadChunk(row, parts.vector));
      by_id[chunk.id] = std::move(chunk);
    }
  }
  std::vector<stages::StoredChunk> chunks;
  for (const std::string& chunk_id : chunk_ids) {
    const auto it = by_id.find(chunk_id);
    if (it != by_id.end()) chunks.push_back(it->second);
  }
  return chunks;
}

absl::StatusOr<stages::ChunkPage> MilvusStore::ListChunks(
    const stages::CollectionId& id, const std::string& document_id,
    const std::vector<std::string>& principal_labels, stages::ChunkParts parts,
    const stages::Page& page, const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_ASSIGN_OR_RETURN(const Listed listed, Find(id, call));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePage(page));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePrincipal(principal_labels));
  const std::uint64_t seen = SeenOf(listed.name);
  std::string expression = VisibleExpression(kChunkRow, listed.tenant(), principal_labels);
  if (!document_id.empty()) {
    const std::string one = absl::StrCat(" && document == \"", Hex(document_id), "\"");
    RAGMESH_ASSIGN_OR_RETURN(
        const auto document,
        client_->Query(listed.name,
                       VisibleExpression(kDocumentRow, listed.tenant(), principal_labels) + one,
                       {"key"}, 1, seen, call));
    if (document.empty()) return NotFound("document", document_id);
    expression += one;
  }
  if (!page.token.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(
        const PageToken token,
        vector_store::DecodePageToken(Listing::kChunks, listed.token_number, page.token));
    absl::StrAppend(&expression, " && key > \"",
                    ChunkKey(token.document_id, token.ordinal, token.chunk_id), "\"");
  }
  std::vector<std::string> fields = {"key", "record"};
  if (parts.vector) fields.push_back("vector");
  RAGMESH_ASSIGN_OR_RETURN(std::vector<Row> rows, client_->Query(listed.name, expression, fields,
                                                                 page.size + 1, seen, call));
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.key < b.key; });
  stages::ChunkPage result;
  const bool more = rows.size() > page.size;
  if (more) rows.resize(page.size);
  for (const Row& row : rows) {
    RAGMESH_ASSIGN_OR_RETURN(stages::StoredChunk chunk, ReadChunk(row, parts.vector));
    result.chunks.push_back(std::move(chunk));
  }
  if (more) {
    const stages::StoredChunk& last = result.chunks.back();
    result.next_token = vector_store::EncodePageToken(
        {Listing::kChunks, listed.token_number, last.document_id, last.chunk.ordinal, last.id});
  }
  return result;
}

absl::StatusOr<std::uint64_t> MilvusStore::CountChunks(
    const stages::CollectionId& id, const std::optional<stages::Filter>& filter,
    const std::vector<std::string>& principal_labels, const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_ASSIGN_OR_RETURN(const Listed listed, Find(id, call));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidatePrincipal(principal_labels));
  std::string expression = VisibleExpression(kChunkRow, listed.tenant(), principal_labels);
  if (filter.has_value()) {
    RAGMESH_RETURN_IF_ERROR(vector_store::ValidateFilter(*filter));
    RAGMESH_RETURN_IF_ERROR(CheckFilter(listed, *filter, principal_labels, call));
    absl::StrAppend(&expression, " && ", FilterExpression(*filter));
  }
  return client_->Count(listed.name, expression, SeenOf(listed.name), call);
}

absl::StatusOr<stages::SearchResult> MilvusStore::Search(const stages::SearchRequest& asked,
                                                         const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_ASSIGN_OR_RETURN(const Listed listed, Find(asked.collection, call));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateSearch(listed.config(), asked));
  if (asked.mode != stages::SearchMode::kDense) {
    return Lacks("NO_LEXICAL_SEARCH", "lexical search", "mode",
                 "Search in dense mode, or keep the collection in a store that searches words.");
  }
  if (asked.neighbours.before + asked.neighbours.after > 0) {
    return Lacks("NO_NEIGHBOURS", "neighbours of hits", "neighbours",
                 "Read the document's chunks with ListChunks.");
  }
  stages::SearchRequest request = asked;
  if (!request.fusion.has_value()) request.fusion = listed.config().fusion;
  if (!request.bm25.has_value()) request.bm25 = stages::Bm25();
  std::string expression = VisibleExpression(kChunkRow, listed.tenant(), request.principal_labels);
  if (request.filter.has_value()) {
    RAGMESH_RETURN_IF_ERROR(CheckFilter(listed, *request.filter, request.principal_labels, call));
    absl::StrAppend(&expression, " && ", FilterExpression(*request.filter));
  }
  const std::uint64_t seen = SeenOf(listed.name);
  std::vector<std::string> fields = {"key", "document", "chunk", "record"};
  if (request.parts.vector || request.diversity.has_value()) fields.push_back("vector");
  DenseSource source([&](std::size_t limit) {
    return client_->Search(listed.name, expression, request.query_vector, limit, fields, seen,
                           call);
  });
  RAGMESH_ASSIGN_OR_RETURN(const ranking::RankedHits ranked,
                           ranking::RankChunks(request, source, vector_store::kMaxTopK, call));
  stages::SearchResult result;
  result.sequence = seen;
  for (const ranking::RankedHit& hit : ranked.hits) {
    result.hits.push_back(ranking::HitOf(request, hit));
    RAGMESH_ASSIGN_OR_RETURN(result.hits.back().chunk,
                             ReadChunk(source.RowOf(hit.candidate.item), request.parts.vector));
  }
  if (request.explain) result.explanation = ranked.explanation;
  return result;
}

}  // namespace ragmesh::milvus_store
