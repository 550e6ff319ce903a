#include "libs/vector_store/segment_folder.h"

#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "libs/backup/files.h"
#include "libs/base/error.h"
#include "libs/segment/segment.h"

namespace ragmesh::vector_store {

namespace fs = std::filesystem;

SegmentFolder::SegmentFolder(const std::string& store_path)
    : path_((fs::path(store_path) / "segments").string()) {}

absl::Status SegmentFolder::Create() const {
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) return ErrnoError(absl::StrCat("create directory ", path_), error.value());
  return absl::OkStatus();
}

std::string SegmentFolder::Stem(std::uint32_t collection, std::uint64_t segment) const {
  return absl::StrCat(path_, "/", collection, "-", segment);
}

void SegmentFolder::Remove(const std::string& stem) const {
  for (const std::string& path :
       {segment::SegmentPath(stem), segment::BytesPath(stem), segment::VectorsPath(stem)})
    unlink(path.c_str());
}

void SegmentFolder::RemoveOthers(const std::set<std::string>& kept) const {
  std::error_code error;
  for (fs::directory_iterator it(path_, error), end; !error && it != end; it.increment(error)) {
    if (!kept.contains((fs::path(path_) / it->path().stem()).string())) unlink(it->path().c_str());
  }
}

absl::Status SegmentFolder::Sync() const { return backup::SyncFolder(path_); }

}  // namespace ragmesh::vector_store
