#include "libs/backup/collection_archive.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/backup/manifest.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"

namespace ragmesh::backup {
namespace {

using nlohmann::json;

// As PNG begins: a byte that is no text, line ends of either kind, so that a copy which changed
// them shows at once.
constexpr absl::string_view kMagic("\x89RMC\r\n\x1a\n", 8);
constexpr std::size_t kHeaderBytes = 12;    // magic, version u32
constexpr std::size_t kFrameHeadBytes = 5;  // kind u8, length u32
constexpr std::array<const char*, 3> kSections = {"collection", "documents", "chunks"};
constexpr char kKind[] = "ragmesh collection";
constexpr std::size_t kPieceBytes = 1 << 20;
// What is signed begins with this, so that a signature is of nothing else.
constexpr char kSignedPrefix[] = "ragmesh collection archive 1\n";
constexpr std::size_t kKeyIdBytes = 32, kSignatureBytes = 64;

std::string Little(std::uint32_t value) {
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

std::uint32_t FromLittle(absl::string_view bytes) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::string Head(FrameKind kind, std::size_t length) {
  return std::string(1, static_cast<char>(kind)) + Little(static_cast<std::uint32_t>(length));
}

struct Section {
  std::uint64_t frames = 0, bytes = 0;
  Sha256 hash;
  void Add(absl::string_view head, absl::string_view payload) {
    ++frames;
    bytes += head.size() + payload.size();
    hash.Update(head);
    hash.Update(payload);
  }
};

std::size_t SectionOf(FrameKind kind) {
  return kind == FrameKind::kCollection ? 0 : kind == FrameKind::kDocument ? 1 : 2;
}

absl::StatusOr<std::string> TextOf(const json& object, const char* name, std::size_t max) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_string() || it->get_ref<const std::string&>().size() > max)
    return Damaged(absl::StrCat("manifest.", name), "is missing or no text");
  return it->get<std::string>();
}

absl::StatusOr<std::uint64_t> NumberOf(const json& object, const char* name,
                                       absl::string_view path) {
  const auto it = object.find(name);
  if (it == object.end() || !it->is_number_unsigned())
    return Damaged(absl::StrCat(path, ".", name), "is missing or no number");
  return it->get<std::uint64_t>();
}

}  // namespace

struct ArchiveWriter::State {
  bool begun = false;
  std::array<Section, 3> sections;
};

ArchiveWriter::ArchiveWriter(Sink sink)
    : sink_(std::move(sink)), state_(std::make_unique<State>()) {}
ArchiveWriter::~ArchiveWriter() = default;

absl::Status ArchiveWriter::Put(FrameKind kind, absl::string_view payload) {
  if (!std::exchange(state_->begun, true))
    RAGMESH_RETURN_IF_ERROR(sink_(absl::StrCat(kMagic, Little(kArchiveVersion))));
  RAGMESH_RETURN_IF_ERROR(sink_(Head(kind, payload.size())));
  for (; !payload.empty(); payload.remove_prefix(std::min(payload.size(), kPieceBytes)))
    RAGMESH_RETURN_IF_ERROR(sink_(payload.substr(0, kPieceBytes)));
  return absl::OkStatus();
}

absl::Status ArchiveWriter::Add(FrameKind kind, absl::string_view payload) {
  if (payload.size() > kMaxFrameBytes) {
    return LimitExceeded("frame", static_cast<long long>(payload.size()), kMaxFrameBytes, "bytes");
  }
  state_->sections[SectionOf(kind)].Add(Head(kind, payload.size()), payload);
  return Put(kind, payload);
}

absl::Status ArchiveWriter::Finish(ArchiveManifest manifest) {
  json sections = json::array();
  for (std::size_t i = 0; i < kSections.size(); ++i) {
    Section& section = state_->sections[i];
    sections.push_back({{"name", kSections[i]},
                        {"frames", section.frames},
                        {"bytes", section.bytes},
                        {"sha256", section.hash.HexDigest()}});
  }
  const json object = {
      {"kind", kKind},
      {"tenant", manifest.tenant},
      {"name", manifest.name},
      {"created", absl::FormatTime(absl::RFC3339_full, manifest.created, absl::UTCTimeZone())},
      {"release", manifest.release},
      {"sequence", manifest.sequence},
      {"documents", state_->sections[1].frames},
      {"chunks", state_->sections[2].frames},
      {"sections", std::move(sections)}};
  return Put(FrameKind::kManifest, object.dump(-1, ' ', true, json::error_handler_t::replace));
}

std::string SignatureFrame(absl::string_view manifest, const Ed25519Key* key) {
  std::string payload(1, key == nullptr ? '\0' : '\1');
  if (key != nullptr)
    absl::StrAppend(&payload, key->id(), key->Sign(absl::StrCat(kSignedPrefix, manifest)));
  return Head(FrameKind::kSignature, payload.size()) + payload;
}

struct ArchiveReader::State {
  std::string buffer;  // read, not yet taken
  std::size_t taken = 0;
  bool ended = false;  // the source has no more
  bool begun = false;
  char last = 0;  // kind of the last frame
  std::array<Section, 3> sections;
  std::string manifest;

  absl::string_view Take(std::size_t bytes) {
    const absl::string_view view = absl::string_view(buffer).substr(taken, bytes);
    taken += bytes;
    return view;
  }
};

ArchiveReader::ArchiveReader(Source source, Signed signatures, const Ed25519Key* key)
    : source_(std::move(source)),
      signatures_(signatures),
      key_(key),
      state_(std::make_unique<State>()) {}
ArchiveReader::~ArchiveReader() = default;

// A length that lies makes it read as much as there is, and never more memory than was read.
absl::Status ArchiveReader::Fill(std::size_t bytes, absl::string_view what) {
  State& state = *state_;
  if (state.buffer.size() - state.taken >= bytes) return absl::OkStatus();
  state.buffer.erase(0, state.taken);
  state.taken = 0;
  while (state.buffer.size() < bytes && !state.ended) {
    RAGMESH_ASSIGN_OR_RETURN(const std::string piece, source_());
    state.ended = piece.empty();
    bytes_read_ += piece.size();
    state.buffer += piece;
  }
  if (state.buffer.size() < bytes)
    return Damaged(what, absl::StrCat("is cut off at byte ", bytes_read_, " of the archive"));
  return absl::OkStatus();
}

absl::Status ArchiveReader::CheckOrder(char kind, std::uint32_t length) {
  const absl::string_view order = "CDKMS";
  const std::size_t now = order.find(kind);
  const char last = state_->last;
  if (now == absl::string_view::npos)
    return Damaged("frame.kind", absl::StrCat("is unknown: ", static_cast<int>(kind)));
  const bool first = last == 0;
  const std::size_t before = first ? 0 : order.find(last);
  const bool repeats = kind == last && (kind == 'D' || kind == 'K');
  // Documents and chunks may be none; collection, manifest and signature are there once.
  const bool follows =
      first ? kind == 'C' : repeats || (now > before && (kind != 'S' || last == 'M'));
  if (!follows || last == 'S')
    return Damaged("frame.kind", absl::StrCat("'", std::string(1, kind), "' is out of place"));
  const std::uint32_t most = kind == 'M'   ? kMaxArchiveManifestBytes
                             : kind == 'S' ? 1 + kKeyIdBytes + kSignatureBytes
                                           : kMaxFrameBytes;
  if (length > most) {
    return Damaged("frame.length", absl::StrCat("of '", std::string(1, kind), "' is ", length,
                                                ", more than ", most));
  }
  return absl::OkStatus();
}

absl::Status ArchiveReader::TakeManifest(absl::string_view payload) {
  const json object = json::parse(payload.begin(), payload.end(), nullptr, false);
  if (!object.is_object()) return Damaged("manifest", "is no JSON object");
  RAGMESH_ASSIGN_OR_RETURN(const std::string kind, TextOf(object, "kind", 64));
  if (kind != kKind) return Damaged("manifest.kind", "is another");
  RAGMESH_ASSIGN_OR_RETURN(manifest_.tenant, TextOf(object, "tenant", 63));
  RAGMESH_ASSIGN_OR_RETURN(manifest_.name, TextOf(object, "name", 63));
  RAGMESH_ASSIGN_OR_RETURN(manifest_.release, TextOf(object, "release", 256));
  RAGMESH_ASSIGN_OR_RETURN(const std::string created, TextOf(object, "created", 64));
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, created, &manifest_.created, &error))
    return Damaged("manifest.created", "is no time");
  RAGMESH_ASSIGN_OR_RETURN(manifest_.sequence, NumberOf(object, "sequence", "manifest"));
  RAGMESH_ASSIGN_OR_RETURN(manifest_.documents, NumberOf(object, "documents", "manifest"));
  RAGMESH_ASSIGN_OR_RETURN(manifest_.chunks, NumberOf(object, "chunks", "manifest"));
  const auto sections = object.find("sections");
  if (sections == object.end() || !sections->is_array() || sections->size() != kSections.size())
    return Damaged("manifest.sections", absl::StrCat("are not ", kSections.size()));
  for (std::size_t i = 0; i < kSections.size(); ++i) {
    const std::string path = absl::StrCat("manifest.sections[", i, "]");
    const json& said = (*sections)[i];
    Section& found = state_->sections[i];
    const bool named = said.is_object() && said.contains("name") && said["name"] == kSections[i];
    if (!named) return Damaged(path + ".name", absl::StrCat("is not \"", kSections[i], "\""));
    RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t frames, NumberOf(said, "frames", path));
    RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t bytes, NumberOf(said, "bytes", path));
    if (frames != found.frames)
      return Damaged(path + ".frames", absl::StrCat("is ", frames, ", there are ", found.frames));
    if (bytes != found.bytes)
      return Damaged(path + ".bytes", absl::StrCat("is ", bytes, ", there are ", found.bytes));
    if (!said.contains("sha256") || said["sha256"] != found.hash.HexDigest())
      return Damaged(path + ".sha256", "is not the section's digest");
  }
  if (manifest_.documents != state_->sections[1].frames)
    return Damaged("manifest.documents", "is not their number");
  if (manifest_.chunks != state_->sections[2].frames)
    return Damaged("manifest.chunks", "is not their number");
  state_->manifest = std::string(payload);
  manifest_sha256_ = Sha256Hex(payload);
  return absl::OkStatus();
}

absl::Status ArchiveReader::TakeSignature(absl::string_view payload) {
  const bool is_signed = !payload.empty() && payload[0] == '\1';
  if (payload.size() != (is_signed ? 1 + kKeyIdBytes + kSignatureBytes : 1) ||
      (!is_signed && payload[0] != '\0'))
    return Damaged("signature", "does not follow its layout");
  if (signatures_ == Signed::kUnchecked) return absl::OkStatus();
  const auto refuse = [](absl::string_view reason, absl::string_view message) {
    return MakeError(absl::StatusCode::kPermissionDenied, message,
                     {.reason = std::string(reason),
                      .field = "signature",
                      .next_step = "Take an archive that is signed by the key you trust, or name "
                                   "the key of who made this one."});
  };
  if (!is_signed) return refuse("UNSIGNED_ARCHIVE", "the archive is not signed");
  if (payload.substr(1, kKeyIdBytes) != key_->id()) {
    return refuse("UNKNOWN_SIGNER", absl::StrCat("the archive is signed by another key: ",
                                                 absl::BytesToHexString(payload.substr(1, 8))));
  }
  if (!key_->Verify(absl::StrCat(kSignedPrefix, state_->manifest), payload.substr(1 + kKeyIdBytes)))
    return Damaged("signature", "is not that of the manifest");
  return absl::OkStatus();
}

absl::StatusOr<ArchiveReader::Frame> ArchiveReader::Next() {
  State& state = *state_;
  if (!state.begun) {
    RAGMESH_RETURN_IF_ERROR(Fill(kHeaderBytes, "header"));
    const absl::string_view header = state.Take(kHeaderBytes);
    if (header.substr(0, kMagic.size()) != kMagic)
      return Damaged("magic", "is not that of an archive of a collection");
    const std::uint32_t version = FromLittle(header.substr(kMagic.size()));
    if (version > kArchiveVersion) {
      return WrongState("NEWER_FORMAT",
                        absl::StrCat("the archive has version ", version,
                                     ", this build reads up to ", kArchiveVersion),
                        "Use the release that exported it, or a later one.");
    }
    if (version == 0) return Damaged("version", "is 0");
    state.begun = true;
  }
  if (state.last == 'S') {
    // One look beyond the end.
    if (state.buffer.size() == state.taken && !state.ended) {
      RAGMESH_ASSIGN_OR_RETURN(const std::string piece, source_());
      bytes_read_ += piece.size();
      state.buffer += piece;
    }
    if (state.buffer.size() != state.taken)
      return Damaged("archive", "has bytes after its last frame");
    Frame end;
    end.end = true;
    return end;
  }
  RAGMESH_RETURN_IF_ERROR(Fill(kFrameHeadBytes, "frame"));
  const std::string head(state.Take(kFrameHeadBytes));
  const std::uint32_t length = FromLittle(absl::string_view(head).substr(1));
  RAGMESH_RETURN_IF_ERROR(CheckOrder(head[0], length));
  RAGMESH_RETURN_IF_ERROR(Fill(length, absl::StrCat("frame '", head.substr(0, 1), "'")));
  Frame frame;
  frame.kind = static_cast<FrameKind>(head[0]);
  frame.payload = std::string(state.Take(length));
  state.last = head[0];
  if (frame.kind == FrameKind::kManifest) {
    RAGMESH_RETURN_IF_ERROR(TakeManifest(frame.payload));
  } else if (frame.kind == FrameKind::kSignature) {
    RAGMESH_RETURN_IF_ERROR(TakeSignature(frame.payload));
  } else {
    state.sections[SectionOf(frame.kind)].Add(head, frame.payload);
  }
  return frame;
}

}  // namespace ragmesh::backup
