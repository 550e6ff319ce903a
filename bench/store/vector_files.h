// Files of vectors, floats one behind the other, for the benchmark of the vector store.
#ifndef RAGMESH_BENCH_STORE_VECTOR_FILES_H_
#define RAGMESH_BENCH_STORE_VECTOR_FILES_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/mapped_file.h"

namespace ragmesh::bench {

struct Vectors {
  std::shared_ptr<const MappedFile> file;
  std::size_t dimension = 0;
  const float* data() const { return reinterpret_cast<const float*>(file->bytes().data()); }
  std::size_t rows() const { return file->bytes().size() / sizeof(float) / dimension; }
  const float* row(std::size_t i) const { return data() + i * dimension; }
};

absl::StatusOr<Vectors> OpenVectors(const std::string& path, std::size_t dimension);

struct DatasetFiles {
  std::string passages, questions, other_questions;
};

// Writes real vectors of the default embedder: `count` passages of 48 tokens, cut out of the
// documents of SciFact and Cranfield so close to one another that they overlap; the judged
// questions of both; and those of SciFact's training part. Progress goes to stderr.
absl::Status EmbedDatasets(const DatasetFiles& files, std::size_t count);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_STORE_VECTOR_FILES_H_
