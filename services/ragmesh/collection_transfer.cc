#include "services/ragmesh/collection_transfer.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/backup/collection_archive.h"
#include "libs/backup/files.h"
#include "libs/base/error.h"
#include "libs/base/scoped_fd.h"
#include "libs/base/status_macros.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/json_output.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMegabyte = 1'000'000;
constexpr std::size_t kPieceBytes = 1 << 20;

absl::Status Append(int fd, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoError(absl::StrCat("write ", path), errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

// The bytes of a file piece by piece, with a bar.
class Pieces {
 public:
  static absl::StatusOr<std::unique_ptr<Pieces>> Open(const std::string& path, const char* label,
                                                      bool quiet) {
    ScopedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid()) return ErrnoError(absl::StrCat("open ", path), errno);
    std::error_code error;
    const std::uint64_t total = fs::file_size(path, error);
    if (error) return InvalidField("file", absl::StrCat("names ", path, ", which is no file"));
    return std::make_unique<Pieces>(std::move(file), path, total, label, quiet);
  }
  Pieces(ScopedFd file, std::string path, std::uint64_t total, const char* label, bool quiet)
      : file_(std::move(file)), path_(std::move(path)), total_(total), bar_(label, "MB", quiet) {}

  absl::StatusOr<std::string> Next() {
    std::string piece(kPieceBytes, '\0');
    ssize_t got = 0;
    do {
      got = ::read(file_.get(), piece.data(), piece.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0) return ErrnoError(absl::StrCat("read ", path_), errno);
    piece.resize(static_cast<std::size_t>(got));
    done_ += piece.size();
    bar_.Update(done_ / kMegabyte, total_ / kMegabyte, "");
    return piece;
  }

 private:
  const ScopedFd file_;
  const std::string path_;
  const std::uint64_t total_;
  std::uint64_t done_ = 0;
  Progress bar_;
};

struct Checked {
  backup::ArchiveManifest manifest;
  std::string payload;  // of the manifest frame
  std::string sha256;   // of that
  std::uint64_t bytes = 0;
};

// Reads all of an archive. `key` null: whoever signed it.
absl::StatusOr<Checked> CheckArchive(backup::ArchiveReader::Source source,
                                     const backup::Ed25519Key* key, const CallContext& call) {
  backup::ArchiveReader reader(
      std::move(source), key == nullptr ? backup::Signed::kUnchecked : backup::Signed::kByKey, key);
  Checked checked;
  while (true) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_ASSIGN_OR_RETURN(backup::ArchiveReader::Frame frame, reader.Next());
    if (frame.end) break;
    if (frame.kind == backup::FrameKind::kManifest) checked.payload = std::move(frame.payload);
  }
  checked.manifest = reader.manifest();
  checked.sha256 = reader.manifest_sha256();
  checked.bytes = reader.bytes_read();
  return checked;
}

// A file that is made beside its place and gets its name once it is whole.
class NewFile {
 public:
  static absl::StatusOr<std::unique_ptr<NewFile>> Begin(const std::string& path) {
    std::error_code error;
    if (fs::exists(fs::symlink_status(path, error))) return AlreadyExists("file", path);
    auto file = std::make_unique<NewFile>(path);
    unlink(file->part_.c_str());  // of an export that was killed
    file->fd_ =
        ScopedFd(::open(file->part_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file->fd_.valid()) return ErrnoError(absl::StrCat("make ", file->part_), errno);
    return file;
  }
  explicit NewFile(std::string path) : path_(std::move(path)), part_(path_ + ".part") {}
  ~NewFile() {
    if (fd_.valid()) unlink(part_.c_str());
  }
  int fd() const { return fd_.get(); }
  const std::string& part() const { return part_; }
  absl::Status Finish() {
    if (fsync(fd_.get()) != 0) return ErrnoError(absl::StrCat("sync ", part_), errno);
    // A link and not a rename, which would take the place of what came meanwhile.
    if (link(part_.c_str(), path_.c_str()) != 0)
      return ErrnoError(absl::StrCat("name ", path_), errno);
    unlink(part_.c_str());
    fd_.reset();
    const fs::path parent = fs::absolute(path_).parent_path();
    return backup::SyncFolder(parent.string());
  }

 private:
  const std::string path_, part_;
  ScopedFd fd_;
};

}  // namespace

void CollectionTransfer::Declare(flags::FlagSet& collections) {
  const auto common = [this](flags::FlagSet& flags) {
    flags.String("key", &key_,
                 "PEM file of an Ed25519 key: the private one signs, either verifies. Make one "
                 "with: ragmesh collections keygen FILE");
    flags.Bool("unsigned", &unsigned_,
               "Do without a signature; whoever can change the file can "
               "change what is in it.");
    flags.String("tenant", &tenant_, "Tenant of the collection in the store.");
    access_.Declare(flags);
  };
  flags::FlagSet& out = collections.Subcommand(
      "export", "Writes one collection to a file, with texts, chunks, vectors and settings.",
      "ragmesh collections export manuals manuals.rmc --key=site.pem");
  out.Positional("name", &name_, true, "Its name.");
  out.Positional("file", &file_, true, "File to make.");
  common(out);
  flags::FlagSet& in = collections.Subcommand(
      "import", "Makes a collection of a file that export wrote. Nothing is parsed or embedded.",
      "ragmesh collections import manuals.rmc --key=site.pem.pub");
  in.Positional("file", &file_, true, "The file.");
  in.String("as", &as_, "Name of the new collection; empty: the one it had.");
  common(in);
  flags::FlagSet& key = collections.Subcommand(
      "keygen", "Makes an Ed25519 key that signs exports: FILE, and FILE.pub to verify with.",
      "ragmesh collections keygen site.pem");
  key.Positional("file", &file_, true, "File of the private half.");
}

bool CollectionTransfer::Has(const std::string& chosen) {
  return chosen == "collections export" || chosen == "collections import" ||
         chosen == "collections keygen";
}

int CollectionTransfer::Run(const std::string& chosen) const {
  absl::Status status;
  if (chosen == "collections keygen") {
    status = backup::Ed25519Key::Generate(file_);
    if (status.ok()) std::printf("%s signs, %s.pub verifies.\n", file_.c_str(), file_.c_str());
  } else {
    status = chosen == "collections export" ? Export() : Import();
  }
  return status.ok() ? kOk : Fail(status, access_.json);
}

absl::StatusOr<std::unique_ptr<const backup::Ed25519Key>> CollectionTransfer::Key(
    bool to_sign) const {
  if (key_.empty() != unsigned_) {
    return InvalidField("key", unsigned_ ? "contradicts --unsigned" : "is missing",
                        "Give --key=FILE, or --unsigned to do without a signature.");
  }
  if (unsigned_) return nullptr;
  return to_sign ? backup::Ed25519Key::FromPrivateFile(key_) : backup::Ed25519Key::FromFile(key_);
}

absl::Status CollectionTransfer::Export() const {
  RAGMESH_ASSIGN_OR_RETURN(const auto key, Key(/*to_sign=*/true));
  RAGMESH_ASSIGN_OR_RETURN(const auto file, NewFile::Begin(file_));
  RAGMESH_ASSIGN_OR_RETURN(const auto store, OpenStore(access_));
  RAGMESH_ASSIGN_OR_RETURN(stages::StoreAdmin* const admin, AdminOf(*store));
  const CallContext call = access_.NewCall();
  const bool quiet = access_.quiet || access_.json;
  {
    Progress bar("export", "documents and chunks", quiet);
    RAGMESH_RETURN_IF_ERROR(admin->ExportCollection(
        {tenant_, name_},
        [&](const stages::ArchivePiece& piece) {
          bar.Update(piece.done, piece.total, "");
          return Append(file->fd(), piece.bytes, file->part());
        },
        call));
  }
  // What is signed is what the disk gives back.
  RAGMESH_ASSIGN_OR_RETURN(const auto pieces, Pieces::Open(file->part(), "check", quiet));
  bool at_end = false;
  RAGMESH_ASSIGN_OR_RETURN(const Checked checked,
                           CheckArchive(
                               [&]() -> absl::StatusOr<std::string> {
                                 RAGMESH_ASSIGN_OR_RETURN(std::string piece, pieces->Next());
                                 if (piece.empty() && !std::exchange(at_end, true))
                                   return backup::SignatureFrame("", nullptr);
                                 return piece;
                               },
                               nullptr, call));
  RAGMESH_RETURN_IF_ERROR(
      Append(file->fd(), backup::SignatureFrame(checked.payload, key.get()), file->part()));
  RAGMESH_RETURN_IF_ERROR(file->Finish());
  if (access_.json) {
    PrintLine({{"exported",
                {{"file", file_},
                 {"documents", checked.manifest.documents},
                 {"chunks", checked.manifest.chunks},
                 {"sequence", checked.manifest.sequence},
                 {"manifest_sha256", checked.sha256},
                 {"signed", key != nullptr}}}});
    return absl::OkStatus();
  }
  std::printf("%s: %llu documents, %llu chunks%s\n", file_.c_str(),
              static_cast<unsigned long long>(checked.manifest.documents),
              static_cast<unsigned long long>(checked.manifest.chunks),
              key != nullptr ? ", signed" : ", not signed");
  return absl::OkStatus();
}

absl::Status CollectionTransfer::Import() const {
  RAGMESH_ASSIGN_OR_RETURN(const auto key, Key(/*to_sign=*/false));
  const CallContext call = access_.NewCall();
  const bool quiet = access_.quiet || access_.json;
  // All of it before a byte goes to the store: the signature is at its end.
  RAGMESH_ASSIGN_OR_RETURN(const auto first, Pieces::Open(file_, "check", quiet));
  RAGMESH_ASSIGN_OR_RETURN(const Checked checked,
                           CheckArchive([&] { return first->Next(); }, key.get(), call));
  RAGMESH_ASSIGN_OR_RETURN(const auto store, OpenStore(access_));
  RAGMESH_ASSIGN_OR_RETURN(stages::StoreAdmin* const admin, AdminOf(*store));
  RAGMESH_ASSIGN_OR_RETURN(const auto pieces, Pieces::Open(file_, "import", quiet));
  RAGMESH_ASSIGN_OR_RETURN(const stages::Collection made,
                           admin->ImportCollection(
                               {tenant_, as_.empty() ? checked.manifest.name : as_}, checked.sha256,
                               [&] { return pieces->Next(); }, call));
  if (access_.json) {
    PrintLine({{"imported",
                {{"name", made.config.id.name},
                 {"tenant", made.config.id.tenant},
                 {"documents", made.stats.documents},
                 {"chunks", made.stats.chunks},
                 {"sequence", made.stats.sequence},
                 {"signed", key != nullptr}}}});
    return absl::OkStatus();
  }
  std::printf("%s: %llu documents, %llu chunks%s\n", Printable(made.config.id.name).c_str(),
              static_cast<unsigned long long>(made.stats.documents),
              static_cast<unsigned long long>(made.stats.chunks),
              key != nullptr ? "" : "; the signature was not checked");
  return absl::OkStatus();
}

}  // namespace ragmesh::cli
