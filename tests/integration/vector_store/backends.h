// The stores that the contract is held against.
#ifndef RAGMESH_TESTS_INTEGRATION_VECTOR_STORE_BACKENDS_H_
#define RAGMESH_TESTS_INTEGRATION_VECTOR_STORE_BACKENDS_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/stages/vector_store.h"
#include "libs/testing/test_data.h"

namespace ragmesh::testing {

// One place where a store keeps its data. A server is started once for the whole test program.
class Backend {
 public:
  virtual ~Backend() = default;
  // Why it cannot be used here; empty when it can.
  virtual std::string Missing() = 0;
  // A store on data of its own, empty at first.
  virtual std::unique_ptr<stages::VectorStore> Open() = 0;
};

// "builtin", "postgres", "postgres_graph", "milvus".
std::unique_ptr<Backend> MakeBackend(const std::string& name);
std::vector<std::string> BackendNames();

}  // namespace ragmesh::testing

#endif  // RAGMESH_TESTS_INTEGRATION_VECTOR_STORE_BACKENDS_H_
