// A gateway over fakes, with a few documents in it.
#ifndef RAGMESH_TESTS_UNIT_PIPELINE_QUESTION_FIXTURE_H_
#define RAGMESH_TESTS_UNIT_PIPELINE_QUESTION_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "libs/pipeline/gateway.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/unit/pipeline/fake_mesh.h"

namespace ragmesh::pipeline {

// Remembers what it was told.
class RecordingObserver final : public Observer {
 public:
  void OnDegraded(absl::string_view stage, absl::string_view reason) override {
    absl::MutexLock lock(&mutex_);
    degraded.emplace_back(stage, reason);
  }
  void OnWastedWork(absl::string_view, absl::Duration, absl::Duration took) override {
    absl::MutexLock lock(&mutex_);
    ++wasted;
    lingered = took;
  }

  std::vector<std::pair<std::string, std::string>> degraded;
  int wasted = 0;
  absl::Duration lingered;

 private:
  absl::Mutex mutex_;
};

class QuestionFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    GatewayOptions options;
    options.ingest.data_folder = folder_.path();
    auto gateway = Gateway::Create(mesh_.stages, options, observer_);
    ASSERT_TRUE(gateway.ok()) << gateway.status();
    gateway_ = *std::move(gateway);
    NewCollection collection;
    collection.name = "manuals";
    ASSERT_TRUE(gateway_->CreateCollection(caller_, collection, call_).ok());
    Put("tesla.txt",
        "Tesla died on 7 January 1943 in New York.\n\nNikola Tesla was an inventor. He never "
        "married. "
        "His patents earned him a considerable amount of money.");
    Put("panthers.txt",
        "# Panthers\n\nThe Panthers defense gave up just 308 points. Kawann Short led the team in "
        "sacks with 11.");
  }

  void Put(const std::string& name, const std::string& text, std::vector<std::string> labels = {}) {
    NewJob job;
    job.collection = "manuals";
    job.sources = {InlineSource{name, text, "", "", ""}};
    job.options.acl_labels = std::move(labels);
    auto made = gateway_->CreateIngestJob(caller_, std::move(job), call_);
    ASSERT_TRUE(made.ok()) << made.status();
    const absl::Status watched = gateway_->ingest().WatchJob(
        caller_, made->id, [](const JobEvent&) { return absl::OkStatus(); }, call_);
    ASSERT_TRUE(watched.ok()) << watched;
  }

  const testing::TempDir folder_;
  FakeMesh mesh_;
  RecordingObserver observer_;
  std::unique_ptr<Gateway> gateway_;
  const Caller caller_;
  const CallContext call_{absl::Now() + absl::Seconds(60)};
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_TESTS_UNIT_PIPELINE_QUESTION_FIXTURE_H_
