#include "libs/pipeline/collection_copy.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::pipeline {
namespace {

constexpr std::uint32_t kDocumentPage = 500;
constexpr std::uint32_t kChunkPage = 500;
constexpr std::size_t kRemovals = 500;  // documents a call
constexpr std::size_t kChunksPerWrite = 20'000;
// Of one document while others rewrite it; each change of it is told by the store, so it is copied
// again in any case.
constexpr int kReads = 5;

std::vector<std::string> AllLabels() { return {stages::kAllLabels}; }

// Bytes a chunk takes of a write.
std::size_t BytesOf(const stages::StoredChunk& chunk) {
  return chunk.chunk.text.size() + chunk.chunk.context.size() + chunk.tokens.size_bytes() +
         chunk.vector.size() * sizeof(float);
}

bool SameChunk(const stages::StoredChunk& a, const stages::StoredChunk& b) {
  return a.id == b.id && a.content_sha256 == b.content_sha256 &&
         a.chunk.ordinal == b.chunk.ordinal && a.chunk.range == b.chunk.range &&
         a.chunk.overlap_begin == b.chunk.overlap_begin;
}

}  // namespace

// The documents of one collection by id, page after page, without their texts.
struct CollectionCopy::Listing {
  stages::CollectionId collection;
  stages::DocumentPage page;
  std::size_t at = 0;
  bool begun = false;

  const stages::StoredDocument* now() const {
    return at < page.documents.size() ? &page.documents[at] : nullptr;
  }
};

struct CollectionCopy::Whole {
  stages::StoredDocument document;
  std::vector<stages::StoredChunk> chunks;
};

absl::Status CollectionCopy::Retry(absl::FunctionRef<absl::Status(const CallContext&)> attempt,
                                   absl::Duration timeout, const CallContext& call) {
  const absl::Status status = RetryWithBackoff(
      options_.backoff,
      [&] { return attempt(call.Child(std::min(call.deadline(), absl::Now() + timeout))); },
      [&](const absl::Status& why) {
        progress_.waiting_for = why;
        on_progress_(progress_);
      },
      call);
  progress_.waiting_for = absl::OkStatus();
  return status;
}

absl::Status CollectionCopy::CopyAll(const CallContext& call) {
  Listing source{source_, {}, 0, false}, target{target_, {}, 0, false};
  // Steps to the next document, and to the next page when there is one.
  const auto step = [&](Listing* listing) -> absl::Status {
    ++listing->at;
    while (listing->now() == nullptr && (!listing->begun || !listing->page.next_token.empty())) {
      const stages::Page page{.size = kDocumentPage, .token = listing->page.next_token};
      RAGMESH_RETURN_IF_ERROR(Retry(
          [&](const CallContext& child) -> absl::Status {
            RAGMESH_ASSIGN_OR_RETURN(
                listing->page,
                store_.ListDocuments(listing->collection, std::nullopt, AllLabels(), page, child));
            return absl::OkStatus();
          },
          options_.store_timeout, call));
      listing->begun = true;
      listing->at = 0;
    }
    return absl::OkStatus();
  };
  std::vector<std::string> different, gone;
  const auto flush = [&](std::size_t least) -> absl::Status {
    if (gone.size() >= std::max<std::size_t>(least, 1))
      RAGMESH_RETURN_IF_ERROR(Remove(std::exchange(gone, {}), call));
    if (different.size() < std::max<std::size_t>(least, 1)) return absl::OkStatus();
    return CopyDocuments(std::exchange(different, {}), call);
  };
  RAGMESH_RETURN_IF_ERROR(step(&source));
  RAGMESH_RETURN_IF_ERROR(step(&target));
  while (source.now() != nullptr || target.now() != nullptr) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    const stages::StoredDocument* const ours = source.now();
    const stages::StoredDocument* const theirs = target.now();
    if (ours == nullptr || (theirs != nullptr && theirs->id < ours->id)) {
      gone.push_back(theirs->id);
      RAGMESH_RETURN_IF_ERROR(step(&target));
    } else if (theirs == nullptr || ours->id < theirs->id) {
      different.push_back(ours->id);
      RAGMESH_RETURN_IF_ERROR(step(&source));
    } else {
      bool same = ours->version == theirs->version && ours->updated == theirs->updated;
      if (same) {
        RAGMESH_ASSIGN_OR_RETURN(same, SameChunks(ours->id, call));
      }
      if (same) {
        ++progress_.documents_same;
        if (progress_.documents_same % kDocumentPage == 0) on_progress_(progress_);
      } else {
        different.push_back(ours->id);
      }
      RAGMESH_RETURN_IF_ERROR(step(&source));
      RAGMESH_RETURN_IF_ERROR(step(&target));
    }
    RAGMESH_RETURN_IF_ERROR(flush(options_.batch_documents));
  }
  RAGMESH_RETURN_IF_ERROR(flush(1));
  on_progress_(progress_);
  return absl::OkStatus();
}

absl::StatusOr<bool> CollectionCopy::SameChunks(const std::string& document_id,
                                                const CallContext& call) {
  bool same = true;
  const auto compare = [&](const CallContext& child) -> absl::Status {
    stages::Page ours{.size = kChunkPage}, theirs{.size = kChunkPage};
    do {
      auto mine = store_.ListChunks(source_, document_id, AllLabels(), {}, ours, child);
      auto other = store_.ListChunks(target_, document_id, AllLabels(), {}, theirs, child);
      same = !absl::IsNotFound(mine.status()) && !absl::IsNotFound(other.status());
      if (!same) return absl::OkStatus();
      RAGMESH_RETURN_IF_ERROR(mine.status());
      RAGMESH_RETURN_IF_ERROR(other.status());
      same = std::equal(mine->chunks.begin(), mine->chunks.end(), other->chunks.begin(),
                        other->chunks.end(), SameChunk) &&
             mine->next_token.empty() == other->next_token.empty();
      ours.token = mine->next_token;
      theirs.token = other->next_token;
    } while (same && !ours.token.empty());
    return absl::OkStatus();
  };
  RAGMESH_RETURN_IF_ERROR(Retry(compare, options_.store_timeout, call));
  return same;
}

absl::Status CollectionCopy::CopyDocuments(absl::Span<const std::string> document_ids,
                                           const CallContext& call) {
  for (std::size_t at = 0; at < document_ids.size(); at += options_.batch_documents)
    RAGMESH_RETURN_IF_ERROR(CopyBatch(document_ids.subspan(at, options_.batch_documents), call));
  return absl::OkStatus();
}

absl::Status CollectionCopy::CopyBatch(absl::Span<const std::string> document_ids,
                                       const CallContext& call) {
  std::vector<Whole> wholes;
  std::vector<std::string> gone;
  std::size_t bytes = 0;
  const auto write = [&]() -> absl::Status {
    // First what goes: its chunks may be another document's by now.
    if (!gone.empty()) RAGMESH_RETURN_IF_ERROR(Remove(std::exchange(gone, {}), call));
    std::vector<stages::StoredChunk*> chunks;
    for (Whole& whole : wholes) {
      for (stages::StoredChunk& chunk : whole.chunks) chunks.push_back(&chunk);
    }
    RAGMESH_RETURN_IF_ERROR(Embed(std::move(chunks), call));
    for (Whole& whole : wholes) RAGMESH_RETURN_IF_ERROR(Write(std::move(whole), call));
    wholes.clear();
    bytes = 0;
    on_progress_(progress_);
    return absl::OkStatus();
  };
  for (const std::string& id : document_ids) {
    Whole whole;
    RAGMESH_ASSIGN_OR_RETURN(const bool there, Read(id, &whole, call));
    if (!there) {
      gone.push_back(id);
      continue;
    }
    bytes += whole.document.text.size();
    for (const stages::StoredChunk& chunk : whole.chunks) bytes += BytesOf(chunk);
    wholes.push_back(std::move(whole));
    if (bytes >= options_.batch_bytes) RAGMESH_RETURN_IF_ERROR(write());
  }
  return write();
}

absl::StatusOr<bool> CollectionCopy::Read(const std::string& document_id, Whole* whole,
                                          const CallContext& call) {
  bool there = false;
  const auto read = [&](const CallContext& child) -> absl::Status {
    for (int attempt = 0; attempt < kReads; ++attempt) {
      *whole = Whole();
      auto document = store_.GetDocument(source_, document_id, AllLabels(), child);
      there = !absl::IsNotFound(document.status());
      if (!there) return absl::OkStatus();
      RAGMESH_RETURN_IF_ERROR(document.status());
      whole->document = *std::move(document);
      stages::Page page{.size = kChunkPage};
      bool moved = false;
      do {
        auto chunks = store_.ListChunks(source_, document_id, AllLabels(), {}, page, child);
        moved = absl::IsNotFound(chunks.status());
        if (moved) break;
        RAGMESH_RETURN_IF_ERROR(chunks.status());
        for (stages::StoredChunk& chunk : chunks->chunks) {
          moved |= chunk.document_version != whole->document.version ||
                   chunk.chunk.range.end > whole->document.text.size();
          whole->chunks.push_back(std::move(chunk));
        }
        page.token = chunks->next_token;
      } while (!moved && !page.token.empty());
      if (!moved) return absl::OkStatus();
    }
    return Unavailable("CONTENDED", absl::StrCat("document '", document_id,
                                                 "' is being rewritten by others all the time"));
  };
  RAGMESH_RETURN_IF_ERROR(Retry(read, options_.store_timeout, call));
  return there;
}

absl::Status CollectionCopy::Embed(std::vector<stages::StoredChunk*> chunks,
                                   const CallContext& call) {
  if (target_digest_.empty()) return absl::OkStatus();
  std::size_t size = options_.embed_batch;
  for (std::size_t at = 0; at < chunks.size(); at += size) {
    const auto attempt = [&](const CallContext& child) -> absl::Status {
      RAGMESH_ASSIGN_OR_RETURN(const Embedders::Bound embedder,
                               embedders_.For(target_digest_, child));
      size = std::max<std::size_t>(
          1, std::min(options_.embed_batch, embedder.identity.max_batch_texts));
      const std::size_t end = std::min(chunks.size(), at + size);
      stages::EmbedRequest request{.texts = {}, .token_detail = options_.keep_tokens};
      for (std::size_t i = at; i < end; ++i)
        request.texts.push_back(stages::EmbeddingText(chunks[i]->chunk));
      const absl::Time begun = absl::Now();
      auto embeddings = embedder.stage->Embed(request, child);
      observer_.OnStage("embedder", absl::Now() - begun, embeddings.status());
      if (!embeddings.ok()) {
        embedder.watch->Forget();
        return embeddings.status();
      }
      if (embeddings->size() != request.texts.size()) {
        return MakeError(absl::StatusCode::kInternal, "embedder returned another number of vectors",
                         {.reason = "STAGE_BROKE_CONTRACT",
                          .next_step = "check that all stages run the same version of ragmesh"});
      }
      for (std::size_t i = at; i < end; ++i) {
        stages::Embedding& embedding = (*embeddings)[i - at];
        progress_.chunks_truncated += embedding.truncated ? 1 : 0;
        chunks[i]->vector = std::move(embedding.values);
        chunks[i]->tokens = std::move(embedding.tokens);
      }
      return absl::OkStatus();
    };
    RAGMESH_RETURN_IF_ERROR(Retry(attempt, options_.embed_timeout, call));
  }
  return absl::OkStatus();
}

// A document that is too large for one write comes in parts: nobody reads it yet, and one that is
// left half-way is told by its chunks.
absl::Status CollectionCopy::Write(Whole whole, const CallContext& call) {
  const std::string document_id = whole.document.id;
  const std::size_t chunks = whole.chunks.size();
  std::optional<stages::StoredDocument> document = std::move(whole.document);
  std::size_t at = 0;
  do {
    stages::Upsert upsert;
    std::size_t bytes = document.has_value() ? document->text.size() : 0;
    upsert.document = std::exchange(document, std::nullopt);
    upsert.copied = upsert.document.has_value();
    while (at < chunks && upsert.chunks.size() < kChunksPerWrite &&
           (upsert.chunks.empty() || bytes < options_.write_bytes)) {
      bytes += BytesOf(whole.chunks[at]);
      upsert.chunks.push_back(std::move(whole.chunks[at++]));
    }
    const auto attempt = [&](const CallContext& child) -> absl::Status {
      const absl::Time begun = absl::Now();
      const auto written = store_.Write(target_, target_digest_, upsert, child);
      observer_.OnStage("vector-store", absl::Now() - begun, written.status());
      return written.status();
    };
    RAGMESH_RETURN_IF_ERROR(Retry(attempt, options_.store_timeout, call));
  } while (at < chunks);
  ++progress_.documents_copied;
  progress_.chunks_copied += chunks;
  return absl::OkStatus();
}

absl::Status CollectionCopy::Remove(std::vector<std::string> document_ids,
                                    const CallContext& call) {
  for (std::size_t at = 0; at < document_ids.size(); at += kRemovals) {
    const std::size_t end = std::min(document_ids.size(), at + kRemovals);
    stages::DocumentIds ids;
    ids.ids.assign(document_ids.begin() + static_cast<std::ptrdiff_t>(at),
                   document_ids.begin() + static_cast<std::ptrdiff_t>(end));
    const auto attempt = [&](const CallContext& child) -> absl::Status {
      RAGMESH_ASSIGN_OR_RETURN(const auto deleted, store_.Delete(target_, ids, child));
      progress_.documents_removed += deleted.documents;
      return absl::OkStatus();
    };
    RAGMESH_RETURN_IF_ERROR(Retry(attempt, options_.store_timeout, call));
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::pipeline
