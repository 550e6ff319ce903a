#include "libs/postgres_store/chunk_reads.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/postgres_store/schema.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/unknown_field.h"

namespace ragmesh::postgres_store {
namespace {

constexpr std::size_t kTokensPerStep = 16;  // read between two looks at their bytes

absl::Status AddTokens(Transaction& transaction, const CollectionRow& collection,
                       const std::vector<std::int64_t>& numbers,
                       std::vector<stages::StoredChunk>* chunks) {
  std::size_t bytes = 0;
  for (std::size_t first = 0; first < numbers.size(); first += kTokensPerStep) {
    const std::size_t count = std::min(kTokensPerStep, numbers.size() - first);
    Statement read;
    read.Add("SELECT number, tokens FROM chunks WHERE collection = ", read.Int4(collection.number),
             " AND tenant = ", read.Text(collection.scope().tenant),
             " AND tokens IS NOT NULL AND number = ANY(",
             read.Int8s(absl::MakeConstSpan(numbers).subspan(first, count)), ")");
    RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(read));
    absl::flat_hash_map<std::int64_t, int> rows;
    for (int i = 0; i < found.rows(); ++i) rows[found.Int8(i, 0)] = i;
    for (std::size_t i = first; i < first + count; ++i) {
      const auto it = rows.find(numbers[i]);
      if (it == rows.end()) continue;
      bytes += found.Bytes(it->second, 1).size();
      if (bytes > vector_store::kMaxTokenBytesPerAnswer) return absl::OkStatus();
      RAGMESH_ASSIGN_OR_RETURN((*chunks)[i].tokens,
                               vector_store::DecodeTokens(found.Bytes(it->second, 1)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<stages::StoredChunk>> FetchChunks(
    Transaction& transaction, const CollectionRow& collection,
    const std::vector<std::int64_t>& numbers, stages::ChunkParts parts) {
  std::vector<stages::StoredChunk> chunks(numbers.size());
  if (numbers.empty()) return chunks;
  Statement read;
  read.Add("SELECT number, record FROM chunks WHERE collection = ", read.Int4(collection.number),
           " AND tenant = ", read.Text(collection.scope().tenant), " AND number = ANY(",
           read.Int8s(numbers), ")");
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(read));
  absl::flat_hash_map<std::int64_t, int> rows;
  for (int i = 0; i < found.rows(); ++i) rows[found.Int8(i, 0)] = i;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const auto it = rows.find(numbers[i]);
    if (it == rows.end())
      return Corrupt(absl::StrCat("chunk ", numbers[i]), "is missing", "Restore the database.");
    RAGMESH_ASSIGN_OR_RETURN(vector_store::ChunkRecord record,
                             vector_store::DecodeChunk(found.Bytes(it->second, 1)));
    chunks[i] = std::move(record.chunk);
  }
  if (parts.vector && collection.config().dimension > 0) {
    RAGMESH_ASSIGN_OR_RETURN(const auto vectors, FetchVectors(transaction, collection, numbers));
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const auto it = vectors.find(numbers[i]);
      if (it != vectors.end()) chunks[i].vector = it->second;
    }
  }
  if (parts.tokens) RAGMESH_RETURN_IF_ERROR(AddTokens(transaction, collection, numbers, &chunks));
  return chunks;
}

absl::StatusOr<std::map<std::int64_t, std::vector<float>>> FetchVectors(
    Transaction& transaction, const CollectionRow& collection,
    const std::vector<std::int64_t>& numbers) {
  Statement read;
  read.Add("SELECT chunk, vector::real[] FROM ", VectorsTable(collection.number),
           " WHERE tenant = ", read.Text(collection.scope().tenant), " AND chunk = ANY(",
           read.Int8s(numbers), ")");
  RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(read));
  std::map<std::int64_t, std::vector<float>> vectors;
  for (int i = 0; i < found.rows(); ++i) {
    std::vector<float> vector = ReadFloat4s(found.Bytes(i, 1));
    if (vector.size() != collection.config().dimension) {
      return Corrupt(absl::StrCat("vector of chunk ", found.Int8(i, 0)), "has another length",
                     "Restore the database.");
    }
    vectors[found.Int8(i, 0)] = std::move(vector);
  }
  return vectors;
}

absl::Status CheckFilterFields(Transaction& transaction, const CollectionRow& collection,
                               const std::vector<std::string>& labels,
                               const stages::Filter& filter) {
  for (const absl::string_view field : vector_store::FieldsOf(filter)) {
    const std::string name(field);
    Statement ask;
    const std::string visible = VisibleSql(collection.scope(), labels, &ask);
    ask.Add(
        "SELECT EXISTS (SELECT FROM documents d JOIN fields f ON f.collection = d.collection "
        "AND f.document = d.number AND f.field = ",
        ask.Bytes(name), " WHERE ", visible, "), EXISTS (SELECT FROM documents d WHERE ", visible,
        ")");
    RAGMESH_ASSIGN_OR_RETURN(const Result known, transaction.Query(ask));
    if (known.Bool(0, 0) || !known.Bool(0, 1)) continue;
    Statement names;
    names.Add(
        "SELECT DISTINCT f.field FROM fields f JOIN documents d ON f.collection = "
        "d.collection AND f.document = d.number WHERE ",
        VisibleSql(collection.scope(), labels, &names), " LIMIT ",
        vector_store::kMaxFieldNamesKept);
    RAGMESH_ASSIGN_OR_RETURN(const Result found, transaction.Query(names));
    std::set<std::string> near;
    for (int i = 0; i < found.rows(); ++i) near.insert(found.String(i, 0));
    return vector_store::UnknownField(name, near);
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::postgres_store
