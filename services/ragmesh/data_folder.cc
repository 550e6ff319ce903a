#include "services/ragmesh/data_folder.h"

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace ragmesh::cli {

std::string DefaultDataFolder() {
  if (const char* data = std::getenv("XDG_DATA_HOME"); data != nullptr && *data != '\0') {
    return absl::StrCat(data, "/ragmesh");
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return absl::StrCat(home, "/.local/share/ragmesh");
  }
  return "ragmesh-data";
}

std::string StoreFolder(const std::string& data_dir) {
  const std::string inner = absl::StrCat(data_dir, "/vector-store");
  std::error_code error;
  return !std::filesystem::exists(data_dir + "/CURRENT", error) &&
                 std::filesystem::exists(inner, error)
             ? inner
             : data_dir;
}

std::string PrivateFolder(const std::string& data_dir) { return data_dir + "/private"; }

}  // namespace ragmesh::cli
