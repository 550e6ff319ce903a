#include "libs/embedding/model_loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/embedding/tiny_encoder.h"
#include "tests/unit/embedding/tiny_model.h"

namespace ragmesh::embedding {
namespace {

namespace fs = std::filesystem;
using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Bytes(const fs::path& path) { return testing::ReadFileOrDie(path.string()); }

// Over a file that may be read-only, as another process would replace it.
void Put(const fs::path& path, const std::string& bytes) {
  fs::remove(path);
  std::ofstream(path, std::ios::binary) << bytes;
}

std::vector<std::string> FilesIn(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  return names;
}

// The hidden states of TinyTexts, each alone.
std::vector<std::vector<float>> States(const EncoderModel& model) {
  std::vector<std::vector<float>> states;
  EncoderWorkspace workspace(model);
  const TinyTexts texts;
  for (const EncoderText& text : texts.From(0, texts.size())) {
    model.Forward({&text, 1}, &workspace, [](std::size_t) { return true; });
    const auto hidden = workspace.hidden(0);
    states.emplace_back(hidden.begin(), hidden.end());
  }
  return states;
}

class ModelLoaderTest : public ::testing::Test {
 protected:
  EncoderSource Source(const linalg::InPrecision& in) const {
    EncoderSource source = files_.options();
    source.kernel = in.table->name;
    source.precision = in.precision;
    source.packed_folder = (files_.path() / "packed").string();
    return source;
  }
  EncoderSource Source() const {
    return Source({&linalg::DefaultKernels(), linalg::Precision::kInt8});
  }
  static absl::StatusOr<ModelLoader::Packed> Load(const EncoderSource& source) {
    auto loader = ModelLoader::Open(source);
    return loader.ok() ? (*loader)->Load(*source.precision) : loader.status();
  }
  // The path of the file that a first load has left.
  std::string Prepare(const EncoderSource& source) {
    const auto made = Load(source);
    EXPECT_THAT(made, IsOk());
    EXPECT_TRUE(made->made);
    EXPECT_THAT(made->stored, IsOk());
    return made->path;
  }
  // As a new process loads: the file is made again, is good afterwards, and the model the same.
  void ExpectMadeAgain(const EncoderSource& source) {
    EncoderSource private_source = source;
    private_source.packed_folder.clear();
    const auto again = Load(source), expected = Load(private_source);
    ASSERT_THAT(again, IsOk());
    EXPECT_TRUE(again->made);
    EXPECT_EQ(States(*again->model), States(*expected->model));
    const auto then = Load(source);
    ASSERT_THAT(then, IsOk());
    EXPECT_FALSE(then->made);
  }

  TinyEncoderFiles files_;
};

TEST_F(ModelLoaderTest, FromAFileAndInMemoryAreTheSameBits) {
  for (const linalg::InPrecision& in : PrecisionsOfEveryTable()) {
    EncoderSource in_memory = Source(in);
    in_memory.packed_folder.clear();
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto expected, Load(in_memory));
    EXPECT_EQ(expected.model->weights().packed, nullptr);
    EXPECT_THAT(expected.path, IsEmpty());
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto made, Load(Source(in)));
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, Load(Source(in)));
    EXPECT_TRUE(made.made) << linalg::Name(in);
    EXPECT_FALSE(found.made) << linalg::Name(in);
    EXPECT_EQ(States(*made.model), States(*expected.model)) << linalg::Name(in);
    EXPECT_EQ(States(*found.model), States(*expected.model)) << linalg::Name(in);
    EXPECT_NEAR(found.agreement.mean, expected.agreement.mean, 1e-9);
    EXPECT_NEAR(found.agreement.least, expected.agreement.least, 1e-9);
  }
}

TEST_F(ModelLoaderTest, TheFileSaysWhatItIs) {
  const std::string path = Prepare(Source());
  const std::string source = Sha256Hex(Bytes(files_.path() / "model.safetensors"));
  EXPECT_EQ(fs::path(path).filename().string(),
            source + ".int8." + linalg::DefaultKernels().name + ".safetensors");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto file, model_files::Safetensors::Open(path));
  const std::map<std::string, std::string>& metadata = file->metadata();
  EXPECT_EQ(metadata.at("source"), source);
  EXPECT_EQ(metadata.at("width"), absl::StrCat(linalg::DefaultKernels().int8.width));
  EXPECT_GT(std::stod(metadata.at("agreement_mean")), 0.9);
  EXPECT_LE(std::stod(metadata.at("agreement_least")), std::stod(metadata.at("agreement_mean")));
  // Nothing temporary stays, and other users may read.
  EXPECT_EQ(FilesIn(files_.path() / "packed").size(), 1u);
  EXPECT_EQ(fs::status(path).permissions(), static_cast<fs::perms>(0444));
}

// In the header, the panels, the floats and the checksum.
TEST_F(ModelLoaderTest, AFlippedBitAnywhereIsNoticed) {
  const std::string path = Prepare(Source());
  const std::string good = Bytes(path);
  const PackedKey key = {.source = Sha256Hex(Bytes(files_.path() / "model.safetensors")),
                         .recipe = (*model_files::Safetensors::Open(path))->metadata().at("recipe"),
                         .kernels = linalg::DefaultKernels(),
                         .precision = linalg::Precision::kInt8};
  ASSERT_THAT(PackedWeights::Open(path, key), IsOk());
  for (std::size_t i = 0; i < good.size(); i += i < 64 ? 1 : 97) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1 << i % 8);
    Put(path, bad);
    ASSERT_THAT(PackedWeights::Open(path, key), StatusIs(absl::StatusCode::kDataLoss)) << i;
  }
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{7}, std::size_t{3000}, good.size() - 1}) {
    Put(path, good.substr(0, size));
    ASSERT_THAT(PackedWeights::Open(path, key), StatusIs(absl::StatusCode::kDataLoss)) << size;
  }
  ExpectMadeAgain(Source());
}

TEST_F(ModelLoaderTest, AFileOfAnotherFormatOrRecipeIsMadeAgain) {
  const std::string path = Prepare(Source());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto loader, ModelLoader::Open(Source()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto good, loader->Load(linalg::Precision::kInt8));
  const std::string recipe = (*model_files::Safetensors::Open(path))->metadata().at("recipe");
  const std::string source = Sha256Hex(Bytes(files_.path() / "model.safetensors"));
  const PackedKey key = {source, recipe, linalg::DefaultKernels(), linalg::Precision::kInt8};
  const PackedKey older = {source, "older", linalg::DefaultKernels(), linalg::Precision::kInt8};
  ASSERT_THAT(PackedWeights::Write(path, older, good.model->weights(), {.mean = 1, .least = 1}),
              IsOk());
  EXPECT_THAT(PackedWeights::Open(path, key), HasReason("DERIVED_FILE_STALE"));
  ExpectMadeAgain(Source());
}

// Whole by its checksum, but not what the model needs: as somebody might write it by hand.
TEST_F(ModelLoaderTest, AFileOfAnotherShapeIsMadeAgain) {
  const std::string path = Prepare(Source());
  auto tensors = TinyWeights();
  std::erase_if(
      tensors, [](const TinyTensor& tensor) { return absl::StrContains(tensor.name, "layer.1."); });
  const TinyEncoderFiles one_layer(ToSafetensors(tensors));
  EncoderSource source = one_layer.options();
  source.precision = linalg::Precision::kInt8;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto other, Load(source));
  const auto metadata = (*model_files::Safetensors::Open(path))->metadata();
  const PackedKey key = {metadata.at("source"), metadata.at("recipe"), linalg::DefaultKernels(),
                         linalg::Precision::kInt8};
  ASSERT_THAT(PackedWeights::Write(path, key, other.model->weights(), other.agreement), IsOk());
  ASSERT_THAT(PackedWeights::Open(path, key), IsOk());
  ExpectMadeAgain(Source());
}

TEST_F(ModelLoaderTest, ChangedFactsMakeTheFileAgain) {
  Prepare(Source());
  EncoderSource changed = Source();
  changed.facts.heads = 4;
  ExpectMadeAgain(changed);
}

// `auto` goes by the figure in the file: one that says int8 is poor makes it take more bits.
TEST_F(ModelLoaderTest, AChoiceGoesByTheStoredAgreement) {
  if (linalg::DefaultKernels().f32.multiply == nullptr)
    GTEST_SKIP() << "takes f32 whatever int8 costs";
  const std::string path = Prepare(Source());
  const auto metadata = (*model_files::Safetensors::Open(path))->metadata();
  const PackedKey key = {metadata.at("source"), metadata.at("recipe"), linalg::DefaultKernels(),
                         linalg::Precision::kInt8};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto int8, Load(Source()));
  for (const bool good : {true, false}) {
    const Agreement stored = {.mean = good ? 0.9995 : 0.9985, .least = 0.99};
    ASSERT_THAT(PackedWeights::Write(path, key, int8.model->weights(), stored), IsOk());
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto loader, ModelLoader::Open(Source()));
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto chosen, loader->Choose());
    EXPECT_EQ(chosen.model->precision() == linalg::Precision::kInt8, good);
  }
}

TEST_F(ModelLoaderTest, AFolderThatCannotBeWrittenIsToldOnceAndDoesNotStopTheLoad) {
  Put(files_.path() / "packed", "a file where the folder would be");
  std::vector<absl::Status> told;
  EncoderSource source = Source();
  source.not_shared = [&told](const absl::Status& why) { told.push_back(why); };
  RAGMESH_ASSERT_OK_AND_ASSIGN(const LoadedEncoder loaded, LoadEncoder(source));
  EXPECT_EQ(loaded.model->weights().packed, nullptr);
  EXPECT_EQ(loaded.model->precision(), linalg::Precision::kInt8);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_THAT(std::string(told[0].message()), HasSubstr("packed"));
}

TEST_F(ModelLoaderTest, ALoadWithItsFileTellsNothing) {
  Prepare(Source());
  EncoderSource source = Source();
  source.not_shared = [](const absl::Status& why) { ADD_FAILURE() << why; };
  RAGMESH_ASSERT_OK_AND_ASSIGN(const LoadedEncoder loaded, LoadEncoder(source));
  EXPECT_NE(loaded.model->weights().packed, nullptr);
}

TEST_F(ModelLoaderTest, ManyWhoStartTogetherAgree) {
  std::vector<absl::StatusOr<ModelLoader::Packed>> loaded(4);
  std::vector<std::thread> starts;
  for (auto& one : loaded) starts.emplace_back([&] { one = Load(Source()); });
  for (std::thread& start : starts) start.join();
  for (const auto& one : loaded) {
    ASSERT_THAT(one, IsOk());
    EXPECT_NE(one->model->weights().packed, nullptr);
    EXPECT_EQ(States(*one->model), States(*loaded[0]->model));
  }
  EXPECT_EQ(FilesIn(files_.path() / "packed").size(), 1u);
}

TEST_F(ModelLoaderTest, AModelOutlivesTheReplacementOfItsFile) {
  const std::string path = Prepare(Source());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto loaded, Load(Source()));
  const auto before = States(*loaded.model);
  fs::remove(path);
  Prepare(Source());
  EXPECT_EQ(States(*loaded.model), before);
}

// Kilobytes by name, of the mappings of `path` in this process.
std::map<std::string, std::size_t> MappingsOf(const std::string& path) {
  std::map<std::string, std::size_t> sizes;
  std::ifstream smaps("/proc/self/smaps");
  bool of_path = false;
  for (std::string line; std::getline(smaps, line);) {
    std::istringstream words(line);
    std::string name;
    std::size_t kilobytes = 0;
    words >> name;
    if (absl::EndsWith(name, ":")) {
      if (of_path && words >> kilobytes) sizes[name] += kilobytes;
    } else {
      of_path = absl::EndsWith(line, path);
    }
  }
  return sizes;
}

// With the file mapped by another process too, every page of it is shared and none private.
TEST_F(ModelLoaderTest, ProcessesShareThePagesOfTheFile) {
  const std::string path = Prepare(Source());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto loaded, Load(Source()));
  const auto expected = States(*loaded.model);
  int ready[2], done[2];
  ASSERT_EQ(::pipe(ready), 0);
  ASSERT_EQ(::pipe(done), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 0;
    const auto own = Load(Source());
    const bool same = own.ok() && States(*own->model) == expected;
    (void)!::write(ready[1], same ? "1" : "0", 1);
    (void)!::read(done[0], &byte, 1);
    ::_exit(0);
  }
  char same = 0;
  ASSERT_EQ(::read(ready[0], &same, 1), 1);
  EXPECT_EQ(same, '1');
  const auto sizes = MappingsOf(path);
  EXPECT_EQ(sizes.at("Rss:"), sizes.at("Size:"));
  EXPECT_EQ(sizes.at("Private_Dirty:"), 0u);
  EXPECT_EQ(sizes.at("Private_Clean:"), 0u);
  EXPECT_EQ(sizes.at("Anonymous:"), 0u);
  EXPECT_LT(sizes.at("Pss:"), sizes.at("Rss:"));
  EXPECT_EQ(::write(done[1], "x", 1), 1);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  for (const int fd : {ready[0], ready[1], done[0], done[1]}) ::close(fd);
}

}  // namespace
}  // namespace ragmesh::embedding
