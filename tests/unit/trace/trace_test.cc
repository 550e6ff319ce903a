#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/testing/fake_clock.h"
#include "libs/trace/span.h"
#include "libs/trace/trace_context.h"

namespace ragmesh::trace {
namespace {

constexpr char kParent[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

class Recorder final : public Exporter {
 public:
  void Export(const FinishedSpan& span) override { spans.push_back(span); }
  std::vector<FinishedSpan> spans;
};

TEST(TraceParentTest, RoundTrips) {
  const auto context = ParseTraceParent(kParent);
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(context->trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(context->span_id, "00f067aa0ba902b7");
  EXPECT_TRUE(context->sampled);
  EXPECT_EQ(context->ToString(), kParent);
}

TEST(TraceParentTest, ReadsTheSampledBitAlone) {
  EXPECT_FALSE(
      ParseTraceParent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02")->sampled);
  EXPECT_TRUE(ParseTraceParent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0b")->sampled);
}

TEST(TraceParentTest, ReadsLaterVersionsAsFarAsTheyAreKnown) {
  EXPECT_TRUE(ParseTraceParent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-else")
                  .has_value());
  EXPECT_FALSE(
      ParseTraceParent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01what").has_value());
}

TEST(TraceParentTest, RefusesMalformedValues) {
  for (const char* bad : {"", "00", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                          "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                          "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                          "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
                          "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                          "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01"}) {
    EXPECT_FALSE(ParseTraceParent(bad).has_value()) << bad;
  }
}

TEST(TraceParentTest, ChildKeepsTheTraceAndChangesTheSpan) {
  const TraceContext child = ChildOf(kParent);
  EXPECT_EQ(child.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_NE(child.span_id, "00f067aa0ba902b7");
  EXPECT_TRUE(ParseTraceParent(child.ToString()).has_value());
}

TEST(TraceParentTest, NewTracesAreValidAndDiffer) {
  const TraceContext a = ChildOf("garbage"), b = NewTrace();
  EXPECT_EQ(ParseTraceParent(a.ToString()), a);
  EXPECT_NE(a.trace_id, b.trace_id);
}

TEST(SpanTest, IsExportedOnceWithItsTimesAndParent) {
  testing::FakeClock clock;
  Recorder recorder;
  const absl::Time start = clock.Now();
  {
    Span span("Embed", SpanKind::kServer, kParent, recorder, clock);
    span.SetAttribute("texts", "3");
    clock.Advance(absl::Milliseconds(20));
    span.End(absl::CancelledError("gone"));
  }
  ASSERT_EQ(recorder.spans.size(), 1u);
  EXPECT_EQ(recorder.spans[0].name, "Embed");
  EXPECT_EQ(recorder.spans[0].parent_span_id, "00f067aa0ba902b7");
  EXPECT_EQ(recorder.spans[0].start, start);
  EXPECT_EQ(recorder.spans[0].end, start + absl::Milliseconds(20));
  EXPECT_EQ(recorder.spans[0].status.code(), absl::StatusCode::kCancelled);
}

TEST(SpanTest, IsNotExportedWhenTheCallerDidNotSample) {
  Recorder recorder;
  {
    Span span("x", SpanKind::kServer, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
              recorder);
  }
  EXPECT_TRUE(recorder.spans.empty());
}

}  // namespace
}  // namespace ragmesh::trace
