// The packed matrices of an encoder as a file: made once, then mapped by every process of the
// machine, which share its pages. docs/formats/packed-weights.md has every byte.
#ifndef RAGMESH_LIBS_EMBEDDING_PACKED_WEIGHTS_H_
#define RAGMESH_LIBS_EMBEDDING_PACKED_WEIGHTS_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/embedding/encoder_weights.h"
#include "libs/embedding/quantization.h"
#include "libs/linalg/gemm.h"
#include "libs/linalg/kernels.h"
#include "libs/model_files/safetensors.h"

namespace ragmesh::embedding {

// What packed weights are made of and made for. The kernel table is part of it, and not its layout
// alone: what rounding costs depends on the table's attention too, and so do the last bits.
struct PackedKey {
  std::string source;  // SHA-256 of the weights they were made of
  std::string recipe;  // digest of all else that they follow from
  const linalg::Kernels& kernels;
  linalg::Precision precision;

  // FOLDER/<source>.<precision>.<kernels>.safetensors
  std::string PathIn(absl::string_view folder) const;
};

// One file, mapped read-only. Immutable and thread-safe; what was read from it dies with it.
class PackedWeights {
 public:
  // Puts the file in place of what is at `path`, atomically, so that any number of processes may
  // write at a time; those who have the old one mapped keep it.
  static absl::Status Write(const std::string& path, const PackedKey& key,
                            const EncoderWeights& weights, const Agreement& agreement);

  // Reads all of it once, for its checksum. NOT_FOUND; DATA_LOSS when damaged;
  // FAILED_PRECONDITION / DERIVED_FILE_STALE when it is for another key or of another format.
  static absl::StatusOr<std::shared_ptr<const PackedWeights>> Open(const std::string& path,
                                                                   const PackedKey& key);

  // What the weights cost, as measured when they were made.
  const Agreement& agreement() const { return agreement_; }

  // Makes `linear`, which has the key's kernels and precision, that product of that layer.
  // DATA_LOSS when the file has no such product of that shape.
  absl::Status Read(std::size_t layer, LayerProduct product, std::size_t outputs,
                    std::size_t inputs, LinearWeights* linear) const;

 private:
  PackedWeights(std::shared_ptr<const model_files::Safetensors> file, Agreement agreement)
      : file_(std::move(file)), agreement_(agreement) {}

  absl::StatusOr<absl::Span<const float>> Floats(const std::string& name, std::size_t size) const;

  const std::shared_ptr<const model_files::Safetensors> file_;
  const Agreement agreement_;
};

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_PACKED_WEIGHTS_H_
