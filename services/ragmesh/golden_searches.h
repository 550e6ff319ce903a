// Asks a gateway every question of a golden set under one setting after another.
#ifndef RAGMESH_SERVICES_RAGMESH_GOLDEN_SEARCHES_H_
#define RAGMESH_SERVICES_RAGMESH_GOLDEN_SEARCHES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/tuning/golden_set.h"
#include "libs/tuning/tune.h"
#include "services/ragmesh/gateway_connection.h"

namespace ragmesh::cli {

// Searches as the gateway serves them, without the reranker. Each question is embedded once.
class GoldenSearches {
 public:
  // All borrowed. `top_k` hits are asked for, of different documents where a question names
  // documents; `parallel` calls run at a time.
  GoldenSearches(GatewayConnection& gateway, const ragmesh::gateway::v1::Collection& collection,
                 const std::vector<tuning::GoldenQuestion>& questions, std::uint32_t top_k,
                 int parallel)
      : gateway_(gateway),
        collection_(collection),
        questions_(questions),
        top_k_(top_k),
        parallel_(parallel) {}

  bool hybrid() const { return !collection_.embedder_digest().empty(); }

  // Fetches the questions' vectors, when the collection has any. `on_done(questions)` is called as
  // it goes on.
  absl::Status Embed(absl::FunctionRef<void(std::size_t)> on_done);

  // One ranking a question. `on_done` is called once a question, from any thread, one at a time.
  absl::StatusOr<tuning::Rankings> RankAll(const tuning::Settings& settings,
                                           absl::FunctionRef<void()> on_done) const;

 private:
  absl::StatusOr<std::vector<std::string>> RankOne(std::size_t question,
                                                   const tuning::Settings& settings) const;

  GatewayConnection& gateway_;
  const ragmesh::gateway::v1::Collection& collection_;
  const std::vector<tuning::GoldenQuestion>& questions_;
  const std::uint32_t top_k_;
  const int parallel_;
  std::vector<std::vector<float>> vectors_;  // by question; empty in a lexical-only collection
};

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_GOLDEN_SEARCHES_H_
