#include "libs/testing/test_data.h"

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace ragmesh::testing {
namespace fs = std::filesystem;

std::optional<fs::path> TestData(const std::string& relative) {
  const char* root = std::getenv("RAGMESH_TESTDATA");
  if (root == nullptr) return std::nullopt;
  fs::path path = fs::path(root) / relative;
  if (!fs::exists(path)) return std::nullopt;
  return path;
}

std::optional<fs::path> CachedModel(const std::string& sha256) {
  fs::path root;
  if (const char* cache = std::getenv("RAGMESH_MODEL_CACHE")) {
    root = cache;
  } else if (const char* xdg = std::getenv("XDG_CACHE_HOME")) {
    root = fs::path(xdg) / "ragmesh" / "models";
  } else if (const char* home = std::getenv("HOME")) {
    root = fs::path(home) / ".cache" / "ragmesh" / "models";
  }
  fs::path path = root / "sha256" / sha256;
  if (!fs::exists(path)) return std::nullopt;
  return path;
}

std::string ReadFileOrDie(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    std::abort();
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

TempDir::TempDir() {
  std::string name = (fs::temp_directory_path() / "ragmesh-test-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    std::perror("mkdtemp");
    std::abort();
  }
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace ragmesh::testing
