#include "libs/vector_store/replays.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/vector_store/binary_codec.h"
#include "libs/vector_store/limits.h"

namespace ragmesh::vector_store {

std::string ContentOf(absl::string_view embedder_digest, const stages::Upsert& upsert) {
  Sha256 digest;
  BinaryWriter head;
  head.Bytes(embedder_digest);
  head.U8(!upsert.document.has_value() ? 0 : upsert.copied ? 2 : 1);
  head.Varint(upsert.chunks.size());
  digest.Update(head.bytes());
  if (upsert.document.has_value()) {
    DocumentRecord record{*upsert.document, upsert.document->text.size(),
                          Sha256Hex(upsert.document->text)};
    if (!upsert.copied) {
      record.document.version = 0;  // the store sets both
      record.document.updated = absl::UnixEpoch();
    }
    digest.Update(Encode(record));
  }
  for (const stages::StoredChunk& chunk : upsert.chunks) {
    digest.Update(Encode(ChunkRecord{chunk, 0}));
    digest.Update(EncodeVector(chunk.vector));
    digest.Update(Encode(chunk.tokens));
  }
  return digest.HexDigest();
}

std::string ContentOf(const stages::DeleteSelector& what) {
  BinaryWriter out;
  out.U8(static_cast<std::uint8_t>(what.index()));
  if (const auto* chunks = std::get_if<stages::ChunkIds>(&what)) out.Strings(chunks->ids);
  if (const auto* documents = std::get_if<stages::DocumentIds>(&what)) out.Strings(documents->ids);
  if (const auto* filter = std::get_if<stages::Filter>(&what)) out.Bytes(EncodeFilter(*filter));
  return Sha256Hex(out.bytes());
}

absl::StatusOr<const ReplayRecord*> Replays::Find(absl::string_view key, absl::string_view content,
                                                  absl::Time now) const {
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second.committed + kReplayTime < now) return nullptr;
  if (found->second.content_sha256 == content) return &found->second;
  return MakeError(absl::StatusCode::kAlreadyExists,
                   "idempotency_key was committed with other content",
                   {.reason = "IDEMPOTENCY_KEY_REUSED",
                    .field = "idempotency_key",
                    .next_step = "Give every write a key of its own."});
}

std::vector<std::string> Replays::Outdated(absl::Time now) const {
  std::vector<std::string> keys;
  for (const auto& [sequence, key] : by_age_) {
    const bool too_many = by_age_.size() - keys.size() >= kMaxReplays;
    if (!too_many && by_key_.at(key).committed + kReplayTime >= now) break;
    keys.push_back(key);
  }
  return keys;
}

void Replays::Add(const std::string& key, ReplayRecord record) {
  Remove(key);
  by_age_[record.sequence] = key;
  by_key_[key] = std::move(record);
}

void Replays::Remove(const std::string& key) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  by_age_.erase(found->second.sequence);
  by_key_.erase(found);
}

}  // namespace ragmesh::vector_store
