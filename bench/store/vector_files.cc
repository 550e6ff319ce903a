#include "bench/store/vector_files.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <random>
#include <utility>
#include <vector>

#include "bench/datasets/ir_dataset.h"
#include "bench/models/bench_models.h"
#include "libs/base/call_context.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/embedding/pooling.h"
#include "libs/testing/test_data.h"

namespace ragmesh::bench {
namespace {

using Texts = std::vector<std::vector<std::uint32_t>>;  // token ids

// The first and last id of each text are marks that each passage gets too.
Texts Passages(const Texts& texts, std::size_t count) {
  constexpr std::size_t kTokens = 48;
  std::size_t begins = 0;
  for (const auto& text : texts)
    begins += text.size() > kTokens + 2 ? text.size() - 2 - kTokens : 1;
  const double stride = static_cast<double>(begins) / static_cast<double>(count);
  Texts passages;
  double at = 0;  // of the next passage, in a text; what is left over goes to the next text
  for (const auto& text : texts) {
    const double last =
        text.size() > kTokens + 2 ? static_cast<double>(text.size() - 2 - kTokens) : 1;
    for (; at < last && passages.size() < count; at += stride) {
      const std::size_t begin = 1 + static_cast<std::size_t>(at);
      const std::size_t end = std::min(begin + kTokens, text.size() - 1);
      std::vector<std::uint32_t> passage = {text.front()};
      passage.insert(passage.end(), text.begin() + static_cast<std::ptrdiff_t>(begin),
                     text.begin() + static_cast<std::ptrdiff_t>(end));
      passage.push_back(text.back());
      passages.push_back(std::move(passage));
    }
    at -= last;
  }
  // Stored in no order that would help.
  std::shuffle(passages.begin(), passages.end(), std::mt19937(5));
  return passages;
}

absl::Status EmbedAll(embedding::BertEmbedder& embedder, const Texts& texts,
                      const std::string& path) {
  constexpr std::size_t kTogether = 2048;
  std::ofstream file(path, std::ios::binary);
  for (std::size_t first = 0; first < texts.size(); first += kTogether) {
    std::vector<embedding::EncoderInput> inputs;
    for (std::size_t i = first; i < std::min(first + kTogether, texts.size()); ++i)
      inputs.push_back({.ids = texts[i]});
    RAGMESH_ASSIGN_OR_RETURN(
        const auto vectors,
        embedder.encoder()->Run(std::move(inputs), embedding::Priority::kPassage,
                                embedding::SentenceVectors(embedder.encoder()->model()),
                                CallContext(absl::InfiniteFuture())));
    for (const auto& vector : vectors) {
      file.write(reinterpret_cast<const char*>(vector.data()),
                 static_cast<std::streamsize>(vector.size() * sizeof(float)));
    }
    std::cerr << first + vectors.size() << " of " << texts.size() << " texts embedded\n";
  }
  file.close();
  return file ? absl::OkStatus() : absl::DataLossError("cannot write " + path);
}

}  // namespace

absl::StatusOr<Vectors> OpenVectors(const std::string& path, std::size_t dimension) {
  RAGMESH_ASSIGN_OR_RETURN(auto file, MappedFile::Open(path));
  return Vectors{std::move(file), dimension};
}

absl::Status EmbedDatasets(const DatasetFiles& files, std::size_t count) {
  const auto scifact = testing::TestData("ir/scifact"),
             cranfield = testing::TestData("ir/cranfield");
  if (!scifact.has_value() || !cranfield.has_value())
    return absl::NotFoundError("RAGMESH_TESTDATA has no ir/scifact or no ir/cranfield");
  RAGMESH_ASSIGN_OR_RETURN(const IrDataset test, LoadBeir(*scifact, "test"));
  RAGMESH_ASSIGN_OR_RETURN(const IrDataset train, LoadBeir(*scifact, "train"));
  RAGMESH_ASSIGN_OR_RETURN(const IrDataset others, LoadCranfield(*cranfield));
  ThreadPool compute("compute", 2, 4096);
  RAGMESH_ASSIGN_OR_RETURN(const auto embedder,
                           OpenEmbedder(compute, "auto", std::nullopt, /*threads=*/2));
  Texts texts;
  for (const IrDataset* dataset : {&test, &others}) {
    for (const IrDocument& document : dataset->documents)
      texts.push_back(embedder->encoder()->Prepare(document.title + " " + document.text).ids);
  }
  RAGMESH_RETURN_IF_ERROR(EmbedAll(*embedder, Passages(texts, count), files.passages));
  const auto questions = [&](std::initializer_list<const IrDataset*> datasets) {
    Texts ids;
    for (const IrDataset* dataset : datasets) {
      for (const IrQuery& query : dataset->queries)
        ids.push_back(embedder->encoder()->Prepare(query.text).ids);
    }
    return ids;
  };
  RAGMESH_RETURN_IF_ERROR(EmbedAll(*embedder, questions({&test, &others}), files.questions));
  return EmbedAll(*embedder, questions({&train}), files.other_questions);
}

}  // namespace ragmesh::bench
