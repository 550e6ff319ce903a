// The archive of one collection: a stream of frames that is written once and read once, in order,
// with one frame in memory at a time. Every byte: docs/formats/collection-archive.md.
//
//   magic, version | 'C' frame | 'D' frames | 'K' frames | 'M' frame: manifest | 'S' frame:
//   signature
#ifndef RAGMESH_LIBS_BACKUP_COLLECTION_ARCHIVE_H_
#define RAGMESH_LIBS_BACKUP_COLLECTION_ARCHIVE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/backup/signing_key.h"

namespace ragmesh::backup {

inline constexpr std::uint32_t kArchiveVersion = 1;
// More than any document or chunk within the store's limits takes.
inline constexpr std::uint32_t kMaxFrameBytes = 192u << 20;
inline constexpr std::uint32_t kMaxArchiveManifestBytes = 64u << 10;

enum class FrameKind : char {
  kCollection = 'C',
  kDocument = 'D',
  kChunk = 'K',
  kManifest = 'M',
  kSignature = 'S'
};

struct ArchiveManifest {
  std::string tenant, name;
  absl::Time created;          // when it was exported
  std::string release;         // of the build that exported it, for people
  std::uint64_t sequence = 0;  // of the collection's last write
  std::uint64_t documents = 0, chunks = 0;
};

// Writes all but the signature, which belongs to whoever has the key. Not thread-safe.
class ArchiveWriter {
 public:
  using Sink = absl::AnyInvocable<absl::Status(absl::string_view)>;
  explicit ArchiveWriter(Sink sink);
  ~ArchiveWriter();

  // One collection, then documents, then chunks.
  absl::Status Add(FrameKind kind, absl::string_view payload);
  // The manifest; its counts and digests are those of what was added.
  absl::Status Finish(ArchiveManifest manifest);

 private:
  struct State;
  absl::Status Put(FrameKind kind, absl::string_view payload);
  Sink sink_;
  std::unique_ptr<State> state_;
};

// The last frame of an archive whose manifest frame had this payload. `key` null: says that it is
// not signed.
std::string SignatureFrame(absl::string_view manifest, const Ed25519Key* key);

// What a reader does about signatures.
enum class Signed {
  kByKey,      // by the key that is given, or the archive is refused
  kUnchecked,  // whatever is there
};

// Reads an archive and believes nothing of it: frames out of order, lengths beyond their bounds,
// bytes that are missing or too many, and digests, counts and signatures that do not match are
// refused as DATA_LOSS / CORRUPT_DATA naming the part; an archive of a later version as
// FAILED_PRECONDITION / NEWER_FORMAT; one that is not signed by the key as PERMISSION_DENIED /
// UNSIGNED_ARCHIVE or / UNKNOWN_SIGNER. What came before the manifest is only known to be whole
// once `end` is returned. Not thread-safe.
class ArchiveReader {
 public:
  // The next bytes, as many as the source likes; empty at the end.
  using Source = absl::AnyInvocable<absl::StatusOr<std::string>()>;
  // `key` is borrowed; null with Signed::kUnchecked.
  ArchiveReader(Source source, Signed signatures, const Ed25519Key* key);
  ~ArchiveReader();

  struct Frame {
    FrameKind kind = FrameKind::kCollection;
    std::string payload;
    bool end = false;  // no frame: all was read and checked
  };
  absl::StatusOr<Frame> Next();
  // Once the end was returned.
  const ArchiveManifest& manifest() const { return manifest_; }
  // Digest of the manifest frame's payload; names the archive's content.
  const std::string& manifest_sha256() const { return manifest_sha256_; }
  std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  struct State;
  absl::Status Fill(std::size_t bytes, absl::string_view what);
  absl::Status TakeManifest(absl::string_view payload);
  absl::Status TakeSignature(absl::string_view payload);
  absl::Status CheckOrder(char kind, std::uint32_t length);

  Source source_;
  const Signed signatures_;
  const Ed25519Key* const key_;
  std::unique_ptr<State> state_;
  std::uint64_t bytes_read_ = 0;
  ArchiveManifest manifest_;
  std::string manifest_sha256_;
};

}  // namespace ragmesh::backup

#endif  // RAGMESH_LIBS_BACKUP_COLLECTION_ARCHIVE_H_
