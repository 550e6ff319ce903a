// Where tests find public test data, model weights and scratch space.
#ifndef RAGMESH_LIBS_TESTING_TEST_DATA_H_
#define RAGMESH_LIBS_TESTING_TEST_DATA_H_

#include <filesystem>
#include <optional>
#include <string>

namespace ragmesh::testing {

// $RAGMESH_TESTDATA joined with `relative`; nullopt when it does not exist.
std::optional<std::filesystem::path> TestData(const std::string& relative);

// A model file in the local model cache by its SHA-256; nullopt when it was not pulled.
std::optional<std::filesystem::path> CachedModel(const std::string& sha256);

// Whole file; aborts the test program when it cannot be read.
std::string ReadFileOrDie(const std::filesystem::path& path);

// A fresh directory, removed with all content when the object goes.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace ragmesh::testing

// Skips the test, and says what is missing, when `optional` holds nothing.
#define RAGMESH_SKIP_WITHOUT(optional, what) \
  if (!(optional).has_value()) GTEST_SKIP() << "skipped: " << (what) << " is absent"

#endif  // RAGMESH_LIBS_TESTING_TEST_DATA_H_
