// A mixed load that two processes can know without talking: step n of a load does the same to a
// store and to a plain map, whatever became of the steps before it.
#ifndef RAGMESH_TESTS_PROOF_VECTOR_STORE_WORKLOAD_H_
#define RAGMESH_TESTS_PROOF_VECTOR_STORE_WORKLOAD_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/vector_store/store.h"
#include "tests/proof/vector_store/model.h"

namespace ragmesh::vector_store {

inline constexpr std::uint32_t kLoadDimension = 8;

// What one collection must hold; nullopt while there is none.
using Expected = std::optional<Model>;

// One load, on a collection of its own. Not thread-safe.
class Load {
 public:
  Load(std::uint64_t seed, std::uint64_t writer) : seed_(seed), writer_(writer) {}

  stages::CollectionId collection() const;
  // Does step `n` to the store: writes, replaces, adds, deletes by each selector, drops and makes
  // the collection. OK also when the step finds nothing to do. `keyed`: under an idempotency key,
  // where the step is a write or a delete.
  absl::Status Do(std::uint64_t n, bool keyed, Store* store) const;
  void Apply(std::uint64_t n, Expected* expected) const;

 private:
  std::uint64_t seed_, writer_;
};

// All of a collection, in an order of its own: settings, documents with their texts, labels and
// versions, chunks with their vectors and tokens. Two stores that answer alike have the same.
absl::StatusOr<std::string> Contents(Store* store, const stages::CollectionId& id);
std::string Contents(const Expected& expected);

// What a store answers to searches of every mode, and its counts, held against brute force. Empty:
// they are equal; otherwise what differs. An error of the store is a difference.
std::string DifferencesOfAnswers(Store* store, const stages::CollectionId& id,
                                 const Expected& expected);

// Every error of the store says what it is and what to do.
bool IsTyped(const absl::Status& status);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_TESTS_PROOF_VECTOR_STORE_WORKLOAD_H_
