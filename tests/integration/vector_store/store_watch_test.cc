#include "services/vector_store/store_watch.h"

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/testing/fake_vector_store.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::services {
namespace {

class StoreWatchTest : public ::testing::Test {
 protected:
  // Whether a report came that is OK, or not, behind the first `seen`.
  bool AwaitReport(bool ok, std::size_t seen = 0) {
    absl::MutexLock lock(&mutex_);
    const auto came = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      for (std::size_t i = seen; i < reports_.size(); ++i) {
        if (reports_[i].ok() == ok) return true;
      }
      return false;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&came), absl::Seconds(30));
  }
  std::size_t seen() {
    absl::MutexLock lock(&mutex_);
    return reports_.size();
  }
  std::unique_ptr<StoreWatch> Watch(absl::Duration interval) {
    return std::make_unique<StoreWatch>(store_, interval, [this](const absl::Status& readiness) {
      absl::MutexLock lock(&mutex_);
      reports_.push_back(readiness);
    });
  }

  const std::shared_ptr<testing::FakeVectorStore> store_ =
      std::make_shared<testing::FakeVectorStore>();

 private:
  absl::Mutex mutex_;
  std::vector<absl::Status> reports_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(StoreWatchTest, ReportsThatAStoreIsAwayAndThatItIsBack) {
  store_->fault.Down();
  const auto watch = Watch(absl::Milliseconds(5));
  EXPECT_TRUE(AwaitReport(false));
  store_->fault.Clear();
  EXPECT_TRUE(AwaitReport(true));
  const std::size_t before = seen();
  store_->fault.Down();
  EXPECT_TRUE(AwaitReport(false, before));
}

TEST_F(StoreWatchTest, EndsAtOnceWhateverItsIntervalIs) {
  auto watch = Watch(absl::Hours(24));
  EXPECT_TRUE(AwaitReport(true));
  const absl::Time begun = absl::Now();
  watch.reset();
  EXPECT_LT(absl::Now() - begun, absl::Seconds(20));
}

TEST_F(StoreWatchTest, EndsWhileAStoreDoesNotAnswer) {
  store_->fault.Hang();
  auto watch = Watch(absl::Milliseconds(5));
  while (store_->fault.calls() == 0) absl::SleepFor(absl::Milliseconds(1));
  watch.reset();
  EXPECT_EQ(seen(), 0u);
}

}  // namespace
}  // namespace ragmesh::services
