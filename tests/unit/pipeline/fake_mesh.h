// Six fakes and the collection they fill.
#ifndef RAGMESH_TESTS_UNIT_PIPELINE_FAKE_MESH_H_
#define RAGMESH_TESTS_UNIT_PIPELINE_FAKE_MESH_H_

#include "libs/pipeline/stages.h"
#include "libs/testing/fake_embedder.h"
#include "libs/testing/fake_generator.h"
#include "libs/testing/fake_loader.h"
#include "libs/testing/fake_reranker.h"
#include "libs/testing/fake_splitter.h"
#include "libs/testing/fake_vector_store.h"

namespace ragmesh::pipeline {

struct FakeMesh {
  testing::FakeLoader loader;
  testing::FakeSplitter splitter;
  testing::FakeEmbedder embedder;
  testing::FakeVectorStore store;
  testing::FakeReranker reranker;
  testing::FakeGenerator generator;
  Stages stages{loader, splitter, embedder, store, reranker, generator};
  stages::CollectionId id{"default", "manuals"};

  void MakeCollection(bool lexical_only = false) {
    stages::CollectionConfig config;
    config.id = id;
    if (!lexical_only) {
      config.embedder_digest = embedder.digest;
      config.dimension = testing::FakeEmbedder::kDimension;
    }
    (void)store.CreateCollection(config, CallContext(absl::InfiniteFuture()));
  }
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_TESTS_UNIT_PIPELINE_FAKE_MESH_H_
