// What StoredCollection does of a write before it joins the others: checks, analysis, encoding.
//
// It is most of the work of a write and needs no lock, so the caller's thread does it, with helpers
// when the write is large. Documents and chunks get their numbers here; those of a write that fails
// later stay unused.
#include <algorithm>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/for_each_part.h"
#include "libs/vector_store/indexed_text.h"
#include "libs/vector_store/pending_write.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::size_t kChunksPerPart = 64;  // prepared between two looks at the call

// The bytes of a chunk's records, roughly: an index entry is about as long as the text.
std::size_t RecordBytes(const stages::StoredChunk& stored) {
  constexpr std::size_t kBesides = 512;
  return 2 * (stored.chunk.text.size() + stored.chunk.context.size()) +
         stored.vector.size() * sizeof(float) + stored.tokens.size_bytes() + kBesides;
}

}  // namespace

absl::Status StoredCollection::PrepareDocument(PendingWrite* write, std::string* title) const {
  stages::Upsert& upsert = *write->upsert;
  const std::string& id =
      upsert.document.has_value() ? upsert.document->id : upsert.chunks[0].document_id;
  const ImageView view = image_->View({});
  const std::optional<std::uint32_t> index = view.FindDocument(id);
  std::shared_ptr<const DocumentRecord> stored;  // null: there is none
  write->replaces = std::nullopt;
  if (index.has_value()) {
    RAGMESH_ASSIGN_OR_RETURN(stored, view.Document(*index));
    write->replaces = view.document_number(*index);
  }
  std::uint64_t version = 1;
  std::string name;
  if (upsert.document.has_value()) {
    stages::StoredDocument& document = *upsert.document;
    if (write->text_sha256.empty()) write->text_sha256 = Sha256Hex(document.text);
    // The text has a record of its own.
    std::string text = std::exchange(document.text, "");
    DocumentRecord record{document, text.size(), write->text_sha256};
    document.text = std::move(text);
    if (!upsert.copied) record.document.updated = resources_->clock->Now();
    if (stored != nullptr) {
      const bool changed = stored->document.info.sha256 != document.info.sha256 ||
                           stored->text_sha256 != write->text_sha256;
      version = stored->document.version + (changed ? 1 : 0);
    }
    if (const absl::Duration retention = config().retention;
        !record.document.expires.has_value() && retention > absl::ZeroDuration())
      record.document.expires = record.document.updated + retention;
    if (upsert.copied) version = document.version;
    record.document.version = version;
    write->document_number = write->numbers.document();
    name = document.name;
    *title = document.info.title;
    const std::string key = ItemKey(number_, write->document_number);
    write->records.Put(Family::kDocuments, key, Encode(record));
    write->records.PutEncoded(Family::kTexts, key,
                              [&](std::string* out) { AppendText(document.text, out); });
    if (record.document.expires.has_value()) {
      write->records.Put(Family::kMeta,
                         ExpiryKey(number_, *record.document.expires, write->document_number),
                         EncodeCounter(write->document_number));
    }
    write->document = std::move(record);
  } else {
    if (stored == nullptr) {
      return NotFound("document", id,
                      "Write the document before chunks that are to be added to it.");
    }
    for (std::size_t i = 0; i < upsert.chunks.size(); ++i) {
      if (upsert.chunks[i].chunk.range.end > stored->text_bytes) {
        return InvalidField(absl::StrCat("chunks[", i, "].range"),
                            "ends beyond the document's text");
      }
    }
    write->document_number = *write->replaces;
    version = stored->document.version;
    name = stored->document.name;
    *title = stored->document.info.title;
  }
  write->upserted.document_version = version;
  for (stages::StoredChunk& chunk : upsert.chunks) {
    chunk.document_id = id;
    chunk.document_version = version;
    chunk.document_name = name;
  }
  return absl::OkStatus();
}

absl::Status StoredCollection::AnalyzeChunk(const stages::CollectionConfig& config,
                                            absl::string_view title, std::size_t index,
                                            PendingWrite* write) const {
  stages::StoredChunk& stored = write->upsert->chunks[index];
  RAGMESH_RETURN_IF_ERROR(ValidateChunk(config, index, stored));
  std::string content_sha256 = Sha256Hex(stages::EmbeddingText(stored.chunk));
  if (!stored.content_sha256.empty() && stored.content_sha256 != content_sha256) {
    return InvalidField(absl::StrCat("chunks[", index, "].content_sha256"),
                        "is not the SHA-256 of the chunk's context and text",
                        "Leave it empty to have it computed.");
  }
  stored.content_sha256 = std::move(content_sha256);
  write->terms[index] = IndexedTerms(analyzer_, title, stored.chunk);
  return absl::OkStatus();
}

void StoredCollection::EncodeChunk(const PendingWrite& write, std::size_t index,
                                   WriteSet* writes) const {
  const stages::StoredChunk& stored = write.upsert->chunks[index];
  const std::string key = ItemKey(number_, write.numbers.first_chunk() + index);
  writes->PutEncoded(Family::kChunks, key,
                     [&](std::string* out) { AppendChunk(stored, write.document_number, out); });
  writes->PutEncoded(Family::kIndex, key, [&](std::string* out) {
    AppendIndexEntry(stored.id, write.document_number, stored.chunk.ordinal, write.terms[index],
                     out);
  });
  if (!stored.vector.empty()) {
    writes->PutEncoded(Family::kVectors, key,
                       [&](std::string* out) { AppendVector(stored.vector, out); });
  }
  if (!stored.tokens.empty()) {
    writes->PutEncoded(Family::kTokens, key,
                       [&](std::string* out) { AppendTokens(stored.tokens, out); });
  }
}

absl::Status StoredCollection::Prepare(PendingWrite* write) const {
  stages::Upsert& upsert = *write->upsert;
  const stages::CollectionConfig config = this->config();
  std::string title;
  write->numbers = numbers_.Take(upsert.document.has_value() ? 1 : 0, upsert.chunks.size());
  RAGMESH_RETURN_IF_ERROR(PrepareDocument(write, &title));
  write->terms.resize(upsert.chunks.size());
  std::vector<WriteSet> parts((upsert.chunks.size() + kChunksPerPart - 1) / kChunksPerPart);
  absl::Mutex mutex;
  absl::Status first;  // the error of the lowest chunk, whoever meets it
  std::size_t first_index = upsert.chunks.size();
  const auto fail = [&](std::size_t index, const absl::Status& status) {
    absl::MutexLock lock(&mutex);
    if (index >= first_index && !first.ok()) return;
    first_index = index;
    first = status;
  };
  ForEachPart(resources_->prepare_executor, resources_->idle_preparers(), upsert.chunks.size(),
              kChunksPerPart, [&](std::size_t begin, std::size_t end) {
                if (const absl::Status live = write->call->Check(); !live.ok())
                  return fail(0, live);
                WriteSet& writes = parts[begin / kChunksPerPart];
                std::size_t bytes = 0;
                for (std::size_t i = begin; i < end; ++i) bytes += RecordBytes(upsert.chunks[i]);
                writes.Reserve(bytes);
                for (std::size_t i = begin; i < end; ++i) {
                  const absl::Status analyzed = AnalyzeChunk(config, title, i, write);
                  if (!analyzed.ok()) return fail(i, analyzed);
                  EncodeChunk(*write, i, &writes);
                }
              });
  RAGMESH_RETURN_IF_ERROR(first);
  for (WriteSet& part : parts) write->records.Append(std::move(part));
  NameWhatItTouches(write);
  return absl::OkStatus();
}

// The terms stay as they are, and so do the numbers.
absl::Status StoredCollection::PrepareAgain(PendingWrite* write) const {
  write->records = WriteSet();
  std::string title;
  RAGMESH_RETURN_IF_ERROR(PrepareDocument(write, &title));
  for (std::size_t i = 0; i < write->upsert->chunks.size(); ++i)
    EncodeChunk(*write, i, &write->records);
  return absl::OkStatus();
}

void StoredCollection::NameWhatItTouches(PendingWrite* write) {
  const auto name = [write](char kind, absl::string_view id) {
    write->touches.push_back(absl::Hash<std::pair<char, absl::string_view>>()({kind, id}));
  };
  const stages::Upsert& upsert = *write->upsert;
  write->touches.reserve(upsert.chunks.size() + 2);
  name('d', upsert.document.has_value() ? upsert.document->id : upsert.chunks[0].document_id);
  for (const stages::StoredChunk& chunk : upsert.chunks) name('c', chunk.id);
  if (!write->idempotency_key.empty()) name('k', write->idempotency_key);
}

}  // namespace ragmesh::vector_store
