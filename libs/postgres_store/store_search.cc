// Searching a PostgresStore: the lists come from the server, the ranking is made here.
#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/lexical/bm25.h"
#include "libs/lexical/query.h"
#include "libs/lexical/query_terms.h"
#include "libs/postgres_store/chunk_reads.h"
#include "libs/postgres_store/lists.h"
#include "libs/postgres_store/postgres_store.h"
#include "libs/ranking/neighbours.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::postgres_store {
namespace {

// Adds to each hit the chunks around it. `documents` are the numbers of their documents.
absl::Status AddNeighbours(Transaction& transaction, const CollectionRow& collection,
                           const std::vector<std::int64_t>& numbers,
                           const std::vector<std::int64_t>& documents,
                           const stages::NeighbourWindow& window, stages::SearchResult* result) {
  std::map<std::int64_t, std::vector<std::int64_t>> chunks_of;
  Statement find;
  find.Add("SELECT c.document, c.number FROM chunks c WHERE c.collection = ",
           find.Int4(collection.number), " AND c.tenant = ", find.Text(collection.scope().tenant),
           " AND c.document = ANY(", find.Int8s(documents),
           ") ORDER BY c.document, c.ordinal, c.id");
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(find));
  for (int i = 0; i < found.rows(); ++i) chunks_of[found.Int8(i, 0)].push_back(found.Int8(i, 1));
  std::vector<ranking::Place> places;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto& of_document = chunks_of[documents[i]];
    const auto at = std::find(of_document.begin(), of_document.end(), numbers[i]);
    places.push_back({static_cast<std::uint64_t>(documents[i]),
                      static_cast<std::uint32_t>(at - of_document.begin())});
  }
  const auto surroundings = ranking::Surround(places, window, [&](std::uint64_t document) {
    return static_cast<std::uint32_t>(chunks_of[static_cast<std::int64_t>(document)].size());
  });
  std::vector<std::int64_t> wanted;
  for (std::size_t i = 0; i < places.size(); ++i) {
    for (const std::uint32_t position : surroundings[i].positions)
      wanted.push_back(chunks_of[documents[i]][position]);
  }
  RAGMESH_ASSIGN_OR_RETURN(auto chunks, FetchChunks(transaction, collection, wanted, {}));
  std::size_t next = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    stages::SearchHit& hit = result->hits[i];
    hit.position = places[i].position;
    hit.run = surroundings[i].run;
    for (const std::uint32_t position : surroundings[i].positions)
      hit.neighbours.push_back({std::move(chunks[next++]), position});
  }
  return absl::OkStatus();
}

absl::Status NoOperators() {
  return MakeError(absl::StatusCode::kUnimplemented,
                   "this store keeps no positions of words, and reads no operators in a query",
                   {.reason = "NO_QUERY_OPERATORS",
                    .field = "query_syntax",
                    .next_step = "Search with the plain query syntax."});
}

}  // namespace

absl::StatusOr<stages::SearchResult> PostgresStore::Search(const stages::SearchRequest& asked,
                                                           const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateId(asked.collection));
  RAGMESH_ASSIGN_OR_RETURN(Transaction transaction, Begin(Transaction::Mode::kRead, call));
  RAGMESH_ASSIGN_OR_RETURN(const CollectionRow collection,
                           FindCollection(transaction, asked.collection, /*lock=*/false));
  const stages::CollectionConfig& settings = collection.config();
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateSearch(settings, asked));
  stages::SearchRequest request = asked;
  if (!request.fusion.has_value()) request.fusion = settings.fusion;
  if (!request.bm25.has_value()) request.bm25 = {settings.bm25_k1, settings.bm25_b};
  if (!request.lexical_weights.has_value()) request.lexical_weights = settings.lexical_weights;
  lexical::Query words;
  if (request.mode != stages::SearchMode::kDense) {
    if (request.query_syntax != stages::QuerySyntax::kPlain) return NoOperators();
    words = lexical::PlainQuery(*AnalyzerOf(settings.language), request.query_text);
  }
  if (request.filter.has_value()) {
    RAGMESH_RETURN_IF_ERROR(
        CheckFilterFields(transaction, collection, request.principal_labels, *request.filter));
  }
  Lists lists(transaction, collection, request);
  RAGMESH_RETURN_IF_ERROR(lists.Prepare(words));
  RAGMESH_ASSIGN_OR_RETURN(ranking::RankedHits ranked,
                           ranking::RankChunks(request, lists, vector_store::kMaxTopK, call));
  stages::SearchResult result;
  result.sequence = collection.sequence;
  std::vector<std::int64_t> numbers, documents;
  for (const ranking::RankedHit& hit : ranked.hits) {
    numbers.push_back(lists.NumberOf(hit.candidate.item));
    documents.push_back(static_cast<std::int64_t>(lists.DocumentOf(hit.candidate.item)));
    result.hits.push_back(ranking::HitOf(request, hit));
  }
  RAGMESH_ASSIGN_OR_RETURN(auto chunks,
                           FetchChunks(transaction, collection, numbers, request.parts));
  for (std::size_t i = 0; i < chunks.size(); ++i) result.hits[i].chunk = std::move(chunks[i]);
  if (request.neighbours.before + request.neighbours.after > 0) {
    RAGMESH_RETURN_IF_ERROR(
        AddNeighbours(transaction, collection, numbers, documents, request.neighbours, &result));
  }
  if (request.explain) {
    RAGMESH_ASSIGN_OR_RETURN(auto terms, lists.ExplainTerms(numbers));
    for (std::size_t i = 0; i < numbers.size(); ++i)
      result.hits[i].explanation->terms = std::move(terms[i]);
    RAGMESH_ASSIGN_OR_RETURN(result.candidates, lists.CountAllowed());
    ranked.explanation.chunks = collection.chunks;
    ranked.explanation.allowed = result.candidates;
    if (request.mode != stages::SearchMode::kLexical) ranked.explanation.dense_plan = lists.plan();
    result.explanation = std::move(ranked.explanation);
  }
  RAGMESH_RETURN_IF_ERROR(transaction.Commit());
  return result;
}

}  // namespace ragmesh::postgres_store
