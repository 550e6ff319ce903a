// Counters, gauges and histograms with closed label sets, and their text exposition for Prometheus.
//
//   auto& calls = registry.Counters("ragmesh_embedder_requests_total", "Calls answered.",
//                                   {{"method", {"Embed", "Info"}}, {"code", {"OK",
//                                   "CANCELLED"}}});
//   calls.With({"Embed", "OK"}).Increment();
//
// Every combination of label values exists from the start, at zero, so the first scrape shows all
// series and a rate over them is right. A value outside the set is counted under "other": the
// number of series has a bound whatever happens.
#ifndef RAGMESH_LIBS_METRICS_REGISTRY_H_
#define RAGMESH_LIBS_METRICS_REGISTRY_H_

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"

namespace ragmesh::metrics {

// Handles to one series. Thread-safe and cheap; valid as long as the Registry.
class Counter {
 public:
  virtual ~Counter() = default;
  virtual void Increment(double by = 1) = 0;  // `by` is not negative
};
class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void Set(double value) = 0;
  virtual void Add(double by) = 0;
};
class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void Observe(double value) = 0;
};

struct Label {
  std::string name;
  std::vector<std::string> values;  // the closed set
};
using Labels = std::vector<Label>;

// All series of one metric. `With` takes one value per label, in the labels' order.
template <typename Series>
class Family {
 public:
  virtual ~Family() = default;
  virtual Series& With(std::initializer_list<absl::string_view> values) = 0;
};

// Upper bounds in seconds from 1 ms to 60 s, for anything a caller waits for.
const std::vector<double>& SecondsBuckets();
// Upper bounds 1, 2, 4 ... 4096, for batch sizes and counts.
const std::vector<double>& CountBuckets();

// Thread-safe. Making the same metric twice is a programmer error and ends the process.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Family<Counter>& Counters(const std::string& name, const std::string& help, const Labels& labels);
  Family<Gauge>& Gauges(const std::string& name, const std::string& help, const Labels& labels);
  Family<Histogram>& Histograms(const std::string& name, const std::string& help,
                                const Labels& labels, const std::vector<double>& bounds);

  // One series without labels.
  Counter& AddCounter(const std::string& name, const std::string& help) {
    return Counters(name, help, {}).With({});
  }
  Gauge& AddGauge(const std::string& name, const std::string& help) {
    return Gauges(name, help, {}).With({});
  }
  Histogram& AddHistogram(const std::string& name, const std::string& help,
                          const std::vector<double>& bounds) {
    return Histograms(name, help, {}, bounds).With({});
  }

  // A gauge "<name>" of constant value 1 whose labels carry facts, such as a version or a model
  // digest.
  void AddInfo(const std::string& name, const std::string& help,
               const std::vector<std::pair<std::string, std::string>>& facts);

  // Runs `callback` before each exposition, to set gauges from what they measure. It must not call
  // the registry.
  void OnScrape(absl::AnyInvocable<void()> callback);

  // Text format 0.0.4.
  std::string Expose();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ragmesh::metrics

#endif  // RAGMESH_LIBS_METRICS_REGISTRY_H_
