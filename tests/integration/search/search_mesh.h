// A gateway and a real vector store, each behind a real gRPC server, and fakes for the other
// stages: what a search says has crossed both contracts.
#ifndef RAGMESH_TESTS_INTEGRATION_SEARCH_SEARCH_MESH_H_
#define RAGMESH_TESTS_INTEGRATION_SEARCH_SEARCH_MESH_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <ragmesh/gateway/v1/gateway.grpc.pb.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/rpc/status.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/unit/pipeline/fake_mesh.h"

namespace ragmesh::services {

class SearchMesh : public ::testing::Test {
 protected:
  SearchMesh();
  ~SearchMesh() override;

  void SetUp() override;
  void TearDown() override;

  // Of the gateway.
  std::string address() const;

  void Create(const std::string& name, bool lexical_only);
  gateway::v1::GetCollectionResponse Manuals();
  // A chunk a paragraph.
  void Put(const std::string& collection, const std::string& name, const std::string& text,
           stages::Metadata metadata = {});
  absl::StatusOr<gateway::v1::SearchResponse> Search(const gateway::v1::SearchRequest& request);

  const testing::TempDir folder_;
  pipeline::FakeMesh fakes_;
  testing::FakeEmbedder next_embedder_;  // no collection is bound to it unless a test changes that
  std::unique_ptr<stages::VectorStore> store_;
  std::unique_ptr<gateway::v1::GatewayService::Stub> stub_;

 private:
  struct Parts;  // in a file of its own: the services take half a minute to compile
  std::unique_ptr<Parts> parts_;
};

}  // namespace ragmesh::services

#endif  // RAGMESH_TESTS_INTEGRATION_SEARCH_SEARCH_MESH_H_
