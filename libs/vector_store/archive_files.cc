#include "libs/vector_store/archive_files.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/backup/snapshot_folder.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/binary_codec.h"

namespace ragmesh::vector_store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kLengthBytes = 4;
// More than the largest group of writes takes: see kMaxWriteBytes and kMaxGroup.
constexpr std::uint32_t kMaxFrameBytes = 1u << 30;
constexpr std::size_t kReadBytes = 1 << 20;

std::string Framed(const std::string& sealed) {
  BinaryWriter out;
  out.U32(static_cast<std::uint32_t>(sealed.size()));
  return out.Take() + sealed;
}

void Put(absl::Time time, BinaryWriter* out) {
  out->U64(static_cast<std::uint64_t>(absl::ToUnixNanos(time)));
}

absl::Time TakeTime(BinaryReader* in) {
  return absl::FromUnixNanos(static_cast<std::int64_t>(in->U64()));
}

std::vector<int> NumbersOf(const std::string& folder, absl::string_view prefix) {
  std::vector<int> numbers;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    int number = 0;
    if (absl::StartsWith(name, prefix) && name.size() == prefix.size() + 6 &&
        absl::SimpleAtoi(name.substr(prefix.size()), &number) && number > 0)
      numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// Walks the frames of a file and tells a torn end from damage.
class FrameReader {
 public:
  explicit FrameReader(const std::string& path) : path_(path), in_(path, std::ios::binary) {}

  // The sealed value of the next frame; nothing at the end, which may be a torn one.
  absl::StatusOr<std::optional<std::string>> Next() {
    std::string length(kLengthBytes, '\0');
    if (!Read(&length)) return std::optional<std::string>();
    const std::uint32_t bytes = BinaryReader(length).U32();
    if (bytes > kMaxFrameBytes) return Corrupt(path_, "has a frame beyond its bounds");
    std::string sealed;
    while (sealed.size() < bytes) {  // so that a length which lies takes no more than is there
      std::string piece(std::min<std::size_t>(kReadBytes, bytes - sealed.size()), '\0');
      if (!Read(&piece)) return std::optional<std::string>();
      sealed += piece;
    }
    return std::optional(std::move(sealed));
  }
  bool at_end() { return in_.peek() == std::ifstream::traits_type::eof(); }
  bool opened() const { return in_.is_open(); }

 private:
  bool Read(std::string* bytes) {
    in_.read(bytes->data(), static_cast<std::streamsize>(bytes->size()));
    return static_cast<std::size_t>(in_.gcount()) == bytes->size();
  }
  const std::string path_;
  std::ifstream in_;
};

absl::StatusOr<ArchiveFileHead> HeadFrom(FrameReader* frames, const std::string& path) {
  if (!frames->opened()) return NotFound("log file", path);
  RAGMESH_ASSIGN_OR_RETURN(const auto sealed, frames->Next());
  if (!sealed.has_value()) return Corrupt(path, "has no head");
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view payload,
                           Unseal(RecordKind::kArchiveHead, kVersion, *sealed));
  BinaryReader in(payload);
  ArchiveFileHead head;
  head.database = in.String();
  head.first = in.U64();
  head.usable_from = TakeTime(&in);
  if (in.failed() || !in.at_end())
    return Corrupt(path, "has a head that does not follow its layout");
  return head;
}

}  // namespace

std::string FrameOf(const ArchiveFileHead& head) {
  BinaryWriter out;
  out.Bytes(head.database);
  out.U64(head.first);
  Put(head.usable_from, &out);
  return Framed(Seal(RecordKind::kArchiveHead, kVersion, out.bytes()));
}

std::string FrameOf(const ArchiveEntry& entry) {
  BinaryWriter out;
  out.U64(entry.sequence);
  out.U64(entry.count);
  Put(entry.time, &out);
  out.Bytes(entry.batch);
  return Framed(Seal(RecordKind::kArchiveEntry, kVersion, out.bytes()));
}

std::string ChainName(int number) { return absl::StrFormat("chain-%06d", number); }
std::string LogFileName(int number) { return absl::StrFormat("log-%06d", number); }
std::vector<int> ChainsOf(const std::string& archive) { return NumbersOf(archive, "chain-"); }
std::vector<int> LogFilesOf(const std::string& chain) { return NumbersOf(chain, "log-"); }

absl::StatusOr<ArchiveFileHead> ReadLogFileHead(const std::string& path) {
  FrameReader frames(path);
  return HeadFrom(&frames, path);
}

absl::StatusOr<ArchiveFileHead> ReadLogFile(
    const std::string& path, absl::FunctionRef<absl::StatusOr<bool>(ArchiveEntry)> take) {
  FrameReader frames(path);
  RAGMESH_ASSIGN_OR_RETURN(ArchiveFileHead head, HeadFrom(&frames, path));
  while (true) {
    RAGMESH_ASSIGN_OR_RETURN(const auto sealed, frames.Next());
    if (!sealed.has_value()) return head;
    const auto payload = Unseal(RecordKind::kArchiveEntry, kVersion, *sealed);
    if (!payload.ok()) {
      // Space that was taken and not yet written when the machine went.
      if (frames.at_end() && absl::IsDataLoss(payload.status())) return head;
      return Annotate(payload.status(), path);
    }
    BinaryReader in(*payload);
    ArchiveEntry entry;
    entry.sequence = in.U64();
    entry.count = in.U64();
    entry.time = TakeTime(&in);
    entry.batch = in.String();
    if (in.failed() || !in.at_end())
      return Corrupt(path, "has an entry that does not follow its layout");
    RAGMESH_ASSIGN_OR_RETURN(const bool more, take(std::move(entry)));
    if (!more) return head;
  }
}

absl::StatusOr<std::vector<ChainReach>> ReachOf(const std::string& archive,
                                                const CallContext& call) {
  std::vector<ChainReach> reach;
  for (const int number : ChainsOf(archive)) {
    ChainReach chain;
    chain.number = number;
    chain.path = absl::StrCat(archive, "/", ChainName(number));
    const auto base = backup::ReadSnapshotManifest(chain.path + "/base");
    const std::vector<int> files = LogFilesOf(chain.path);
    if (!base.ok() || files.empty()) continue;
    chain.first_sequence = chain.last_sequence = base->sequence;
    for (const int file : files) {
      RAGMESH_RETURN_IF_ERROR(call.Check());
      RAGMESH_ASSIGN_OR_RETURN(const ArchiveFileHead head,
                               ReadLogFile(absl::StrCat(chain.path, "/", LogFileName(file)),
                                           [&](const ArchiveEntry& entry) -> absl::StatusOr<bool> {
                                             chain.through = std::max(chain.through, entry.time);
                                             if (entry.count > 0)
                                               chain.last_sequence =
                                                   std::max(chain.last_sequence,
                                                            entry.sequence + entry.count - 1);
                                             return true;
                                           }));
      if (file == files.front()) chain.from = head.usable_from;
    }
    chain.through = std::max(chain.through, chain.from);
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(chain.path, error)) {
      std::error_code gone;
      if (entry.is_regular_file(gone)) chain.bytes += entry.file_size(gone);
    }
    reach.push_back(std::move(chain));
  }
  return reach;
}

}  // namespace ragmesh::vector_store
