#include "libs/metrics/registry.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "libs/base/check.h"

namespace ragmesh::metrics {
namespace {

constexpr char kOther[] = "other";

class PromCounter final : public Counter {
 public:
  explicit PromCounter(prometheus::Counter& counter) : counter_(counter) {}
  void Increment(double by) override { counter_.Increment(by); }

 private:
  prometheus::Counter& counter_;
};

class PromGauge final : public Gauge {
 public:
  explicit PromGauge(prometheus::Gauge& gauge) : gauge_(gauge) {}
  void Set(double value) override { gauge_.Set(value); }
  void Add(double by) override { gauge_.Increment(by); }

 private:
  prometheus::Gauge& gauge_;
};

class PromHistogram final : public Histogram {
 public:
  explicit PromHistogram(prometheus::Histogram& histogram) : histogram_(histogram) {}
  void Observe(double value) override { histogram_.Observe(value); }

 private:
  prometheus::Histogram& histogram_;
};

// Makes one series for given label values.
template <typename Series>
using Maker = std::function<std::unique_ptr<Series>(const std::map<std::string, std::string>&)>;

template <typename Series>
class PromFamily final : public Family<Series> {
 public:
  PromFamily(const Labels& labels, Maker<Series> make) : labels_(labels), make_(std::move(make)) {
    std::vector<std::string> values(labels.size());
    AddAll(0, values);
  }

  Series& With(std::initializer_list<absl::string_view> values) override {
    RAGMESH_CHECK(values.size() == labels_.size(), "one value for each label");
    std::vector<std::string> key(values.begin(), values.end());
    for (std::size_t i = 0; i < key.size(); ++i) {
      const auto& closed = labels_[i].values;
      if (std::find(closed.begin(), closed.end(), key[i]) == closed.end()) key[i] = kOther;
    }
    absl::MutexLock lock(&mutex_);
    return Add(key);
  }

 private:
  void AddAll(std::size_t i, std::vector<std::string>& values) {
    if (i == labels_.size()) {
      absl::MutexLock lock(&mutex_);
      Add(values);
      return;
    }
    for (const std::string& value : labels_[i].values) {
      values[i] = value;
      AddAll(i + 1, values);
    }
  }

  Series& Add(const std::vector<std::string>& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto& series = series_[key];
    if (series == nullptr) {
      std::map<std::string, std::string> prom_labels;
      for (std::size_t i = 0; i < key.size(); ++i) prom_labels[labels_[i].name] = key[i];
      series = make_(prom_labels);
    }
    return *series;
  }

  const Labels labels_;
  const Maker<Series> make_;
  absl::Mutex mutex_;
  std::map<std::vector<std::string>, std::unique_ptr<Series>> series_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

struct Registry::State {
  prometheus::Registry registry;
  absl::Mutex mutex;
  std::set<std::string> names ABSL_GUARDED_BY(mutex);
  std::vector<std::unique_ptr<Family<Counter>>> counters ABSL_GUARDED_BY(mutex);
  std::vector<std::unique_ptr<Family<Gauge>>> gauges ABSL_GUARDED_BY(mutex);
  std::vector<std::unique_ptr<Family<Histogram>>> histograms ABSL_GUARDED_BY(mutex);
  std::vector<absl::AnyInvocable<void()>> callbacks ABSL_GUARDED_BY(mutex);

  void Claim(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    RAGMESH_CHECK(names.insert(name).second, ("metric made twice: " + name).c_str());
  }
};

const std::vector<double>& SecondsBuckets() {
  static const auto* const bounds = new std::vector<double>{
      0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
  return *bounds;
}

const std::vector<double>& CountBuckets() {
  static const auto* const bounds =
      new std::vector<double>{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
  return *bounds;
}

Registry::Registry() : state_(std::make_unique<State>()) {}
Registry::~Registry() = default;

Family<Counter>& Registry::Counters(const std::string& name, const std::string& help,
                                    const Labels& labels) {
  absl::MutexLock lock(&state_->mutex);
  state_->Claim(name);
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(state_->registry);
  state_->counters.push_back(std::make_unique<PromFamily<Counter>>(
      labels,
      [&family](const auto& values) { return std::make_unique<PromCounter>(family.Add(values)); }));
  return *state_->counters.back();
}

Family<Gauge>& Registry::Gauges(const std::string& name, const std::string& help,
                                const Labels& labels) {
  absl::MutexLock lock(&state_->mutex);
  state_->Claim(name);
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(state_->registry);
  state_->gauges.push_back(std::make_unique<PromFamily<Gauge>>(
      labels,
      [&family](const auto& values) { return std::make_unique<PromGauge>(family.Add(values)); }));
  return *state_->gauges.back();
}

Family<Histogram>& Registry::Histograms(const std::string& name, const std::string& help,
                                        const Labels& labels, const std::vector<double>& bounds) {
  absl::MutexLock lock(&state_->mutex);
  state_->Claim(name);
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(state_->registry);
  state_->histograms.push_back(
      std::make_unique<PromFamily<Histogram>>(labels, [&family, bounds](const auto& values) {
        return std::make_unique<PromHistogram>(family.Add(values, bounds));
      }));
  return *state_->histograms.back();
}

void Registry::AddInfo(const std::string& name, const std::string& help,
                       const std::vector<std::pair<std::string, std::string>>& facts) {
  absl::MutexLock lock(&state_->mutex);
  state_->Claim(name);
  prometheus::BuildGauge()
      .Name(name)
      .Help(help)
      .Register(state_->registry)
      .Add({facts.begin(), facts.end()})
      .Set(1);
}

void Registry::OnScrape(absl::AnyInvocable<void()> callback) {
  absl::MutexLock lock(&state_->mutex);
  state_->callbacks.push_back(std::move(callback));
}

std::string Registry::Expose() {
  {
    absl::MutexLock lock(&state_->mutex);
    for (auto& callback : state_->callbacks) callback();
  }
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

}  // namespace ragmesh::metrics
