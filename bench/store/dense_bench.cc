// dense_bench: our side of the rows of `./dev bench store` about vectors. Reads one JSON request a
// line and answers with one JSON object a line, as the peers under bench/peers do.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "bench/store/vector_files.h"
#include "bench/worker/json_lines.h"
#include "libs/base/call_context.h"
#include "libs/base/status_macros.h"
#include "libs/linalg/gemm.h"
#include "libs/vector_index/list_builder.h"
#include "libs/vector_index/list_index.h"
#include "libs/vector_index/slot_set.h"
#include "libs/vector_index/top_k.h"

namespace ragmesh::bench {
namespace {

using nlohmann::json;
using vector_index::ScoredSlot;

double Seconds(const std::function<void()>& work) {
  const absl::Time begin = absl::Now();
  work();
  return absl::ToDoubleSeconds(absl::Now() - begin);
}

// Bytes that are appended, then read at a multiple of 64.
class Memory {
 public:
  absl::Status Append(absl::string_view bytes) {
    bytes_.append(bytes.data(), bytes.size());
    return absl::OkStatus();
  }
  absl::string_view Aligned() {
    memory_.Reserve(bytes_.size());
    std::memcpy(memory_.data(), bytes_.data(), bytes_.size());
    const absl::string_view view(reinterpret_cast<const char*>(memory_.data()), bytes_.size());
    bytes_ = {};
    return view;
  }

 private:
  std::string bytes_;
  linalg::AlignedBytes memory_;
};

class Worker {
 public:
  absl::StatusOr<json> Answer(const std::string& op, const json& request) {
    if (op == "info") return json{{"name", "ragmesh"}, {"version", kernels_.name}};
    if (op == "embed") {
      RAGMESH_RETURN_IF_ERROR(
          EmbedDatasets({request.at("base"), request.at("queries"), request.at("margins_for")},
                        request.at("count")));
      return json::object();
    }
    if (op == "build") return Build(request);
    if (op == "grow") return Grow(request);
    if (op == "truth") return Truth(request);
    if (op == "search") return Search(request);
    return absl::InvalidArgumentError("unknown op " + op);
  }

 private:
  // The vectors of the file that "margins_for" names, if any.
  absl::Span<const float> MarginQueries() const {
    return {margin_queries_.data(), margin_queries_.rows() * margin_queries_.dimension};
  }

  absl::StatusOr<json> Build(const json& request) {
    if (request.contains("margins_for")) {
      RAGMESH_ASSIGN_OR_RETURN(margin_queries_,
                               OpenVectors(request["margins_for"], request.at("dimension")));
    }
    RAGMESH_ASSIGN_OR_RETURN(base_, OpenVectors(request.at("base"), request.at("dimension")));
    const auto read = [&](absl::Span<const std::uint32_t> rows, float* out) {
      for (const std::uint32_t row : rows) {
        std::memcpy(out, base_.row(row), base_.dimension * sizeof(float));
        out += base_.dimension;
      }
      return absl::OkStatus();
    };
    const absl::Span<const float> margin_queries =
        request.contains("margins_for") ? MarginQueries() : absl::Span<const float>();
    absl::Status status;
    Memory lists, bytes, exact;
    double plan_seconds = 0;
    const double seconds = Seconds([&] {
      const absl::Time begin = absl::Now();
      auto builder = vector_index::ListBuilder::Plan(kernels_, base_.dimension,
                                                     static_cast<std::uint32_t>(base_.rows()),
                                                     request.value("lists", 0u), read, call_);
      plan_seconds = absl::ToDoubleSeconds(absl::Now() - begin);
      status.Update(builder.status());
      if (!status.ok()) return;
      order_.assign(builder->order().begin(), builder->order().end());
      const auto to = [](Memory* memory) {
        return [memory](absl::string_view part) { return memory->Append(part); };
      };
      status.Update(
          builder->Write(read, margin_queries, to(&lists), to(&bytes), to(&exact), call_));
    });
    RAGMESH_RETURN_IF_ERROR(status);
    lists_ = std::move(lists);
    bytes_ = std::move(bytes);
    exact_ = std::move(exact);
    const absl::string_view codes = lists_.Aligned(), rows = bytes_.Aligned();
    exact_rows_ = reinterpret_cast<const float*>(exact_.Aligned().data());
    RAGMESH_ASSIGN_OR_RETURN(auto index, vector_index::ListIndex::Open(codes, rows));
    index_ = std::make_unique<vector_index::ListIndex>(std::move(index));
    json margins = json::array();
    for (const float target : vector_index::kRecallTargets) {
      margins.push_back({target, index_->MarginsFor(target).list, index_->MarginsFor(target).code});
    }
    return json{{"seconds", seconds},
                {"plan_seconds", plan_seconds},
                {"lists", index_->lists().size()},
                {"margins", margins},
                {"memory_bytes", codes.size() + rows.size()}};
  }

  // More vectors like those of the index: each is one of them, moved up to 0.6 of the way to one of
  // its 32 nearest, and by up to the whole difference of another one and one of its nearest. Grown
  // tenfold from 10,000 real vectors, neighbours lie as near as among 100,000 real ones.
  absl::StatusOr<json> Grow(const json& request) {
    constexpr std::size_t kNeighbours = 32;
    const std::size_t n = base_.rows(), dimension = base_.dimension;
    std::vector<std::uint32_t> nearest;
    const auto margins = index_->MarginsFor(0.95f);
    vector_index::SlotSet all = All();
    for (std::size_t row = 0; row < n; ++row) {
      auto found = Nearest(base_.row(row), kNeighbours + 1, margins, all, n);
      std::erase(found, static_cast<std::uint32_t>(row));
      for (std::size_t i = 0; i < kNeighbours; ++i) nearest.push_back(found[i]);
    }
    std::mt19937_64 random(7);
    std::uniform_real_distribution<float> share(0, 1);
    std::ofstream file(std::string(request.at("path")), std::ios::binary);
    std::vector<float> row(dimension);
    for (std::size_t i = 0; i < request.at("count"); ++i) {
      const std::size_t a = random() % n, c = random() % n;
      const float* const b = base_.row(nearest[a * kNeighbours + random() % kNeighbours]);
      const float* const d = base_.row(nearest[c * kNeighbours + random() % kNeighbours]);
      const float near = 0.6f * share(random), far = share(random);
      std::copy_n(base_.row(a), dimension, row.begin());
      kernels_.add_scaled(-near, base_.row(a), row.data(), dimension);
      kernels_.add_scaled(near, b, row.data(), dimension);
      kernels_.add_scaled(far, base_.row(c), row.data(), dimension);
      kernels_.add_scaled(-far, d, row.data(), dimension);
      kernels_.scale(1 / std::sqrt(kernels_.dot(row.data(), row.data(), dimension)), row.data(),
                     dimension);
      file.write(reinterpret_cast<const char*>(row.data()),
                 static_cast<std::streamsize>(dimension * sizeof(float)));
    }
    file.close();
    if (!file) return absl::DataLossError("the grown vectors could not be written");
    return json{{"rows", request.at("count")}};
  }

  vector_index::SlotSet All() const { return Some(1); }

  // About so large a share of all rows, the same ones always.
  vector_index::SlotSet Some(double share) const {
    vector_index::SlotSet some(index_->rows());
    std::mt19937_64 random(11);
    std::vector<bool> picked(index_->rows());
    std::uniform_real_distribution<double> uniform(0, 1);
    for (std::uint32_t row = 0; row < index_->rows(); ++row) picked[row] = uniform(random) < share;
    for (std::uint32_t row = 0; row < index_->rows(); ++row) {
      if (picked[order_[row]]) some.Add(row);
    }
    return some;
  }

  // Rows of the file, best first.
  std::vector<std::uint32_t> Nearest(const float* vector, std::size_t k,
                                     const vector_index::SearchMargins& margins,
                                     const vector_index::SlotSet& allowed,
                                     std::uint64_t allowed_count) {
    const vector_index::CodedQuery query(index_->frame(), vector, margins.code);
    vector_index::Shortlist shortlist(k, index_->frame().byte_slack());
    index_->Search(kernels_, query, margins, allowed.words(), allowed_count, 0, &shortlist);
    auto entries = shortlist.Take();
    candidates_ += entries.size();
    const std::size_t dimension = base_.dimension;
    const auto row = [&](const auto& entry) { return exact_rows_ + entry.row * dimension; };
    for (const auto& entry : entries) {
      for (std::size_t i = 0; i < dimension; i += 16) __builtin_prefetch(row(entry) + i);
    }
    for (auto& entry : entries) entry.score = kernels_.dot(vector, row(entry), dimension);
    const std::size_t kept = std::min(k, entries.size());
    std::partial_sort(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(kept),
                      entries.end(),
                      [](const auto& a, const auto& b) { return a.score > b.score; });
    std::vector<std::uint32_t> found;
    for (std::size_t i = 0; i < kept; ++i) found.push_back(order_[entries[i].row]);
    return found;
  }

  // Exact answers, by brute force, among a "share" of all rows, to which searches from now on keep.
  absl::StatusOr<json> Truth(const json& request) {
    allowed_ = Some(request.value("share", 1.0));
    std::vector<bool> allowed(base_.rows());
    for (std::uint32_t row = 0; row < base_.rows(); ++row)
      allowed[order_[row]] = allowed_.Contains(row);
    RAGMESH_ASSIGN_OR_RETURN(queries_, OpenVectors(request.at("queries"), base_.dimension));
    const std::size_t k = request.value("k", 10);
    truth_.assign(queries_.rows(), {});
    const auto first = [](std::uint32_t a, std::uint32_t b) { return a < b; };
    std::vector<vector_index::TopK> best;
    for (std::size_t q = 0; q < queries_.rows(); ++q) best.emplace_back(k, first);
    linalg::PackedMatrix packed(kernels_, linalg::Precision::kF32);
    packed.Pack(queries_.data(), queries_.rows(), base_.dimension);
    constexpr std::size_t kRows = 48;
    linalg::PackedRows rows(kernels_, linalg::Precision::kF32, base_.dimension);
    std::vector<float> products(kRows * queries_.rows());
    for (std::size_t row = 0; row < base_.rows(); row += kRows) {
      const std::size_t count = std::min(kRows, base_.rows() - row);
      rows.Reset(count);
      for (std::size_t r = 0; r < count; ++r) rows.Set(r, base_.row(row + r));
      packed.Multiply(rows, 0, count, {}, products.data(), queries_.rows());
      for (std::size_t r = 0; r < count; ++r) {
        if (!allowed[row + r]) continue;
        for (std::size_t q = 0; q < queries_.rows(); ++q)
          best[q].Offer(static_cast<std::uint32_t>(row + r), products[r * queries_.rows() + q]);
      }
    }
    json ids = json::array();
    for (std::size_t q = 0; q < queries_.rows(); ++q) {
      for (const ScoredSlot& slot : best[q].Take()) truth_[q].push_back(slot.slot);
      ids.push_back(truth_[q]);
    }
    return json{{"ids", ids}};
  }

  absl::StatusOr<json> Search(const json& request) {
    vector_index::SearchMargins margins = index_->MarginsFor(request.value("recall", 0.99f));
    margins.list = request.value("list_margin", margins.list);
    margins.code = request.value("code_margin", margins.code);
    const std::size_t k = request.value("k", 10);
    const std::uint64_t allowed_count = allowed_.Count();
    json seconds = json::array(), median = json::array();
    std::size_t hits = 0, wanted = 0;
    const std::size_t n = queries_.rows();
    for (int run = -1; run < request.value("runs", 3); ++run) {
      std::vector<double> each(n);
      hits = wanted = 0;
      for (std::size_t q = 0; q < n; ++q) {
        const absl::Time begin = absl::Now();
        const std::vector<std::uint32_t> found =
            Nearest(queries_.row(q), k, margins, allowed_, allowed_count);
        each[q] = absl::ToDoubleSeconds(absl::Now() - begin);
        for (const std::uint32_t id : found)
          hits += std::count(truth_[q].begin(), truth_[q].end(), id) > 0 ? 1 : 0;
        wanted += truth_[q].size();
      }
      if (run < 0) continue;
      seconds.push_back(std::accumulate(each.begin(), each.end(), 0.0) / static_cast<double>(n));
      std::sort(each.begin(), each.end());
      median.push_back(each[n / 2]);
    }
    return json{{"recall", static_cast<double>(hits) / static_cast<double>(wanted)},
                {"candidates", static_cast<double>(std::exchange(candidates_, 0)) /
                                   static_cast<double>(n) / (1 + request.value("runs", 3))},
                {"seconds", seconds},
                {"median", median}};
  }

  const linalg::Kernels& kernels_ = linalg::DefaultKernels();
  Vectors base_, queries_, margin_queries_;
  std::vector<std::vector<std::uint32_t>> truth_;
  std::vector<std::uint32_t> order_;
  vector_index::SlotSet allowed_;
  Memory lists_, bytes_, exact_;
  const float* exact_rows_ = nullptr;
  std::unique_ptr<vector_index::ListIndex> index_;
  std::size_t candidates_ = 0;
  CallContext call_{absl::InfiniteFuture()};
};

int Main() {
  Worker worker;
  return AnswerLines(
      [&](const std::string& op, const json& request) { return worker.Answer(op, request); });
}

}  // namespace
}  // namespace ragmesh::bench

int main() { return ragmesh::bench::Main(); }
