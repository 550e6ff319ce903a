// Searching a StoredCollection: what may be found, the ranking, and the records of the hits.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "libs/base/status_macros.h"
#include "libs/lexical/index_search.h"
#include "libs/lexical/query.h"
#include "libs/ranking/neighbours.h"
#include "libs/vector_store/filter_fields.h"
#include "libs/vector_store/image_lists.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/read_consistently.h"
#include "libs/vector_store/stored_collection.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::vector_store {
namespace {

absl::StatusOr<lexical::Query> ReadQuery(const lexical::Analyzer& analyzer,
                                         const stages::SearchRequest& request) {
  if (request.query_syntax == stages::QuerySyntax::kPlain)
    return lexical::PlainQuery(analyzer, request.query_text);
  return lexical::ParseQuery(analyzer, request.query_text);
}

// Of each of `slots`, in their order.
absl::StatusOr<std::vector<std::vector<stages::TermScore>>> ExplainTerms(
    const SearchScope& scope, const std::vector<std::uint32_t>& slots) {
  std::vector<std::uint32_t> ascending = slots;
  std::sort(ascending.begin(), ascending.end());
  RAGMESH_ASSIGN_OR_RETURN(const auto explained, scope.image.ExplainLexical(scope.view, scope.words,
                                                                            scope.bm25, ascending));
  std::vector<std::vector<stages::TermScore>> terms(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const auto at = std::lower_bound(ascending.begin(), ascending.end(), slots[i]);
    for (const lexical::TermScore& term :
         explained[static_cast<std::size_t>(at - ascending.begin())]) {
      terms[i].push_back({term.term, term.times, term.idf, term.frequency, term.norm, term.score});
    }
  }
  return terms;
}

}  // namespace

absl::StatusOr<bool> StoredCollection::AddNeighbours(const ImageView& view,
                                                     absl::Span<const std::uint32_t> slots,
                                                     const stages::NeighbourWindow& window,
                                                     stages::SearchResult* result) const {
  absl::flat_hash_map<std::uint64_t, std::vector<std::uint32_t>> chunks_of;
  std::vector<ranking::Place> places;
  for (const std::uint32_t slot : slots) {
    const std::uint64_t document = view.chunk(slot).document_number;
    const auto [it, inserted] = chunks_of.try_emplace(document);
    if (inserted) it->second = view.ChunksOf(document);
    const auto at = std::find(it->second.begin(), it->second.end(), slot);
    places.push_back({document, static_cast<std::uint32_t>(at - it->second.begin())});
  }
  const auto surroundings = ranking::Surround(places, window, [&](std::uint64_t document) {
    return static_cast<std::uint32_t>(chunks_of[document].size());
  });
  std::vector<std::uint32_t> wanted;
  for (std::size_t i = 0; i < places.size(); ++i) {
    for (const std::uint32_t position : surroundings[i].positions)
      wanted.push_back(chunks_of[places[i].document][position]);
  }
  RAGMESH_ASSIGN_OR_RETURN(auto chunks, FetchChunks(view, wanted, {}));
  if (!chunks.has_value()) return false;
  std::size_t next = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    stages::SearchHit& hit = result->hits[i];
    hit.position = places[i].position;
    hit.run = surroundings[i].run;
    for (const std::uint32_t position : surroundings[i].positions)
      hit.neighbours.push_back({std::move((*chunks)[next++]), position});
  }
  return true;
}

absl::StatusOr<bool> StoredCollection::FillHits(const ImageView& view,
                                                const stages::SearchRequest& request,
                                                const ranking::RankedHits& ranked,
                                                stages::SearchResult* result) const {
  std::vector<std::uint32_t> slots;
  for (const ranking::RankedHit& hit : ranked.hits) slots.push_back(hit.candidate.item);
  RAGMESH_ASSIGN_OR_RETURN(auto chunks, FetchChunks(view, slots, request.parts));
  if (!chunks.has_value()) return false;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    stages::SearchHit hit = ranking::HitOf(request, ranked.hits[i]);
    hit.chunk = std::move((*chunks)[i]);
    result->hits.push_back(std::move(hit));
  }
  if (request.neighbours.before + request.neighbours.after == 0) return true;
  return AddNeighbours(view, slots, request.neighbours, result);
}

absl::StatusOr<stages::SearchResult> StoredCollection::Search(const stages::SearchRequest& asked,
                                                              const CallContext& call) const {
  const absl::Time begun = absl::Now();
  ++resources_->searches;
  auto found = Find(asked, call);
  --resources_->searches;
  if (resources_->observer != nullptr)
    resources_->observer->Searched(asked.mode, absl::Now() - begun, found.status());
  return found;
}

absl::StatusOr<stages::SearchResult> StoredCollection::Find(const stages::SearchRequest& asked,
                                                            const CallContext& call) const {
  const stages::CollectionConfig settings = config();
  RAGMESH_RETURN_IF_ERROR(ValidateSearch(settings, asked));
  stages::SearchRequest request = asked;
  if (!request.fusion.has_value()) request.fusion = settings.fusion;
  if (!request.bm25.has_value()) request.bm25 = {settings.bm25_k1, settings.bm25_b};
  if (!request.lexical_weights.has_value()) request.lexical_weights = settings.lexical_weights;
  lexical::Query words;
  if (request.mode != stages::SearchMode::kDense) {
    RAGMESH_ASSIGN_OR_RETURN(words, ReadQuery(analyzer_, request));
  }
  return ReadConsistently<stages::SearchResult>(
      request.principal_labels, call,
      [&](const ImageView& view) -> absl::StatusOr<std::optional<stages::SearchResult>> {
        StepTimer timer;
        RAGMESH_ASSIGN_OR_RETURN(ChunkSets allowed, AllowedChunks(view, request.filter, call));
        stages::SearchResult result;
        result.sequence = view.sequence();
        result.candidates = allowed.count;
        timer.End("filter");
        // What a text must and must not hold is looked at for the lexical list by itself.
        if (request.mode == stages::SearchMode::kHybrid && lexical::IsConditional(words)) {
          RAGMESH_ASSIGN_OR_RETURN(allowed, image_->MatchingLexical(view, words, allowed));
          timer.End("conditions");
        }
        const bool by_vector = request.mode != stages::SearchMode::kLexical;
        const SearchScope scope{
            *image_,
            view,
            allowed,
            settings.dimension,
            by_vector ? absl::MakeConstSpan(request.query_vector) : absl::Span<const float>(),
            words,
            {request.bm25->k1, request.bm25->b, *request.lexical_weights},
            {resources_->kernels, resources_->executor, resources_->search_threads,
             static_cast<float>(settings.dense_recall)}};
        ImageLists lists(scope, &timer);
        RAGMESH_ASSIGN_OR_RETURN(ranking::RankedHits ranked,
                                 ranking::RankChunks(request, lists, kMaxTopK, call));
        RAGMESH_ASSIGN_OR_RETURN(const bool filled, FillHits(view, request, ranked, &result));
        result.prefix_cut = lists.prefix_cut();
        if (!filled) return std::optional<stages::SearchResult>();
        timer.End("read");
        if (request.explain) {
          std::vector<std::uint32_t> slots;
          for (const ranking::RankedHit& hit : ranked.hits) slots.push_back(hit.candidate.item);
          RAGMESH_ASSIGN_OR_RETURN(auto parts, ExplainTerms(scope, slots));
          for (std::size_t i = 0; i < slots.size(); ++i)
            result.hits[i].explanation->terms = std::move(parts[i]);
          timer.End("explain");
          if (by_vector) ranked.explanation.dense_plan = std::string(lists.DensePlanName());
          ranked.explanation.chunks = view.live_chunks();
          ranked.explanation.allowed = result.candidates;
          ranked.explanation.steps = timer.steps();
          result.explanation = std::move(ranked.explanation);
        }
        return std::optional(std::move(result));
      });
}

}  // namespace ragmesh::vector_store
