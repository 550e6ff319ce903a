#include "libs/vector_index/flat_search.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>

#include "absl/synchronization/mutex.h"
#include "libs/base/check.h"
#include "libs/base/status_macros.h"

namespace ragmesh::vector_index {
namespace {

constexpr std::uint32_t kRowsPerBlock = 1024;  // a thread takes at a time

// Below this many floats a scan is done before another thread has woken up (about 0.2 ms).
constexpr std::uint64_t kFloatsWorthAThread = 1 << 20;

// Shared between the caller and its workers. A worker that starts after the last block was taken
// touches nothing but `next_block`, so the caller's arguments may be gone by then.
struct Scan {
  const RowView* view;
  absl::Span<const float> query;
  const SlotSet* allowed;
  const linalg::Kernels* kernels;
  const CallContext* call;
  std::uint32_t block_count = 0;
  std::atomic<std::uint32_t> next_block{0};
  std::atomic<bool> stopped{false};
  absl::Mutex mutex;
  std::uint32_t blocks_done ABSL_GUARDED_BY(mutex) = 0;
  TopK best ABSL_GUARDED_BY(mutex);

  Scan(std::size_t k, TieBreak comes_first) : best(k, comes_first) {}
};

void ScanBlock(const Scan& scan, std::uint32_t block, TopK* best) {
  const RowView& view = *scan.view;
  const std::uint32_t begin = block * kRowsPerBlock;
  const std::uint32_t end = std::min(view.rows, begin + kRowsPerBlock);
  std::array<float, 64> scores;
  for (std::uint32_t row = begin; row < end; row += 64) {
    const std::uint64_t wanted =
        row / 64 < scan.allowed->words().size() ? scan.allowed->words()[row / 64] : 0;
    if (wanted == 0) continue;
    const std::uint32_t count = std::min<std::uint32_t>(64, end - row);
    // Scoring all 64 in one run beats picking when most are wanted; dot and dot_rows agree bit for
    // bit.
    if (std::popcount(wanted) >= 32) {
      scan.kernels->dot_rows(scan.query.data(), view.Row(row), view.stride, count, view.dimension,
                             scores.data());
      for (std::uint32_t i = 0; i < count; ++i) {
        if ((wanted >> i) & 1) best->Offer(row + i, scores[i]);
      }
    } else {
      for (std::uint32_t i = 0; i < count; ++i) {
        if (((wanted >> i) & 1) == 0) continue;
        best->Offer(row + i,
                    scan.kernels->dot(scan.query.data(), view.Row(row + i), view.dimension));
      }
    }
  }
}

// Takes blocks until there are none left.
void Work(Scan* scan, std::size_t k, TieBreak comes_first) {
  TopK best(k, comes_first);
  std::uint32_t done = 0;
  for (std::uint32_t block; (block = scan->next_block.fetch_add(1)) < scan->block_count; ++done) {
    if (scan->stopped.load(std::memory_order_relaxed))
      continue;  // still counted, so that the caller wakes
    ScanBlock(*scan, block, &best);
    if (!scan->call->Check().ok()) scan->stopped = true;
  }
  if (done == 0) return;
  const std::vector<ScoredSlot> found = best.Take();
  absl::MutexLock lock(&scan->mutex);
  for (const ScoredSlot& slot : found) scan->best.Offer(slot.slot, slot.score);
  scan->blocks_done += done;
}

bool AllDone(Scan* scan) ABSL_SHARED_LOCKS_REQUIRED(scan->mutex) {
  return scan->blocks_done == scan->block_count;
}

}  // namespace

absl::StatusOr<std::vector<ScoredSlot>> FlatSearch(
    const RowView& view, absl::Span<const float> query, const SlotSet& allowed, std::size_t k,
    TieBreak comes_first, const FlatSearchOptions& options, const CallContext& call) {
  RAGMESH_CHECK(query.size() == view.dimension, "a query has the index's dimension");
  RAGMESH_RETURN_IF_ERROR(call.Check());
  auto scan = std::make_shared<Scan>(k, comes_first);
  scan->view = &view;
  scan->query = query;
  scan->allowed = &allowed;
  scan->kernels = options.kernels;
  scan->call = &call;
  scan->block_count = (view.rows + kRowsPerBlock - 1) / kRowsPerBlock;
  const std::uint64_t floats = static_cast<std::uint64_t>(view.rows) * view.dimension;
  const auto worth =
      static_cast<int>(std::min<std::uint64_t>(floats / kFloatsWorthAThread + 1, 1024));
  const int helpers = options.executor == nullptr ? 0 : std::min(options.max_threads, worth) - 1;
  for (int i = 0; i < helpers; ++i) {
    if (!options.executor->TrySubmit([scan, k, comes_first] { Work(scan.get(), k, comes_first); }))
      break;
  }
  Work(scan.get(), k, comes_first);
  absl::MutexLock lock(&scan->mutex);
  scan->mutex.Await(absl::Condition(&AllDone, scan.get()));
  RAGMESH_RETURN_IF_ERROR(call.Check());
  return scan->best.Take();
}

}  // namespace ragmesh::vector_index
