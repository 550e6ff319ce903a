// kill -9 at fifty random moments of a mixed load. A child writes and tells its parent through a
// pipe what it is about to do and what was acknowledged; after each kill the parent opens the store
// and compares: every acknowledged change is there, the one that was under way is there wholly or
// not at all, and searches equal brute force. The child is this program started anew, not a bare
// fork: the parent's RocksDB threads do not exist in a fork, so its writes would wait for ever for
// a flush.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>

#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "libs/vector_store/store.h"
#include "tests/property/vector_store/model.h"

namespace ragmesh::vector_store {
namespace {

constexpr int kKills = 50;
constexpr unsigned kSeed = 3;
constexpr std::uint32_t kDimension = 8;
const stages::CollectionId kCollection{"default", "kill"};

// What one step does to one document, as the pipe carries it. revision 0 deletes the document.
struct Step {
  std::uint32_t document = 0;
  std::uint32_t revision = 0;
  std::uint32_t acknowledged = 0;  // 0: about to be done, 1: done
};

// Content is a function of document and revision, so both processes know it.
stages::Upsert Content(const Step& step) {
  stages::Upsert upsert;
  upsert.document.emplace();
  upsert.document->id = "d" + std::to_string(step.document);
  upsert.document->text = "revision " + std::to_string(step.revision);
  std::mt19937 random(step.document * 7919 + step.revision);
  for (std::uint32_t i = 0; i < 1 + random() % 20; ++i) {
    stages::StoredChunk chunk;
    chunk.document_id = upsert.document->id;
    chunk.id = upsert.document->id + "-" + std::to_string(i);
    chunk.chunk.ordinal = i;
    chunk.chunk.text =
        "pump " + std::to_string(random() % 10) + " rev" + std::to_string(step.revision);
    chunk.vector.assign(kDimension, 0);
    chunk.vector[random() % kDimension] = 1;
    if (i % 2 == 0) chunk.tokens = {.tokenizer = "t", .ids = {step.revision, i}};
    upsert.chunks.push_back(chunk);
  }
  return upsert;
}

absl::StatusOr<std::unique_ptr<Store>> Open(const std::string& path) {
  StoreOptions options;
  options.path = path;
  options.write_buffer_bytes = 64 << 10;  // so that files are written and merged all the time
  return Store::Open(options);
}

[[noreturn]] void WriteForever(const std::string& path, unsigned seed, std::uint32_t first_revision,
                               int pipe) {
  const CallContext call(absl::InfiniteFuture());
  auto store = Open(path);
  if (!store.ok()) _exit(3);
  std::mt19937 random(seed);
  for (std::uint32_t revision = first_revision;; ++revision) {
    Step step{static_cast<std::uint32_t>(random() % 25), random() % 5 == 0 ? 0 : revision, 0};
    if (write(pipe, &step, sizeof(step)) != sizeof(step)) _exit(4);
    const bool ok =
        step.revision == 0
            ? (*store)
                  ->Delete(kCollection, stages::DocumentIds{{"d" + std::to_string(step.document)}},
                           call)
                  .ok()
            : (*store)->Write(kCollection, "digest", Content(step), call).ok();
    if (!ok) _exit(5);
    step.acknowledged = 1;
    if (write(pipe, &step, sizeof(step)) != sizeof(step)) _exit(4);
  }
}

constexpr char kWriterFlag[] = "--write_forever";

// Starts WriteForever in a program of its own, which ends with this one.
pid_t StartWriter(const std::string& path, unsigned seed, std::uint32_t first_revision, int pipe) {
  const std::string seed_text = std::to_string(seed);
  const std::string revision_text = std::to_string(first_revision);
  const std::string pipe_text = std::to_string(pipe);
  const pid_t child = fork();
  if (child != 0) return child;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execl("/proc/self/exe", "kill_test_writer", kWriterFlag, path.c_str(), seed_text.c_str(),
        revision_text.c_str(), pipe_text.c_str(), nullptr);
  _exit(2);
}

using Revisions = std::map<std::uint32_t, std::uint32_t>;  // document -> revision that is stored

// Reads what the store holds of `document`: its revision, 0 when it is absent.
std::uint32_t StoredRevision(Store* store, std::uint32_t document) {
  const CallContext call(absl::InfiniteFuture());
  const auto stored = store->GetDocument(kCollection, "d" + std::to_string(document), {"*"}, call);
  return stored.ok()
             ? static_cast<std::uint32_t>(std::stoul(stored->text.substr(std::strlen("revision "))))
             : 0;
}

void ExpectEqualsBruteForce(Store* store, const Revisions& revisions) {
  const CallContext call(absl::InfiniteFuture());
  Model model;
  std::uint64_t chunks = 0;
  for (const auto& [document, revision] : revisions) {
    if (revision == 0) continue;
    const stages::Upsert content = Content({document, revision, 1});
    ModelDocument& entry = model[content.document->id];
    for (const auto& chunk : content.chunks) entry.chunks[chunk.id] = chunk;
    chunks += content.chunks.size();
  }
  const auto collection = store->GetCollection(kCollection, call);
  ASSERT_TRUE(collection.ok());
  EXPECT_EQ(collection->stats.chunks, chunks);
  EXPECT_EQ(collection->stats.documents, model.size());
  stages::SearchRequest request;
  request.collection = kCollection;
  request.query_text = "pump 3 7";
  request.query_vector = {0, 0, 1, 0, 0, 0, 0, 0};
  request.embedder_digest = "digest";
  request.top_k = 50;
  request.principal_labels = {"*"};
  request.parts.tokens = true;
  for (const auto mode : {stages::SearchMode::kDense, stages::SearchMode::kLexical}) {
    request.mode = mode;
    const Ranking expected = mode == stages::SearchMode::kDense
                                 ? BruteDense(model, request.query_vector, {"*"}, request.top_k)
                                 : BruteBm25(model, request.query_text, {"*"}, request.top_k);
    const auto found = store->Search(request, call);
    ASSERT_TRUE(found.ok()) << found.status();
    ASSERT_EQ(found->hits.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(found->hits[i].score, expected[i].second, 1e-9);
      const stages::StoredChunk& chunk = found->hits[i].chunk;
      EXPECT_EQ(chunk.id, expected[i].first);
      EXPECT_EQ(chunk.tokens, model.at(chunk.document_id).chunks.at(chunk.id).tokens);
    }
  }
}

void CreateCollection(const std::string& path) {
  auto store = Open(path);
  ASSERT_TRUE(store.ok()) << store.status();
  stages::CollectionConfig config;
  config.id = kCollection;
  config.dimension = kDimension;
  config.embedder_digest = "digest";
  ASSERT_TRUE((*store)->CreateCollection(config, CallContext(absl::InfiniteFuture())).ok());
}

TEST(KillTest, AStoreIsRefusedWhileAnotherProcessHasIt) {
  testing::TempDir dir;
  const std::string path = dir.path().string();
  ASSERT_NO_FATAL_FAILURE(CreateCollection(path));
  int pipe_ends[2];
  ASSERT_EQ(pipe(pipe_ends), 0);
  const pid_t child = StartWriter(path, kSeed, 1, pipe_ends[1]);
  ASSERT_GE(child, 0);
  close(pipe_ends[1]);
  Step step;
  EXPECT_EQ(read(pipe_ends[0], &step, sizeof(step)), sizeof(step));  // the writer has it open
  EXPECT_THAT(Open(path), testing::HasReason("STORE_LOCKED"));
  kill(child, SIGKILL);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  close(pipe_ends[0]);
  EXPECT_TRUE(Open(path).ok());
}

TEST(KillTest, FiftyKillsLoseNothingAcknowledged) {
  testing::TempDir dir;
  const std::string path = dir.path().string();
  ASSERT_NO_FATAL_FAILURE(CreateCollection(path));
  std::mt19937 random(kSeed);
  Revisions revisions;
  std::uint64_t acknowledged = 0, under_way = 0;
  for (int kill_number = 0; kill_number < kKills; ++kill_number) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const unsigned seed = random();
    const pid_t child = StartWriter(
        path, seed, static_cast<std::uint32_t>(kill_number * 1'000'000 + 1), pipe_ends[1]);
    ASSERT_GE(child, 0);
    close(pipe_ends[1]);
    // The moment is chosen by the child's progress, not by a clock alone: some kills hit the
    // opening, most the load.
    const std::uint32_t steps = random() % 120;
    std::optional<Step> last;
    Step step;
    bool killed = false;
    for (std::uint32_t seen = 0; read(pipe_ends[0], &step, sizeof(step)) == sizeof(step); ++seen) {
      if (step.acknowledged != 0) {
        revisions[step.document] = step.revision;
        ++acknowledged;
        last.reset();
      } else {
        last = step;
      }
      if (!killed && seen >= steps) {
        std::this_thread::sleep_for(
            std::chrono::microseconds(random() % 2000));  // into the middle of a write
        kill(child, SIGKILL);
        killed = true;  // what is still in the pipe was acknowledged before
      }
    }
    close(pipe_ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself, status " << status;

    auto store = Open(path);
    ASSERT_TRUE(store.ok()) << "kill " << kill_number << ": " << store.status();
    if (last.has_value()) {
      ++under_way;
      const std::uint32_t stored = StoredRevision(store->get(), last->document);
      ASSERT_TRUE(stored == last->revision || stored == revisions[last->document])
          << "kill " << kill_number << ", seed " << kSeed << ": document " << last->document
          << " holds " << stored;
      revisions[last->document] = stored;
    }
    for (const auto& [document, revision] : revisions) {
      ASSERT_EQ(StoredRevision(store->get(), document), revision)
          << "kill " << kill_number << ", seed " << kSeed << ", document " << document;
    }
    ExpectEqualsBruteForce(store->get(), revisions);
    if (HasFailure()) FAIL() << "kill " << kill_number << ", seed " << kSeed;
  }
  std::printf("%d kills, %llu acknowledged changes, %llu kills hit a change under way\n", kKills,
              static_cast<unsigned long long>(acknowledged),
              static_cast<unsigned long long>(under_way));
  EXPECT_GT(acknowledged, 500u);
  EXPECT_GT(under_way, 5u);
}

}  // namespace

// Does not come back in a program that StartWriter started.
void MaybeWriteForever(int argc, char** argv) {
  if (argc != 6 || std::strcmp(argv[1], kWriterFlag) != 0) return;
  WriteForever(argv[2], static_cast<unsigned>(std::stoul(argv[3])),
               static_cast<std::uint32_t>(std::stoul(argv[4])), std::stoi(argv[5]));
}

}  // namespace ragmesh::vector_store

int main(int argc, char** argv) {
  ragmesh::vector_store::MaybeWriteForever(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
