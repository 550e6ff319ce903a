// The tiny encoder loaded, in any precision of any kernel table.
#ifndef RAGMESH_TESTS_UNIT_EMBEDDING_TINY_MODEL_H_
#define RAGMESH_TESTS_UNIT_EMBEDDING_TINY_MODEL_H_

#include <memory>
#include <string>
#include <vector>

#include "libs/embedding/quantization.h"
#include "tests/unit/embedding/tiny_encoder.h"
#include "tests/unit/linalg/tables.h"

namespace ragmesh::embedding {

// Every kernel table of this processor in every precision it has.
inline std::vector<linalg::InPrecision> PrecisionsOfEveryTable() {
  using linalg::Precision;
  std::vector<linalg::InPrecision> all;
  for (const linalg::Kernels* table : linalg::SupportedKernels()) {
    for (const Precision precision : {Precision::kF32, Precision::kBf16, Precision::kInt8}) {
      if (linalg::Supports(*table, precision)) all.push_back({table, precision});
    }
  }
  return all;
}

// Ten texts of many lengths: about the block of rows that share a pass over the weights, the
// longest the model takes, one of a single token, one with types. Values live as long as this.
class TinyTexts {
 public:
  TinyTexts() {
    for (const std::size_t tokens : {1, 2, 5, 12, 13, 64, 31, 48, 49, 7}) {
      std::vector<std::uint32_t> ids;
      for (std::size_t t = 0; t < tokens; ++t)
        ids.push_back(static_cast<std::uint32_t>((t * t + 3 * tokens) % 40));
      ids_.push_back(std::move(ids));
    }
    for (std::size_t t = 0; t < 64; ++t) types_.push_back(t < 20 ? 0 : 1);
    for (const auto& ids : ids_) {
      texts_.push_back({ids, {}});
      if (ids.size() == types_.size()) texts_.back().types = types_;
    }
  }
  TinyTexts(const TinyTexts&) = delete;
  TinyTexts& operator=(const TinyTexts&) = delete;

  std::size_t size() const { return texts_.size(); }
  const std::vector<std::vector<std::uint32_t>>& ids() const { return ids_; }
  // `count` of them from `first` on, beginning again behind the last.
  std::vector<EncoderText> From(std::size_t first, std::size_t count) const {
    std::vector<EncoderText> texts;
    for (std::size_t i = 0; i < count; ++i) texts.push_back(texts_[(first + i) % size()]);
    return texts;
  }

 private:
  std::vector<std::vector<std::uint32_t>> ids_;
  std::vector<std::uint8_t> types_;
  std::vector<EncoderText> texts_;
};

// Owns the bytes that its models read. Models must not outlive it.
class TinyModels {
 public:
  // int8 is calibrated with TinyTexts, as TextEncoder calibrates with texts of its own.
  std::shared_ptr<const EncoderModel> Load(const linalg::InPrecision& in) const {
    if (in.precision != linalg::Precision::kInt8) return Load(in, nullptr);
    const auto exact = Load({in.table, linalg::Precision::kF32}, nullptr);
    const Calibration calibration = Calibration::Measure(*exact, TinyTexts().ids());
    return Load(in, &calibration);
  }
  // int8 is rounded as it is without `calibration`.
  std::shared_ptr<const EncoderModel> Load(const linalg::InPrecision& in,
                                           const Calibration* calibration) const {
    const auto file = model_files::Safetensors::Parse(bytes_, "tiny");
    const auto config = ReadEncoderConfig(**file, {.heads = 2});
    return *EncoderModel::Load(*file, *config, *in.table, in.precision, calibration);
  }

 private:
  const std::string bytes_ = ToSafetensors(TinyWeights());
};

}  // namespace ragmesh::embedding

#endif  // RAGMESH_TESTS_UNIT_EMBEDDING_TINY_MODEL_H_
