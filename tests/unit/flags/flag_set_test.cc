#include "libs/flags/flag_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "libs/base/error.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::flags {
namespace {

using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::IsOkAndHolds;
using ::ragmesh::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Environment() { ::unsetenv(name_); }

 private:
  const char* name_;
};

class FlagSetTest : public ::testing::Test {
 protected:
  FlagSetTest() : flags_("ragmesh-test", "Tests flags. Nothing else.", "ragmesh-test --workers 4") {
    flags_.Group("Network");
    flags_.String("listen", &listen_, "Where to listen.");
    flags_.Choice("log_level", &level_, {"debug", "info"}, "What to log.");
    flags_.Group("Limits");
    flags_.Int("workers", &workers_, {1, 64}, "threads", "Calls worked on at once.");
    flags_.Double("ratio", &ratio_, {0, 1}, "", "A share.");
    flags_.Bool("keep_alive", &keep_alive_, "Keep connections.");
    flags_.Duration("drain_timeout", &drain_, {absl::ZeroDuration(), absl::Minutes(10)},
                    "How long to drain.");
    flags_.Bytes("max_message", &bytes_, {1024, 1 << 30}, "Largest message.");
    flags_.StringList("allow", &allow_, "Allowed roots.");
  }

  absl::StatusOr<Parsed> Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "ragmesh-test");
    return flags_.Parse(static_cast<int>(arguments.size()), arguments.data());
  }
  std::string NextStep(const absl::Status& status) {
    return GetErrorDetail(status).value().next_step;
  }

  std::string listen_ = "127.0.0.1:7703", level_ = "info";
  std::int64_t workers_ = 2, bytes_ = 64 << 20;
  double ratio_ = 0.5;
  bool keep_alive_ = true;
  absl::Duration drain_ = absl::Seconds(20);
  std::vector<std::string> allow_;
  FlagSet flags_;
};

TEST_F(FlagSetTest, KeepsDefaultsWhenNothingIsGiven) {
  EXPECT_THAT(Parse({}), IsOk());
  EXPECT_EQ(listen_, "127.0.0.1:7703");
  EXPECT_EQ(workers_, 2);
  EXPECT_TRUE(keep_alive_);
}

TEST_F(FlagSetTest, ReadsEveryType) {
  ASSERT_THAT(Parse({"--listen=unix:/run/x", "--workers", "8", "--ratio=0.25", "--no-keep_alive",
                     "--drain_timeout=1m30s", "--max_message", "64KiB", "--allow=/a,/b", "--allow",
                     "/c", "--log-level=debug"}),
              IsOk());
  EXPECT_EQ(listen_, "unix:/run/x");
  EXPECT_EQ(workers_, 8);
  EXPECT_EQ(ratio_, 0.25);
  EXPECT_FALSE(keep_alive_);
  EXPECT_EQ(drain_, absl::Seconds(90));
  EXPECT_EQ(bytes_, 65536);
  EXPECT_THAT(allow_, ElementsAre("/a", "/b", "/c"));
  EXPECT_EQ(level_, "debug");
}

// "--listen=" took the flag after it for its value.
TEST_F(FlagSetTest, NothingAfterTheEqualsSignIsAnEmptyValue) {
  ASSERT_THAT(Parse({"--listen=", "--workers=3"}), IsOk());
  EXPECT_EQ(listen_, "");
  EXPECT_EQ(workers_, 3);
  ASSERT_THAT(Parse({"--workers=3", "--listen="}), IsOk());
  EXPECT_EQ(listen_, "");
  EXPECT_THAT(Parse({"--workers="}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(Parse({"--keep_alive="}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(FlagSetTest, ReadsSwitchesInEveryForm) {
  ASSERT_THAT(Parse({"--keep-alive=off"}), IsOk());
  EXPECT_FALSE(keep_alive_);
  ASSERT_THAT(Parse({"--keep_alive"}), IsOk());
  EXPECT_TRUE(keep_alive_);
}

TEST_F(FlagSetTest, CommandLineWinsOverEnvironment) {
  Environment workers("RAGMESH_WORKERS", "9"), drain("RAGMESH_DRAIN_TIMEOUT", "3s"),
      keep("RAGMESH_KEEP_ALIVE", "false");
  ASSERT_THAT(Parse({"--workers=5"}), IsOk());
  EXPECT_EQ(workers_, 5);
  EXPECT_EQ(drain_, absl::Seconds(3));
  EXPECT_FALSE(keep_alive_);
}

TEST_F(FlagSetTest, NamesFlagRangeAndEnvironmentOfABadValue) {
  for (const char* bad : {"0", "65", "many", "1.5", "", "99999999999999999999"}) {
    const auto parsed = Parse({"--workers", bad});
    EXPECT_THAT(parsed, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--workers is")))
        << bad;
    EXPECT_THAT(NextStep(parsed.status()),
                AllOf(HasSubstr("1 to 64"), HasSubstr("RAGMESH_WORKERS")));
  }
  Environment workers("RAGMESH_WORKERS", "x");
  EXPECT_THAT(Parse({}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--workers is")));
}

TEST_F(FlagSetTest, RefusesBadValuesOfOtherTypes) {
  for (const char* bad : {"--ratio=2", "--ratio=nan", "--drain_timeout=5", "--drain_timeout=1h",
                          "--max_message=1.5.2KiB", "--max_message=12parsecs", "--max_message=1B",
                          "--keep_alive=maybe", "--log_level=loud"}) {
    EXPECT_THAT(Parse({bad}), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
  }
}

TEST_F(FlagSetTest, SuggestsTheNearestFlag) {
  const auto parsed = Parse({"--worker=3"});
  EXPECT_THAT(parsed,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--worker is not a flag")));
  EXPECT_THAT(NextStep(parsed.status()), HasSubstr("Did you mean --workers?"));
  EXPECT_THAT(NextStep(Parse({"--entirely-else"}).status()), HasSubstr("See ragmesh-test --help."));
}

TEST_F(FlagSetTest, RefusesStrayArgumentsAndMissingValues) {
  EXPECT_THAT(Parse({"stray"}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("stray")));
  EXPECT_THAT(Parse({"--workers"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--workers")));
  EXPECT_THAT(Parse({"--workers=1", "--workers=2"}), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(FlagSetTest, HelpShowsGroupsUnitsDefaultsAndEnvironment) {
  const auto parsed = Parse({"--help"});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_TRUE(parsed->exit);
  EXPECT_THAT(parsed->text, AllOf(HasSubstr("Usage: ragmesh-test [flags]"),
                                  HasSubstr("Example:\n  ragmesh-test --workers 4"),
                                  HasSubstr("\nNetwork:\n  --listen=TEXT\n"),
                                  HasSubstr("--workers=N (1 to 64 threads)"),
                                  HasSubstr("Default: 2. [RAGMESH_WORKERS]"),
                                  HasSubstr("--max_message=BYTES (1KiB to 1GiB)"),
                                  HasSubstr("Default: 64MiB."), HasSubstr("Default: 20s.")));
}

TEST(DefaultsAreTest, HelpSaysWhatAFlagThatIsNotGivenMeans) {
  FlagSet flags("ragmesh-test", "Changes settings.");
  std::int64_t kept = 3, tried = 4;
  flags.Int("kept", &kept, {1, 9}, "days", "How long.");
  flags.DefaultsAre("what it is now");
  flags.Int("tried", &tried, {1, 9}, "times", "How often.");
  const std::string help = flags.Help();
  EXPECT_THAT(help, HasSubstr("How long. Default: what it is now."));
  EXPECT_THAT(help, HasSubstr("How often. Default: 4."));
}

TEST_F(FlagSetTest, VersionIsPrintedOnRequest) {
  const auto parsed = Parse({"--version"});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_TRUE(parsed->exit);
  EXPECT_THAT(parsed->text, HasSubstr("ragmesh 0."));
}

TEST_F(FlagSetTest, ListsValuesInForceAndHidesSecrets) {
  std::string token = "hunter2";
  flags_.String("api_token", &token, "Key.");
  ASSERT_THAT(Parse({"--workers=3"}), IsOk());
  EXPECT_THAT(flags_.Values(),
              AllOf(::testing::Contains("workers=3"), ::testing::Contains("api_token=(hidden)")));
}

class SubcommandTest : public ::testing::Test {
 protected:
  SubcommandTest() {
    auto& ask = flags_.Subcommand("ask", "Asks a question. Streams the answer.");
    ask.Int("top_k", &top_k_, {1, 100}, "passages", "How many passages.");
    ask.Positional("QUESTION", &question_, true, "What to ask.");
    auto& models = flags_.Subcommand("models", "Models on this machine.");
    auto& pull = models.Subcommand("pull", "Fetches models.");
    pull.PositionalList("NAME", &names_, false, "Which models.");
  }
  absl::StatusOr<Parsed> Parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "ragmesh");
    return flags_.Parse(static_cast<int>(arguments.size()), arguments.data());
  }
  std::int64_t top_k_ = 5;
  std::string question_;
  std::vector<std::string> names_;
  FlagSet flags_{"ragmesh", "Answers questions."};
};

TEST_F(SubcommandTest, ReadsFlagsAndArgumentsOfTheCommandGiven) {
  const auto parsed = Parse({"ask", "--top_k=3", "what is this?"});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->command, "ask");
  EXPECT_EQ(top_k_, 3);
  EXPECT_EQ(question_, "what is this?");
}

TEST_F(SubcommandTest, NestsCommands) {
  const auto parsed = Parse({"models", "pull", "a", "b"});
  ASSERT_THAT(parsed, IsOk());
  EXPECT_EQ(parsed->command, "models pull");
  EXPECT_THAT(names_, ElementsAre("a", "b"));
}

TEST_F(SubcommandTest, SaysWhatIsMissingOrMistyped) {
  EXPECT_THAT(Parse({}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("COMMAND is missing")));
  EXPECT_THAT(Parse({"ask"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("QUESTION is missing")));
  const auto parsed = Parse({"asj"});
  EXPECT_THAT(parsed,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("asj is not a command")));
  EXPECT_THAT(GetErrorDetail(parsed.status())->next_step, HasSubstr("Did you mean ask?"));
}

TEST_F(SubcommandTest, ChecksOfACommandRunOnceItsFlagsAreReadAndOnlyWhenItIsGiven) {
  FlagSet& tune = flags_.Subcommand("tune", "Tunes.");
  std::string how;
  tune.String("how", &how, "How.");
  tune.Check([&how] { return how == "well" ? absl::OkStatus() : InvalidField("--how", "is bad"); });
  EXPECT_THAT(Parse({"tune", "--how=well"}), IsOk());
  EXPECT_THAT(Parse({"tune", "--how=so"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--how is bad")));
  EXPECT_THAT(Parse({"tune", "--help"}), IsOk());
  EXPECT_THAT(Parse({"ask", "what is this?"}), IsOk());
}

TEST_F(SubcommandTest, TellsWhichFlagsWereGiven) {
  FlagSet& tune = flags_.Subcommand("tune", "Tunes.");
  std::string how, when;
  bool now = false;
  tune.String("how", &how, "How.");
  tune.String("when", &when, "When.");
  tune.Bool("now", &now, "Now.");
  setenv("RAGMESH_WHEN", "later", 1);
  EXPECT_THAT(Parse({"tune", "--how=", "--no-now"}), IsOk());
  EXPECT_TRUE(tune.Given("how"));
  EXPECT_TRUE(tune.Given("when"));
  EXPECT_TRUE(tune.Given("now"));
  unsetenv("RAGMESH_WHEN");
  EXPECT_THAT(Parse({"tune"}), IsOk());
  EXPECT_FALSE(tune.Given("how"));
  EXPECT_FALSE(tune.Given("when"));
  EXPECT_FALSE(tune.Given("now"));
}

TEST_F(SubcommandTest, HelpListsCommandsAndEachHasItsOwn) {
  EXPECT_THAT(Parse({"--help"})->text,
              AllOf(HasSubstr("ask     Asks a question"), HasSubstr("COMMAND")));
  EXPECT_THAT(Parse({"ask", "--help"})->text,
              AllOf(HasSubstr("Usage: ragmesh ask [flags] QUESTION"), HasSubstr("--top_k")));
}

TEST(UnitsTest, ReadAndWriteBytes) {
  EXPECT_THAT(ParseBytes("4096"), IsOkAndHolds(4096));
  EXPECT_THAT(ParseBytes("1.5KiB"), IsOkAndHolds(1536));
  EXPECT_THAT(ParseBytes("2 GiB"), IsOkAndHolds(std::int64_t{2} << 30));
  EXPECT_THAT(ParseBytes("-1"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseBytes("99999999TiB"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(FormatBytes(64 << 20), "64MiB");
  EXPECT_EQ(FormatBytes(1500), "1500B");
  EXPECT_EQ(FormatBytes(0), "0B");
}

}  // namespace
}  // namespace ragmesh::flags
