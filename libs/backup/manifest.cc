#include "libs/backup/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"

namespace ragmesh::backup {
namespace {

using nlohmann::json;

constexpr char kKind[] = "ragmesh store snapshot";
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 50;  // of one file; sums cannot overflow
constexpr std::size_t kMaxFiles = 1 << 20;
constexpr std::size_t kMaxCollections = 100'000;

bool IsNumber(absl::string_view text) {
  return !text.empty() && text.size() <= 20 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// Reads members of one JSON object and remembers the first that is wrong.
class Fields {
 public:
  Fields(const json& object, std::string path) : object_(object), path_(std::move(path)) {
    if (!object_.is_object()) Fail("", "is not an object");
  }
  std::uint64_t Number(const char* name, std::uint64_t max) {
    const auto it = Find(name);
    if (it == object_.end()) return 0;
    if (!it->is_number_unsigned() || it->get<std::uint64_t>() > max) {
      Fail(name, absl::StrCat("is not a number from 0 to ", max));
      return 0;
    }
    return it->get<std::uint64_t>();
  }
  std::string Text(const char* name, std::size_t max) {
    const auto it = Find(name);
    if (it == object_.end()) return "";
    if (!it->is_string() || it->get_ref<const std::string&>().size() > max) {
      Fail(name, absl::StrCat("is not a text of at most ", max, " bytes"));
      return "";
    }
    return it->get<std::string>();
  }
  const json& List(const char* name, std::size_t max) {
    static const json empty = json::array();
    const auto it = Find(name);
    if (it == object_.end()) return empty;
    if (!it->is_array() || it->size() > max) {
      Fail(name, absl::StrCat("is not a list of at most ", max));
      return empty;
    }
    return *it;
  }
  void Fail(absl::string_view name, absl::string_view problem) {
    if (!status_.ok()) return;
    const char* dot = path_.empty() || name.empty() ? "" : ".";
    status_ = Damaged(absl::StrCat(path_, dot, name), problem);
  }
  const absl::Status& status() const { return status_; }

 private:
  json::const_iterator Find(const char* name) {
    if (!object_.is_object()) return object_.end();
    const auto it = object_.find(name);
    if (it == object_.end()) Fail(name, "is missing");
    return it;
  }
  const json& object_;
  const std::string path_;
  absl::Status status_;
};

bool IsDigest(absl::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

absl::StatusOr<ManifestFile> FileFrom(const json& object, const std::string& path) {
  Fields fields(object, path);
  ManifestFile file;
  file.name = fields.Text("name", 64);
  file.bytes = fields.Number("bytes", kMaxBytes);
  file.sha256 = fields.Text("sha256", 64);
  if (fields.status().ok() && !IsStoreFile(file.name))
    fields.Fail("name", "is not the name of a file of a store");
  if (fields.status().ok() && !IsDigest(file.sha256))
    fields.Fail("sha256", "is not 64 lower-case hexadecimal digits");
  if (!fields.status().ok()) return fields.status();
  return file;
}

absl::StatusOr<ManifestCollection> CollectionFrom(const json& object, const std::string& path) {
  Fields fields(object, path);
  ManifestCollection collection;
  collection.tenant = fields.Text("tenant", 63);
  collection.name = fields.Text("name", 63);
  collection.number = fields.Number("number", 0xFFFFFFFF);
  collection.sequence = fields.Number("sequence", UINT64_MAX);
  collection.documents = fields.Number("documents", UINT64_MAX);
  collection.chunks = fields.Number("chunks", UINT64_MAX);
  if (!fields.status().ok()) return fields.status();
  return collection;
}

}  // namespace

absl::Status Damaged(absl::string_view field, absl::string_view problem) {
  return MakeError(absl::StatusCode::kDataLoss, absl::StrCat(field, " ", problem),
                   {.reason = "CORRUPT_DATA",
                    .field = std::string(field),
                    .next_step = "Use another copy; this one is not what was written."});
}

std::uint64_t Manifest::size_bytes() const {
  std::uint64_t bytes = 0;
  for (const ManifestFile& file : files) bytes += file.bytes;
  return bytes;
}

bool IsStoreFile(absl::string_view name) {
  if (name == "CURRENT" || name == "IDENTITY") return true;
  if (absl::ConsumePrefix(&name, "MANIFEST-") || absl::ConsumePrefix(&name, "OPTIONS-"))
    return IsNumber(name);
  return (absl::ConsumeSuffix(&name, ".sst") || absl::ConsumeSuffix(&name, ".log")) &&
         IsNumber(name);
}

std::string ToText(const Manifest& manifest) {
  json collections = json::array(), files = json::array();
  for (const ManifestCollection& c : manifest.collections) {
    collections.push_back({{"tenant", c.tenant},
                           {"name", c.name},
                           {"number", c.number},
                           {"sequence", c.sequence},
                           {"documents", c.documents},
                           {"chunks", c.chunks}});
  }
  for (const ManifestFile& file : manifest.files)
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}});
  const json object = {
      {"kind", kKind},
      {"version", kManifestVersion},
      {"store_format", manifest.store_format},
      {"created", absl::FormatTime(absl::RFC3339_full, manifest.created, absl::UTCTimeZone())},
      {"release", manifest.release},
      {"sequence", manifest.sequence},
      {"collections", std::move(collections)},
      {"files", std::move(files)}};
  const std::string line =
      object.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace) + "\n";
  return absl::StrCat(line, json{{"sha256", Sha256Hex(line)}}.dump(), "\n");
}

absl::StatusOr<Manifest> ParseManifest(absl::string_view text) {
  const std::size_t end = text.find('\n');
  if (end == absl::string_view::npos) return Damaged("manifest", "is cut off");
  const absl::string_view line = text.substr(0, end + 1), rest = text.substr(end + 1);
  const json seal = json::parse(rest.begin(), rest.end(), nullptr, /*allow_exceptions=*/false);
  Fields sealed(seal, "");
  const std::string digest = sealed.Text("sha256", 64);
  if (!sealed.status().ok()) return Damaged("manifest.sha256", "is missing or cut off");
  if (digest != Sha256Hex(line)) return Damaged("manifest.sha256", "is not the manifest's digest");
  const json object = json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  Fields fields(object, "manifest");
  if (fields.status().ok() && fields.Text("kind", 64) != kKind)
    fields.Fail("kind", absl::StrCat("is not \"", kKind, "\""));
  const std::uint64_t version = fields.Number("version", UINT64_MAX);
  if (fields.status().ok() && version > kManifestVersion) {
    return WrongState("NEWER_FORMAT",
                      absl::StrCat("the snapshot's manifest has version ", version,
                                   ", this build reads up to ", kManifestVersion),
                      "Use the release that took the snapshot, or a later one.");
  }
  Manifest manifest;
  manifest.store_format = fields.Number("store_format", UINT64_MAX);
  const std::string created = fields.Text("created", 64);
  manifest.release = fields.Text("release", 256);
  manifest.sequence = fields.Number("sequence", UINT64_MAX);
  std::string error;
  if (fields.status().ok() &&
      !absl::ParseTime(absl::RFC3339_full, created, &manifest.created, &error))
    fields.Fail("created", "is not a time");
  const json& collections = fields.List("collections", kMaxCollections);
  const json& files = fields.List("files", kMaxFiles);
  if (!fields.status().ok()) return fields.status();
  for (std::size_t i = 0; i < collections.size(); ++i) {
    RAGMESH_ASSIGN_OR_RETURN(
        auto collection,
        CollectionFrom(collections[i], absl::StrCat("manifest.collections[", i, "]")));
    manifest.collections.push_back(std::move(collection));
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::string path = absl::StrCat("manifest.files[", i, "]");
    RAGMESH_ASSIGN_OR_RETURN(auto file, FileFrom(files[i], path));
    if (!names.insert(file.name).second)
      return Damaged(absl::StrCat(path, ".name"), "is given twice");
    manifest.files.push_back(std::move(file));
  }
  return manifest;
}

std::string ManifestDigest(absl::string_view text) {
  return Sha256Hex(text.substr(0, text.find('\n') + 1));
}

}  // namespace ragmesh::backup
