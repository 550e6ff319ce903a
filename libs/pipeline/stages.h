// What the gateway's core is built over: one object per stage, in this process or behind a client.
#ifndef RAGMESH_LIBS_PIPELINE_STAGES_H_
#define RAGMESH_LIBS_PIPELINE_STAGES_H_

#include <string>
#include <vector>

#include "libs/stages/embedder.h"
#include "libs/stages/generator.h"
#include "libs/stages/loader.h"
#include "libs/stages/reranker.h"
#include "libs/stages/splitter.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::pipeline {

// Borrowed; each must outlive the gateway and be thread-safe.
struct Stages {
  stages::Loader& loader;
  stages::Splitter& splitter;
  stages::Embedder& embedder;
  stages::VectorStore& vector_store;
  stages::Reranker& reranker;
  stages::Generator& generator;
  // Of the model that collections are changing to; null while none are.
  stages::Embedder* next_embedder = nullptr;
};

// Who asks. Everything a request reads or writes stays within the tenant and what the labels cover.
struct Caller {
  std::string tenant = "default";
  std::vector<std::string> labels = {"public"};
  std::string name;  // of the key, for logs; empty without keys
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_STAGES_H_
