// What a forward pass and a hostile file allocate. A program of its own, since it replaces the
// operators new and aligned_alloc, by which everything in libs/embedding and libs/linalg gets its
// memory.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

#include "libs/testing/status_matchers.h"
#include "tests/unit/embedding/tiny_model.h"

namespace {

std::atomic<std::size_t> objects{0};         // by operator new, of any thread
std::atomic<std::size_t> largest_object{0};  // bytes of the largest of them
std::atomic<std::size_t> buffers{0};         // by aligned_alloc: linalg::AlignedBytes

void* Allocate(std::size_t size, std::size_t alignment) {
  void* memory = nullptr;
  if (posix_memalign(&memory, std::max(alignment, sizeof(void*)), std::max<std::size_t>(1, size)))
    return nullptr;
  return memory;
}

void* New(std::size_t size, std::align_val_t alignment) {
  ++objects;
  if (size > largest_object) largest_object = size;
  void* const memory = Allocate(size, static_cast<std::size_t>(alignment));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
  ++buffers;
  return Allocate(size, alignment);
}

// Those for arrays and those that do not throw call these, as the standard has it.
void* operator new(std::size_t size) {
  return New(size, std::align_val_t{__STDCPP_DEFAULT_NEW_ALIGNMENT__});
}
void* operator new(std::size_t size, std::align_val_t alignment) { return New(size, alignment); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace ragmesh::embedding {
namespace {

class EncoderAllocationTest : public ::testing::TestWithParam<linalg::InPrecision> {
 protected:
  // What one pass takes.
  struct Taken {
    std::size_t objects = 0;
    std::size_t buffers = 0;
  };
  Taken Forward(const std::vector<EncoderText>& texts, ComputePool* pool) {
    const Taken before = {objects.load(), buffers.load()};
    const auto go_on = [](std::size_t) { return true; };
    const auto on_pool = [&](std::size_t items, auto work) { pool->Run(items, work); };
    const bool done = pool == nullptr ? model_->Forward(texts, &workspace_, go_on)
                                      : model_->Forward(texts, &workspace_, go_on, on_pool);
    const Taken after = {objects.load(), buffers.load()};
    EXPECT_TRUE(done);
    return {after.objects - before.objects, after.buffers - before.buffers};
  }

  const TinyTexts texts_;
  const TinyModels models_;
  const std::shared_ptr<const EncoderModel> model_ = models_.Load(GetParam());
  EncoderWorkspace workspace_{*model_, 3};
  ComputePool pool_{3};
};

TEST_P(EncoderAllocationTest, APassAllocatesNothingOnceOneAsLargeHasBeen) {
  const std::vector<EncoderText> largest = texts_.From(0, texts_.size());
  const Taken first = Forward(largest, &pool_);
  EXPECT_GT(first.objects, 0u);  // the counters count
  EXPECT_GT(first.buffers, 0u);
  for (std::size_t begin = 0; begin < texts_.size(); ++begin) {
    for (const std::size_t count : {10, 1, 7, 2}) {
      const Taken taken = Forward(texts_.From(begin, count), count == 7 ? nullptr : &pool_);
      EXPECT_EQ(taken.objects, 0u) << count << " texts from " << begin;
      EXPECT_EQ(taken.buffers, 0u) << count << " texts from " << begin;
    }
  }
}

TEST_P(EncoderAllocationTest, ALargerPassTakesWhatItNeedsOnce) {
  const std::vector<EncoderText> texts = texts_.From(0, texts_.size());
  Forward({texts[0]}, nullptr);
  EXPECT_GT(Forward({texts[0], texts[1], texts[2]}, nullptr).buffers, 0u);
  EXPECT_GT(Forward(texts, nullptr).buffers, 0u);
  EXPECT_EQ(Forward({texts[0], texts[1], texts[2]}, nullptr).buffers, 0u);
  EXPECT_EQ(Forward(texts, nullptr).buffers, 0u);
}

TEST(EncoderWeightsAllocationTest, AFileThatClaimsMoreThanItHoldsTakesNoMoreThanItHolds) {
  // Tables as wide as a model may be, over layers of width 32: half a megabyte that asks for
  // a product of three gigabytes.
  std::vector<TinyTensor> tensors = TinyWeights();
  for (TinyTensor& tensor : tensors) {
    if (!absl::StartsWith(tensor.name, "embeddings.")) continue;
    tensor =
        MakeTinyTensor(tensor.name, tensor.shape.size() == 2 ? std::vector<std::uint64_t>{2, 16384}
                                                             : std::vector<std::uint64_t>{16384});
  }
  const std::string bytes = ToSafetensors(tensors);
  const auto file = model_files::Safetensors::Parse(bytes, "wide");
  ASSERT_THAT(file, testing::IsOk());
  const auto config = ReadEncoderConfig(**file, {});
  ASSERT_THAT(config, testing::IsOk());
  largest_object = 0;
  EXPECT_THAT(EncoderModel::Load(*file, *config, linalg::DefaultKernels(), linalg::Precision::kF32),
              testing::StatusIs(absl::StatusCode::kDataLoss, ::testing::HasSubstr("[32, 32]")));
  EXPECT_LT(largest_object, bytes.size());
}

INSTANTIATE_TEST_SUITE_P(EveryTable, EncoderAllocationTest,
                         ::testing::ValuesIn(PrecisionsOfEveryTable()),
                         [](const auto& info) { return linalg::Name(info.param); });

}  // namespace
}  // namespace ragmesh::embedding
