#include "libs/document/zip_archive.h"

#include <zip.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/document/document_parser.h"

namespace ragmesh::document {
namespace {

constexpr std::uint64_t kRatioFreeBytes =
    1 << 20;  // small entries of repeated mark-up shrink by more than the ratio

absl::Status CheckDirectory(zip_t* archive, std::uint64_t archive_bytes,
                            const ParseLimits& limits) {
  const zip_int64_t entries = zip_get_num_entries(archive, 0);
  if (entries > static_cast<zip_int64_t>(limits.max_zip_entries)) {
    return LimitExceeded("document.entries", entries, limits.max_zip_entries, "zip entries");
  }
  std::uint64_t expanded = 0;
  std::uint64_t compressed = 0;
  for (zip_int64_t i = 0; i < entries; ++i) {
    zip_stat_t stat;
    if (zip_stat_index(archive, static_cast<zip_uint64_t>(i), 0, &stat) != 0)
      return Malformed("its zip directory is damaged");
    if ((stat.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && stat.encryption_method != ZIP_EM_NONE) {
      return MakeError(
          absl::StatusCode::kInvalidArgument, "the container is encrypted",
          {.reason = "PASSWORD_REQUIRED",
           .field = "password",
           .next_step = "Save the document without a password; only encrypted PDF can be opened."});
    }
    // Each is compared before it is added, so the sums cannot wrap.
    if (stat.size > limits.max_zip_bytes || (expanded += stat.size) > limits.max_zip_bytes) {
      return LimitExceeded("document.expanded_bytes",
                           static_cast<long long>(std::max<std::uint64_t>(expanded, stat.size)),
                           static_cast<long long>(limits.max_zip_bytes), "bytes");
    }
    if (stat.comp_size > archive_bytes || (compressed += stat.comp_size) > archive_bytes) {
      return Malformed("entries of its zip container overlap");
    }
    const std::uint64_t ratio = stat.size / std::max<std::uint64_t>(stat.comp_size, 1);
    if (stat.size > kRatioFreeBytes && ratio > limits.max_zip_ratio) {
      return LimitExceeded("document.expansion_ratio", static_cast<long long>(ratio),
                           limits.max_zip_ratio, "times");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ZipArchive>> ZipArchive::Open(absl::string_view bytes,
                                                             const ParseLimits& limits) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  zip_t* archive = source == nullptr ? nullptr : zip_open_from_source(source, ZIP_RDONLY, &error);
  if (archive == nullptr) {
    if (source != nullptr) zip_source_free(source);
    zip_error_fini(&error);
    return Malformed("its zip container is damaged");
  }
  zip_error_fini(&error);
  std::unique_ptr<ZipArchive> opened(new ZipArchive(archive, limits));
  if (const absl::Status status = CheckDirectory(archive, bytes.size(), limits); !status.ok())
    return status;
  return opened;
}

ZipArchive::~ZipArchive() { zip_discard(archive_); }

bool ZipArchive::Has(const std::string& name) const {
  return zip_name_locate(archive_, name.c_str(), 0) >= 0;
}

absl::StatusOr<std::string> ZipArchive::Read(const std::string& name) {
  zip_stat_t stat;
  if (zip_stat(archive_, name.c_str(), 0, &stat) != 0)
    return Malformed(absl::StrCat("its part ", name, " is missing"));
  // An entry may be asked for again and again; what it costs is counted every time.
  if ((read_bytes_ += stat.size) > limits_.max_zip_bytes) {
    return LimitExceeded("document.expanded_bytes", static_cast<long long>(read_bytes_),
                         static_cast<long long>(limits_.max_zip_bytes), "bytes");
  }
  zip_file_t* file = zip_fopen_index(archive_, stat.index, 0);
  if (file == nullptr) return Malformed(absl::StrCat("its part ", name, " cannot be expanded"));
  // One byte more than stated shows an entry that lies.
  std::string content(stat.size + 1, '\0');
  std::size_t size = 0;
  zip_int64_t got = 0;
  while (size < content.size() &&
         (got = zip_fread(file, content.data() + size, content.size() - size)) > 0) {
    size += static_cast<std::size_t>(got);
  }
  const bool closed = zip_fclose(file) == 0;
  if (size > stat.size) {
    return LimitExceeded("document.expanded_bytes", static_cast<long long>(size),
                         static_cast<long long>(stat.size), "bytes");
  }
  if (got < 0 || !closed || size < stat.size)
    return Malformed(absl::StrCat("its part ", name, " is damaged"));
  content.resize(size);
  return content;
}

}  // namespace ragmesh::document
