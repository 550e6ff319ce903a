// The lists of one search, from PostgreSQL.
#ifndef RAGMESH_LIBS_POSTGRES_STORE_LISTS_H_
#define RAGMESH_LIBS_POSTGRES_STORE_LISTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/lexical/bm25.h"
#include "libs/lexical/query.h"
#include "libs/lexical/query_terms.h"
#include "libs/postgres_store/postgres_store.h"
#include "libs/postgres_store/transaction.h"
#include "libs/ranking/chunk_ranking.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::postgres_store {

// Tenant, labels and filter are in every statement that finds a chunk. BM25 is summed twice: by the
// server, whose order chooses somewhat more chunks than are wanted, and of these here, term by term
// as the built-in store does, so that scores are the same bits. Not thread-safe.
class Lists final : public ranking::ListSource {
 public:
  // All borrowed. `request` must be valid, its fusion, bm25 and lexical weights set.
  Lists(Transaction& transaction, const CollectionRow& collection,
        const stages::SearchRequest& request);

  // Looks up the words of the query, and whether vectors have a graph. Before anything else.
  absl::Status Prepare(const lexical::Query& words);

  absl::StatusOr<std::vector<ranking::ListedChunk>> DenseList(std::size_t limit,
                                                              const CallContext& call) override;
  absl::StatusOr<std::vector<ranking::ListedChunk>> LexicalList(std::size_t limit,
                                                                const CallContext& call) override;
  absl::Status FillScores(std::vector<ranking::Candidate>* candidates,
                          const CallContext& call) override;
  absl::Status PrepareCosines(const std::vector<std::uint32_t>& items,
                              const CallContext& call) override;
  double Cosine(std::uint32_t a, std::uint32_t b) const override;
  absl::string_view ChunkId(std::uint32_t item) const override { return items_[item].id; }
  std::uint64_t DocumentOf(std::uint32_t item) const override {
    return static_cast<std::uint64_t>(items_[item].document);
  }

  std::int64_t NumberOf(std::uint32_t item) const { return items_[item].number; }
  const char* plan() const { return graph_ ? "HNSW graph" : "exact scan"; }
  // What each term adds to the scores of these chunks.
  absl::StatusOr<std::vector<std::vector<stages::TermScore>>> ExplainTerms(
      const std::vector<std::int64_t>& numbers);
  // Chunks that tenant, labels and filter allow.
  absl::StatusOr<std::uint64_t> CountAllowed();

 private:
  struct Item {
    std::int64_t number = 0;
    std::int64_t document = 0;
    std::string id;
  };
  struct Word {
    lexical::QueryTerm term;
    std::int64_t id = 0;  // in the table terms; 0: no chunk holds it
    double idf = 0;
  };

  std::uint32_t ItemOf(std::int64_t number, std::int64_t document, std::string id);
  std::string Allowed(Statement* statement) const;
  absl::Status LookForGraph();
  std::vector<ranking::ListedChunk> Best(std::vector<ranking::ListedChunk> list,
                                         std::size_t limit) const;

  Transaction& transaction_;
  const CollectionRow& collection_;
  const stages::SearchRequest& request_;
  const lexical::Bm25 bm25_;
  const lexical::Scorer scorer_;
  std::vector<Word> words_;  // distinct, in order of their first occurrence
  bool graph_ = false;
  std::vector<Item> items_;
  absl::flat_hash_map<std::int64_t, std::uint32_t> item_of_;  // by number
  std::map<std::int64_t, std::vector<float>> vectors_;        // of PrepareCosines, by number
};

}  // namespace ragmesh::postgres_store

#endif  // RAGMESH_LIBS_POSTGRES_STORE_LISTS_H_
