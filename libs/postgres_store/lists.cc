#include "libs/postgres_store/lists.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/postgres_store/chunk_reads.h"
#include "libs/postgres_store/schema.h"

namespace ragmesh::postgres_store {
namespace {

using ranking::ListedChunk;

// How many more chunks than are wanted the server gives, so that those whose scores are equal but
// for rounding are put in order here.
constexpr std::size_t kSpare = 32;

// Of the graph: candidates kept while it is walked, and rows looked at for the sake of a filter.
constexpr std::size_t kLeastEf = 100, kMostEf = 1000;
constexpr int kMostScanned = 200'000;

}  // namespace

Lists::Lists(Transaction& transaction, const CollectionRow& collection,
             const stages::SearchRequest& request)
    : transaction_(transaction),
      collection_(collection),
      request_(request),
      bm25_{request.bm25->k1, request.bm25->b, *request.lexical_weights},
      scorer_(bm25_, collection.statistics) {}

absl::Status Lists::Prepare(const lexical::Query& words) {
  std::vector<std::string> terms;
  for (const lexical::Clause& clause : words.clauses) {
    for (const lexical::PlacedTerm& term : clause.terms) terms.push_back(term.term);
  }
  for (lexical::QueryTerm& term : lexical::DistinctTerms(terms))
    words_.push_back({std::move(term), 0, 0});
  if (!words_.empty()) {
    std::vector<std::string> distinct;
    absl::flat_hash_map<std::string, std::size_t> place;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      distinct.push_back(words_[i].term.term);
      place[words_[i].term.term] = i;
    }
    Statement find;
    find.Add("SELECT term, id, chunks FROM terms WHERE collection = ",
             find.Int4(collection_.number), " AND term = ANY(", find.ByteArrays(distinct), ")");
    RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction_.Query(find));
    for (int i = 0; i < found.rows(); ++i) {
      Word& word = words_[place.at(found.String(i, 0))];
      if (found.Int8(i, 2) <= 0) continue;
      word.id = found.Int8(i, 1);
      word.idf = scorer_.Idf(found.Uint(i, 2));
      word.term.weight = word.term.times * word.idf;
    }
  }
  return request_.mode == stages::SearchMode::kLexical ? absl::OkStatus() : LookForGraph();
}

absl::Status Lists::LookForGraph() {
  Statement look;
  look.Add(
      "SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a "
      "ON a.oid = c.relam WHERE a.amname = 'hnsw' AND i.indisvalid AND i.indrelid = to_regclass(",
      look.Text(VectorsTable(collection_.number)), "))");
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction_.Query(look));
  graph_ = found.Bool(0, 0);
  return absl::OkStatus();
}

std::uint32_t Lists::ItemOf(std::int64_t number, std::int64_t document, std::string id) {
  const auto [it, inserted] =
      item_of_.try_emplace(number, static_cast<std::uint32_t>(items_.size()));
  if (inserted) items_.push_back({number, document, std::move(id)});
  return it->second;
}

std::string Lists::Allowed(Statement* statement) const {
  std::string condition = VisibleSql(collection_.scope(), request_.principal_labels, statement);
  if (request_.filter.has_value())
    absl::StrAppend(&condition, " AND ", FilterSql(*request_.filter, statement));
  return condition;
}

std::vector<ListedChunk> Lists::Best(std::vector<ListedChunk> list, std::size_t limit) const {
  std::sort(list.begin(), list.end(), [this](const ListedChunk& a, const ListedChunk& b) {
    return a.score != b.score ? a.score > b.score : items_[a.item].id < items_[b.item].id;
  });
  if (list.size() > limit) list.resize(limit);
  return list;
}

absl::StatusOr<std::vector<ListedChunk>> Lists::DenseList(std::size_t limit, const CallContext&) {
  if (graph_) {
    RAGMESH_RETURN_IF_ERROR(transaction_.Run(absl::StrCat(
        "SET LOCAL hnsw.iterative_scan = strict_order; SET LOCAL hnsw.max_scan_tuples = ",
        kMostScanned,
        "; SET LOCAL hnsw.ef_search = ", std::clamp(limit + kSpare, kLeastEf, kMostEf))));
  }
  Statement find;
  const std::string distance =
      absl::StrCat("v.vector <#> ", find.Float4s(request_.query_vector), "::vector");
  const std::string allowed = Allowed(&find);
  find.Add(
      "SELECT x.chunk, x.document, c.id, x.distance FROM (SELECT v.chunk, v.document, ", distance,
      " AS distance FROM ", VectorsTable(collection_.number),
      " v JOIN documents d ON d.number = v.document AND d.tenant = v.tenant WHERE ", allowed,
      " ORDER BY ", distance, " LIMIT ", limit + kSpare,
      ") x JOIN chunks c ON c.number = x.chunk AND c.collection = ", find.Int4(collection_.number));
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction_.Query(find));
  std::vector<ListedChunk> list;
  for (int i = 0; i < found.rows(); ++i) {
    list.push_back(
        {ItemOf(found.Int8(i, 0), found.Int8(i, 1), found.String(i, 2)), -found.Float8(i, 3)});
  }
  return Best(std::move(list), limit);
}

absl::StatusOr<std::vector<ListedChunk>> Lists::LexicalList(std::size_t limit, const CallContext&) {
  std::vector<std::int64_t> ids;
  std::vector<double> weights;
  for (const Word& word : words_) {
    if (word.id == 0) continue;
    ids.push_back(word.id);
    weights.push_back(word.term.weight);
  }
  std::vector<ListedChunk> list;
  if (ids.empty()) return list;
  Statement find;
  // lexical::Scorer in SQL.
  std::string frequency = "p.occurrences::float8", length = "e.total_length::float8";
  if (!scorer_.plain()) {
    const std::string title = find.Float8(bm25_.weights[0]);
    const std::string heading = find.Float8(bm25_.weights[1]);
    const std::string body = find.Float8(bm25_.weights[2]);
    const auto weighted = [&](const char* all, const char* in_title, const char* in_heading) {
      return absl::StrCat(title, " * ", in_title, " + ", heading, " * ", in_heading, " + ", body,
                          " * greatest(0, ", all, " - ", in_title, " - ", in_heading, ")");
    };
    frequency = weighted("p.occurrences", "p.in_title", "p.in_heading");
    length = weighted("e.total_length", "e.title_length", "e.heading_length");
  }
  const std::string norm =
      absl::StrCat(find.Float8(bm25_.k1 * (1 - bm25_.b)), " + ",
                   find.Float8(bm25_.k1 * bm25_.b / scorer_.average_length()), " * (", length, ")");
  const std::string allowed = Allowed(&find);
  find.Add(
      "SELECT x.chunk, x.document, c.id FROM (SELECT f.chunk, f.document, sum(f.weight * "
      "f.frequency / (f.frequency + f.norm)) AS score FROM (SELECT e.chunk, e.document, "
      "q.weight, ",
      frequency, " AS frequency, ", norm, " AS norm FROM unnest(", find.Int8s(ids), ", ",
      find.Float8s(weights),
      ") AS q(term, weight) JOIN postings p ON p.term = q.term JOIN entries e ON e.chunk = "
      "p.chunk JOIN documents d ON d.collection = e.collection AND d.number = e.document AND "
      "d.tenant = e.tenant WHERE e.collection = ",
      find.Int4(collection_.number), " AND ", allowed,
      ") f WHERE f.frequency > 0 GROUP BY f.chunk, f.document ORDER BY score DESC LIMIT ",
      limit + kSpare,
      ") x JOIN chunks c ON c.number = x.chunk AND c.collection = ", find.Int4(collection_.number));
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction_.Query(find));
  std::vector<std::int64_t> numbers;
  for (int i = 0; i < found.rows(); ++i) {
    numbers.push_back(found.Int8(i, 0));
    list.push_back({ItemOf(found.Int8(i, 0), found.Int8(i, 1), found.String(i, 2)), 0});
  }
  RAGMESH_ASSIGN_OR_RETURN(const auto terms, ExplainTerms(numbers));
  for (std::size_t i = 0; i < list.size(); ++i) {
    for (const stages::TermScore& term : terms[i]) list[i].score += term.score;
  }
  return Best(std::move(list), limit);
}

absl::StatusOr<std::vector<std::vector<stages::TermScore>>> Lists::ExplainTerms(
    const std::vector<std::int64_t>& numbers) {
  std::vector<std::vector<stages::TermScore>> terms(numbers.size());
  std::vector<std::int64_t> ids;
  absl::flat_hash_map<std::int64_t, std::size_t> place;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    if (words_[i].id == 0) continue;
    ids.push_back(words_[i].id);
    place[words_[i].id] = i;
  }
  if (ids.empty() || numbers.empty()) return terms;
  Statement read;
  read.Add(
      "SELECT p.chunk, p.term, p.occurrences, p.in_title::integer, p.in_heading::integer, "
      "e.total_length, e.title_length, e.heading_length FROM postings p JOIN entries e ON "
      "e.chunk = p.chunk WHERE e.collection = ",
      read.Int4(collection_.number), " AND e.tenant = ", read.Text(collection_.scope().tenant),
      " AND p.term = ANY(", read.Int8s(ids), ") AND p.chunk = ANY(", read.Int8s(numbers), ")");
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction_.Query(read));
  absl::flat_hash_map<std::int64_t, std::vector<std::pair<std::size_t, int>>> rows_of;
  for (int i = 0; i < found.rows(); ++i)
    rows_of[found.Int8(i, 0)].emplace_back(place.at(found.Int8(i, 1)), i);
  for (std::size_t n = 0; n < numbers.size(); ++n) {
    const auto it = rows_of.find(numbers[n]);
    if (it == rows_of.end()) continue;
    std::sort(it->second.begin(), it->second.end());  // in the order of the query's words
    for (const auto& [at, row] : it->second) {
      const lexical::Occurrences of{static_cast<std::uint16_t>(found.Int4(row, 2)),
                                    static_cast<std::uint8_t>(found.Int4(row, 3)),
                                    static_cast<std::uint8_t>(found.Int4(row, 4))};
      const lexical::Lengths lengths{static_cast<std::uint32_t>(found.Int8(row, 5)),
                                     static_cast<std::uint16_t>(found.Int4(row, 6)),
                                     static_cast<std::uint16_t>(found.Int4(row, 7))};
      const double frequency = scorer_.Frequency(of), norm = scorer_.Norm(lengths);
      if (!(frequency > 0)) continue;
      const Word& word = words_[at];
      terms[n].push_back({word.term.term, word.term.times, word.idf, frequency, norm,
                          lexical::Scorer::Contribution(word.term.weight, frequency, norm)});
    }
  }
  return terms;
}

absl::Status Lists::FillScores(std::vector<ranking::Candidate>* candidates, const CallContext&) {
  std::vector<std::int64_t> without_dense, without_lexical;
  for (const ranking::Candidate& candidate : *candidates) {
    const std::int64_t number = NumberOf(candidate.item);
    if (!candidate.dense_score.has_value()) without_dense.push_back(number);
    if (!candidate.lexical_score.has_value()) without_lexical.push_back(number);
  }
  absl::flat_hash_map<std::int64_t, double> dense, lexical;
  if (!without_dense.empty()) {
    Statement read;
    read.Add("SELECT v.chunk, v.vector <#> ", read.Float4s(request_.query_vector), "::vector FROM ",
             VectorsTable(collection_.number),
             " v WHERE v.tenant = ", read.Text(collection_.scope().tenant), " AND v.chunk = ANY(",
             read.Int8s(without_dense), ")");
    RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction_.Query(read));
    for (int i = 0; i < found.rows(); ++i) dense[found.Int8(i, 0)] = -found.Float8(i, 1);
  }
  if (!without_lexical.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(const auto terms, ExplainTerms(without_lexical));
    for (std::size_t i = 0; i < terms.size(); ++i) {
      double& score = lexical[without_lexical[i]];
      for (const stages::TermScore& term : terms[i]) score += term.score;
    }
  }
  for (ranking::Candidate& candidate : *candidates) {
    const std::int64_t number = NumberOf(candidate.item);
    if (!candidate.dense_score.has_value()) candidate.dense_score = dense[number];
    if (!candidate.lexical_score.has_value()) candidate.lexical_score = lexical[number];
  }
  return absl::OkStatus();
}

absl::Status Lists::PrepareCosines(const std::vector<std::uint32_t>& items, const CallContext&) {
  std::vector<std::int64_t> numbers;
  for (const std::uint32_t item : items) numbers.push_back(NumberOf(item));
  RAGMESH_ASSIGN_OR_RETURN(vectors_, FetchVectors(transaction_, collection_, numbers));
  return absl::OkStatus();
}

double Lists::Cosine(std::uint32_t a, std::uint32_t b) const {
  const auto x = vectors_.find(NumberOf(a)), y = vectors_.find(NumberOf(b));
  if (x == vectors_.end() || y == vectors_.end()) return 0;
  double dot = 0;
  for (std::size_t i = 0; i < x->second.size(); ++i)
    dot += static_cast<double>(x->second[i]) * y->second[i];
  return dot;
}

absl::StatusOr<std::uint64_t> Lists::CountAllowed() {
  Statement count;
  count.Add(
      "SELECT count(*) FROM documents d JOIN entries e ON e.collection = d.collection AND "
      "e.document = d.number AND e.tenant = d.tenant WHERE ",
      Allowed(&count));
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction_.Query(count));
  return found.Uint(0, 0);
}

}  // namespace ragmesh::postgres_store
