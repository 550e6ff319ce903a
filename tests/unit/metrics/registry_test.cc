#include "libs/metrics/registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ragmesh::metrics {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RegistryTest, ShowsEverySeriesAtZeroBeforeTheFirstEvent) {
  Registry registry;
  registry.Counters("calls_total", "Calls.",
                    {{"method", {"Embed", "Info"}}, {"code", {"OK", "INTERNAL"}}});
  const std::string text = registry.Expose();
  EXPECT_THAT(text, HasSubstr("# TYPE calls_total counter"));
  EXPECT_THAT(text, HasSubstr("calls_total{code=\"OK\",method=\"Embed\"} 0"));
  EXPECT_THAT(text, HasSubstr("calls_total{code=\"INTERNAL\",method=\"Info\"} 0"));
}

TEST(RegistryTest, CountsUnderTheGivenLabels) {
  Registry registry;
  auto& calls = registry.Counters("calls_total", "Calls.", {{"method", {"Embed", "Info"}}});
  calls.With({"Embed"}).Increment();
  calls.With({"Embed"}).Increment(2);
  EXPECT_THAT(registry.Expose(), HasSubstr("calls_total{method=\"Embed\"} 3"));
  EXPECT_THAT(registry.Expose(), HasSubstr("calls_total{method=\"Info\"} 0"));
}

TEST(RegistryTest, CountsUnknownLabelValuesAsOther) {
  Registry registry;
  auto& calls = registry.Counters("calls_total", "Calls.", {{"method", {"Embed"}}});
  calls.With({"x' or 1=1"}).Increment();
  calls.With({"another"}).Increment();
  EXPECT_THAT(registry.Expose(), HasSubstr("calls_total{method=\"other\"} 2"));
  EXPECT_THAT(registry.Expose(), Not(HasSubstr("another")));
}

TEST(RegistryTest, PutsObservationsIntoBuckets) {
  Registry registry;
  auto& seconds = registry.AddHistogram("wait_seconds", "Wait.", {0.1, 1});
  seconds.Observe(0.05);
  seconds.Observe(0.5);
  seconds.Observe(5);
  const std::string text = registry.Expose();
  EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{le=\"0.1\"} 1"));
  EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{le=\"1\"} 2"));
  EXPECT_THAT(text, HasSubstr("wait_seconds_bucket{le=\"+Inf\"} 3"));
  EXPECT_THAT(text, HasSubstr("wait_seconds_count 3"));
}

TEST(RegistryTest, ReadsGaugesAtEachScrape) {
  Registry registry;
  int depth = 0;
  auto& gauge = registry.AddGauge("queue_depth", "Depth.");
  registry.OnScrape([&] { gauge.Set(depth); });
  depth = 7;
  EXPECT_THAT(registry.Expose(), HasSubstr("queue_depth 7"));
  depth = 2;
  EXPECT_THAT(registry.Expose(), HasSubstr("queue_depth 2"));
}

TEST(RegistryTest, StatesFactsAsLabelsOfAnInfoMetric) {
  Registry registry;
  registry.AddInfo("build_info", "Build.", {{"version", "0.1.0"}});
  EXPECT_THAT(registry.Expose(), HasSubstr("build_info{version=\"0.1.0\"} 1"));
}

TEST(RegistryDeathTest, RefusesTheSameMetricTwice) {
  Registry registry;
  registry.AddCounter("calls_total", "Calls.");
  EXPECT_DEATH(registry.AddCounter("calls_total", "Calls."), "metric made twice");
}

}  // namespace
}  // namespace ragmesh::metrics
