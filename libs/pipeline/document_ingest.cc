#include "libs/pipeline/document_ingest.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/bounded_queue.h"

namespace ragmesh::pipeline {
namespace {

using journal::Step;

constexpr int kMoves = 2;  // of a collection to another embedder during one ingest

absl::Status LyingStage(absl::string_view stage, absl::string_view problem) {
  return MakeError(absl::StatusCode::kInternal, absl::StrCat(stage, " ", problem),
                   {.reason = "STAGE_BROKE_CONTRACT",
                    .next_step = "check that all stages run the same version of ragmesh"});
}

// Everything the stored form of a document depends on. Length prefixes keep neighbours apart.
class Fingerprint {
 public:
  Fingerprint& Add(absl::string_view part) {
    digest_.Update(absl::StrCat(part.size(), ":", part));
    return *this;
  }
  std::string Hex() { return digest_.HexDigest(); }

 private:
  Sha256 digest_;
};

std::string ValueText(const stages::MetadataValue& value) {
  struct Visitor {
    std::string operator()(const std::string& v) const { return v; }
    std::string operator()(std::int64_t v) const { return absl::StrCat(v); }
    std::string operator()(double v) const { return absl::StrCat(v); }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(absl::Time v) const { return absl::StrCat(absl::ToUnixNanos(v)); }
    std::string operator()(const std::vector<std::string>& v) const {
      std::string all;
      for (const std::string& item : v) absl::StrAppend(&all, item.size(), ":", item);
      return all;
    }
  };
  return absl::StrCat(value.index(), std::visit(Visitor(), value));
}

bool Overlaps(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&](const std::string& label) {
    return std::find(b.begin(), b.end(), label) != b.end();
  });
}

}  // namespace

std::string ChunkId(absl::string_view document_id, absl::string_view content_sha256,
                    std::uint32_t occurrence) {
  return Fingerprint()
      .Add(document_id)
      .Add(content_sha256)
      .Add(absl::StrCat(occurrence))
      .Hex()
      .substr(0, 32);
}

std::string DocumentIdFromName(absl::string_view name) {
  const std::size_t slash = name.find_last_of('/');
  const absl::string_view base = slash == absl::string_view::npos ? name : name.substr(slash + 1);
  std::string id;
  for (const char c : base.substr(0, 64)) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c))) {
      id.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
    } else if (!id.empty() && id.back() != '-') {
      id.push_back('-');
    }
  }
  if (!id.empty() && id.back() != '-') id.push_back('-');
  return absl::StrCat(id, Sha256Hex(name).substr(0, 12));
}

// The state of one attempt. The load and split threads run beside the caller's, which embeds.
class DocumentIngest::Flow {
 public:
  // `embedder`: the collection's; without a stage for a lexical-only one. `vectors_digest`: of the
  // token vectors to keep; empty: none.
  Flow(const DocumentIngest& ingest, const DocumentInput& input, const Embedders::Bound& embedder,
       const std::string& embedder_digest, const std::string& vectors_digest,
       const std::function<void(const DocumentProgress&)>& progress, const CallContext& call)
      : ingest_(ingest),
        input_(input),
        embedder_(embedder),
        embedder_digest_(embedder_digest),
        vectors_digest_(vectors_digest),
        batch_size_(std::max<std::uint32_t>(
            1, std::min(embedder.identity.max_batch_texts, ingest.options_.embed_batch))),
        progress_callback_(progress),
        call_(call.Child(call.deadline())),
        blocks_(ingest.options_.queue_blocks),
        chunks_(ingest.options_.queue_chunks) {}

  // Fills document() and chunks().
  absl::Status Run() {
    Report(Step::kLoad);
    if (!embedder_digest_.empty()) RAGMESH_RETURN_IF_ERROR(ReadEarlier());
    std::thread load([this] { Load(); });
    std::thread split([this] { Split(); });
    absl::Status embedded = EmbedAll();
    if (!embedded.ok()) call_.Cancel();  // wakes the other two
    blocks_.Close();
    load.join();
    split.join();
    // The step that broke is the cause; the others were only cancelled. A failed load fails the
    // split with its status.
    for (const absl::Status& status : {load_status_, split_status_, embedded}) {
      if (!status.ok() && !absl::IsCancelled(status)) return status;
    }
    for (const absl::Status& status : {load_status_, split_status_, embedded})
      RAGMESH_RETURN_IF_ERROR(status);
    if (stored_.empty()) {
      return MakeError(
          absl::StatusCode::kInvalidArgument, "the document holds no text",
          {.reason = "EMPTY_DOCUMENT",
           .next_step = "a scanned document needs text recognition before it can be ingested"});
    }
    document_.info = std::move(info_);
    return absl::OkStatus();
  }

  stages::Upsert TakeUpsert() {
    stages::Upsert upsert;
    upsert.document = std::move(document_);
    upsert.chunks = std::move(stored_);
    return upsert;
  }
  const DocumentProgress& progress() const { return progress_; }
  void Report(Step step, absl::Status waiting_for = absl::OkStatus()) {
    progress_.step = step;
    progress_.waiting_for = std::move(waiting_for);
    progress_.chunks_total = split_chunks_.load();
    progress_callback_(progress_);
  }

 private:
  void Load() {
    stages::LoadRequest request;
    request.source = input_.bytes;
    request.name = input_.name;
    request.password = input_.password;
    const absl::Time deadline =
        std::min(call_.deadline(), absl::Now() + ingest_.options_.load_timeout);
    auto info = ingest_.stages_.loader.Load(
        request, [this](stages::Block block) { return TakeBlock(std::move(block)); },
        call_.Child(deadline));
    if (info.ok()) {
      info_ = *std::move(info);
    } else {
      load_status_ = info.status();
    }
    load_done_.store(true, std::memory_order_release);
    blocks_.Close();
  }

  // Rebuilds the normalised text, into which all offsets point, from the blocks.
  absl::Status TakeBlock(stages::Block block) {
    std::string& text = document_.text;
    if (block.range.begin < text.size() || block.range.size() != block.text.size() ||
        block.range.begin - text.size() > 2) {
      return LyingStage("loader", "sent blocks whose ranges do not fit together");
    }
    if (block.range.end > ingest_.options_.max_text_bytes) {
      return LimitExceeded("text", static_cast<long long>(block.range.end),
                           static_cast<long long>(ingest_.options_.max_text_bytes), "bytes of text",
                           "split the document");
    }
    text.resize(block.range.begin, '\n');
    text += block.text;
    if (!blocks_.Push(std::move(block), call_)) {
      const absl::Status status = call_.Check();
      return status.ok() ? absl::CancelledError("later steps ended") : status;
    }
    return absl::OkStatus();
  }

  void Split() {
    stages::RecursiveSplit strategy;
    strategy.max_tokens = input_.options.max_chunk_tokens;
    strategy.overlap_tokens = input_.options.overlap_tokens;
    // No model reads a lexical-only collection, so none needs to be installed for it.
    if (embedder_digest_.empty()) strategy.counter = stages::TokenCounter::kEstimate;
    stages::SplitOptions options{strategy};
    split_status_ = ingest_.stages_.splitter.Split(
        options,
        [this]() -> absl::StatusOr<std::optional<stages::Block>> {
          std::optional<stages::Block> block = blocks_.Pop(call_);
          if (block.has_value()) return block;
          RAGMESH_RETURN_IF_ERROR(call_.Check());
          if (load_done_.load(std::memory_order_acquire)) RAGMESH_RETURN_IF_ERROR(load_status_);
          return block;
        },
        [this](stages::Chunk chunk) -> absl::Status {
          ++split_chunks_;
          if (chunks_.Push(std::move(chunk), call_)) return absl::OkStatus();
          const absl::Status status = call_.Check();
          return status.ok() ? absl::CancelledError("later steps ended") : status;
        },
        call_);
    // A splitter that stops reading must not leave the loader waiting for room.
    blocks_.Close();
    chunks_.Close();
  }

  absl::Status EmbedAll() {
    std::vector<stages::StoredChunk> batch;
    std::size_t waiting = 0;  // in `batch`, without a vector yet
    while (true) {
      std::optional<stages::Chunk> chunk = chunks_.Pop(call_);
      if (!chunk.has_value()) break;
      batch.push_back(ToStored(*std::move(chunk)));
      if (!TakeEarlier(&batch.back())) ++waiting;
      if (waiting < batch_size_ && batch.size() < 8 * batch_size_) continue;
      RAGMESH_RETURN_IF_ERROR(Finish(&batch, &waiting));
    }
    RAGMESH_RETURN_IF_ERROR(call_.Check());
    // Set before the queue was closed. Half a document is not worth embedding.
    if (!split_status_.ok()) return absl::CancelledError("an earlier step failed");
    return Finish(&batch, &waiting);
  }

  stages::StoredChunk ToStored(stages::Chunk chunk) {
    stages::StoredChunk stored;
    stored.document_id = input_.document_id;
    stored.content_sha256 = Sha256Hex(stages::EmbeddingText(chunk));
    stored.id =
        ChunkId(input_.document_id, stored.content_sha256, occurrences_[stored.content_sha256]++);
    stored.chunk = std::move(chunk);
    return stored;
  }

  bool TakeEarlier(stages::StoredChunk* stored) {
    if (embedder_digest_.empty()) return true;
    const auto it = earlier_.find(stored->content_sha256);
    if (it == earlier_.end()) return false;
    stored->vector = it->second.vector;
    stored->tokens = it->second.tokens;
    ++progress_.chunks_reused;
    return true;
  }

  absl::Status Finish(std::vector<stages::StoredChunk>* batch, std::size_t* waiting) {
    if (*waiting > 0) RAGMESH_RETURN_IF_ERROR(Embed(batch));
    for (stages::StoredChunk& stored : *batch) {
      token_bytes_ += stored.tokens.size_bytes();
      if (token_bytes_ > ingest_.options_.max_token_bytes) stored.tokens = {};
      stored_.push_back(std::move(stored));
    }
    progress_.chunks_done += static_cast<std::uint32_t>(batch->size());
    batch->clear();
    *waiting = 0;
    Report(Step::kEmbed);
    return absl::OkStatus();
  }

  absl::Status Embed(std::vector<stages::StoredChunk>* batch) {
    stages::EmbedRequest request{.token_detail = ingest_.options_.keep_tokens};
    std::vector<stages::StoredChunk*> targets;
    for (stages::StoredChunk& stored : *batch) {
      if (!stored.vector.empty()) continue;
      request.texts.push_back(stages::EmbeddingText(stored.chunk));
      targets.push_back(&stored);
    }
    std::vector<stages::Embedding> embeddings;
    const auto attempt = [&]() -> absl::Status {
      const absl::Time begun = absl::Now();
      const absl::Time deadline =
          std::min(call_.deadline(), begun + ingest_.options_.embed_timeout);
      auto result = embedder_.stage->Embed(request, call_.Child(deadline));
      ingest_.observer_.OnStage("embedder", absl::Now() - begun, result.status());
      if (!result.ok()) {
        embedder_.watch->Forget();
        return result.status();
      }
      embeddings = *std::move(result);
      return absl::OkStatus();
    };
    RAGMESH_RETURN_IF_ERROR(RetryWithBackoff(
        ingest_.options_.backoff, attempt,
        [this](const absl::Status& status) { Report(Step::kEmbed, status); }, call_));
    if (embeddings.size() != targets.size())
      return LyingStage("embedder", "returned another number of vectors");
    for (std::size_t i = 0; i < targets.size(); ++i) {
      targets[i]->vector = std::move(embeddings[i].values);
      targets[i]->tokens = std::move(embeddings[i].tokens);
    }
    return absl::OkStatus();
  }

  // What the version now in the store has of each text, unless token vectors are to be kept and its
  // are others.
  absl::Status ReadEarlier() {
    const bool vectors = !vectors_digest_.empty();
    const stages::ChunkParts parts{
        .vector = true, .tokens = ingest_.options_.keep_tokens != stages::TokenDetail::kNone};
    stages::Page page{.size = vectors ? 32u : 500u};  // a few MB
    do {
      auto chunks = ingest_.stages_.vector_store.ListChunks(
          input_.collection, input_.document_id, {stages::kAllLabels}, parts, page, call_);
      if (chunks.status().code() == absl::StatusCode::kNotFound) return absl::OkStatus();
      RAGMESH_RETURN_IF_ERROR(chunks.status());
      for (stages::StoredChunk& chunk : chunks->chunks) {
        if (chunk.vector.empty() || (vectors && chunk.tokens.encoder != vectors_digest_)) continue;
        if (!vectors) chunk.tokens.encoder = chunk.tokens.vectors = "";
        earlier_[chunk.content_sha256] = {std::move(chunk.vector), std::move(chunk.tokens)};
      }
      page.token = chunks->next_token;
    } while (!page.token.empty());
    return absl::OkStatus();
  }

  const DocumentIngest& ingest_;
  const DocumentInput& input_;
  const Embedders::Bound& embedder_;
  const std::string& embedder_digest_;
  const std::string& vectors_digest_;
  const std::uint32_t batch_size_;
  const std::function<void(const DocumentProgress&)>& progress_callback_;
  const CallContext call_;

  BoundedQueue<stages::Block> blocks_;
  BoundedQueue<stages::Chunk> chunks_;
  std::atomic<bool> load_done_ = false;
  std::atomic<std::uint32_t> split_chunks_ = 0;
  absl::Status load_status_;   // written by the load thread before load_done_
  absl::Status split_status_;  // read after the join
  stages::DocumentInfo info_;
  stages::StoredDocument document_;  // its text is written by the load thread, read after the join

  struct Earlier {
    std::vector<float> vector;
    stages::PassageTokens tokens;
  };
  absl::flat_hash_map<std::string, Earlier> earlier_;  // by the SHA-256 of the text
  std::size_t token_bytes_ = 0;                        // of all chunks so far
  absl::flat_hash_map<std::string, std::uint32_t> occurrences_;
  std::vector<stages::StoredChunk> stored_;
  DocumentProgress progress_;
};

absl::StatusOr<DocumentOutcome> DocumentIngest::Run(
    const DocumentInput& input, const std::function<void(const DocumentProgress&)>& progress,
    const CallContext& call) const {
  bool moved = false;
  auto outcome = RunOnce(input, progress, &moved, call);
  for (int i = 0; i < kMoves && moved && call.Check().ok(); ++i)
    outcome = RunOnce(input, progress, &moved, call);
  return outcome;
}

// `moved`: the collection has taken another embedder since it was looked at.
absl::StatusOr<DocumentOutcome> DocumentIngest::RunOnce(
    const DocumentInput& input, const std::function<void(const DocumentProgress&)>& progress,
    bool* moved, const CallContext& call) const {
  *moved = false;
  const auto waiting = [&](Step step) {
    return [&progress, step](const absl::Status& status) {
      progress({.step = step, .waiting_for = status});
    };
  };
  // What the outcome depends on: the collection, the models, the earlier version.
  stages::Collection collection;
  Embedders::Bound embedder;
  stages::StageInfo loader;
  std::optional<stages::StoredDocument> earlier;
  const auto look = [&]() -> absl::Status {
    const CallContext child =
        call.Child(std::min(call.deadline(), absl::Now() + options_.store_timeout));
    RAGMESH_ASSIGN_OR_RETURN(collection,
                             stages_.vector_store.GetCollection(input.collection, child));
    if (!collection.config.embedder_digest.empty()) {
      RAGMESH_ASSIGN_OR_RETURN(embedder, embedders_.For(collection.config.embedder_digest, child));
    }
    RAGMESH_ASSIGN_OR_RETURN(loader, stages_.loader.Info(child));
    auto document = stages_.vector_store.GetDocument(input.collection, input.document_id,
                                                     {stages::kAllLabels}, child);
    if (document.ok()) {
      earlier = *std::move(document);
    } else if (document.status().code() != absl::StatusCode::kNotFound) {
      return document.status();
    }
    return absl::OkStatus();
  };
  RAGMESH_RETURN_IF_ERROR(RetryWithBackoff(options_.backoff, look, waiting(Step::kLoad), call));
  if (earlier.has_value() && !Overlaps(earlier->acl_labels, input.caller_labels)) {
    return MakeError(absl::StatusCode::kPermissionDenied,
                     "a document with this id belongs to others",
                     {.reason = "DOCUMENT_NOT_YOURS",
                      .field = "document_id",
                      .next_step = "give it another id"});
  }

  const std::string sha256 = Sha256Hex(input.bytes);
  const std::string& digest = collection.config.embedder_digest;
  Fingerprint fingerprint;
  fingerprint.Add(sha256).Add(input.name).Add(input.uri).Add(digest);
  fingerprint.Add(absl::StrCat(absl::ToUnixMicros(collection.created)));
  const auto normalisation = loader.features.find("normalisation");
  fingerprint.Add(normalisation == loader.features.end() ? loader.version : normalisation->second);
  fingerprint.Add(absl::StrCat(input.options.max_chunk_tokens, "/", input.options.overlap_tokens));
  const std::string vectors_digest =
      options_.keep_tokens == stages::TokenDetail::kVectors ? embedder.identity.vectors_digest : "";
  if (!vectors_digest.empty()) fingerprint.Add(vectors_digest);
  for (const std::string& label : input.options.acl_labels) fingerprint.Add(label);
  for (const auto& [name, value] : input.options.metadata)
    fingerprint.Add(name).Add(ValueText(value));

  DocumentOutcome outcome;
  outcome.fingerprint = fingerprint.Hex();
  if (earlier.has_value() && input.footprint.has_value() &&
      input.footprint->fingerprint == outcome.fingerprint &&
      input.footprint->version == earlier->version && earlier->info.sha256 == sha256) {
    outcome.unchanged = true;
    outcome.version = earlier->version;
    return outcome;
  }
  earlier.reset();

  stages::Upsert upsert;
  DocumentProgress last;
  const auto parse = [&]() -> absl::Status {
    Flow flow(*this, input, embedder, digest, vectors_digest, progress, call);
    RAGMESH_RETURN_IF_ERROR(flow.Run());
    flow.Report(Step::kIndex);
    last = flow.progress();
    upsert = flow.TakeUpsert();
    return absl::OkStatus();
  };
  RAGMESH_RETURN_IF_ERROR(RetryWithBackoff(options_.backoff, parse, waiting(Step::kLoad), call));

  stages::StoredDocument& document = *upsert.document;
  document.id = input.document_id;
  document.name = input.name;
  document.uri = input.uri;
  document.metadata = input.options.metadata;
  document.acl_labels = input.options.acl_labels;
  // The promise citations rest on: a chunk's text is the document's text over its range.
  for (const stages::StoredChunk& stored : upsert.chunks) {
    const stages::Chunk& chunk = stored.chunk;
    if (chunk.overlap_begin > chunk.range.begin || chunk.range.begin > chunk.range.end ||
        chunk.range.end > document.text.size() ||
        document.text.compare(chunk.overlap_begin, chunk.range.end - chunk.overlap_begin,
                              chunk.text) != 0) {
      return LyingStage("splitter", "made a chunk whose range does not hold its text");
    }
  }
  outcome.chunks_total = static_cast<std::uint32_t>(upsert.chunks.size());
  outcome.chunks_reused = last.chunks_reused;

  stages::UpsertResult written;
  const auto write = [&]() -> absl::Status {
    const absl::Time begun = absl::Now();
    const CallContext child = call.Child(std::min(call.deadline(), begun + options_.store_timeout));
    auto result = stages_.vector_store.Write(input.collection, digest, upsert, child);
    observer_.OnStage("vector-store", absl::Now() - begun, result.status());
    const auto detail = GetErrorDetail(result.status());
    *moved = detail.has_value() && detail->reason == "EMBEDDER_MISMATCH";
    RAGMESH_RETURN_IF_ERROR(result.status());
    written = *std::move(result);
    return absl::OkStatus();
  };
  const auto write_waits = [&](const absl::Status& status) {
    last.waiting_for = status;
    progress(last);
  };
  RAGMESH_RETURN_IF_ERROR(RetryWithBackoff(options_.backoff, write, write_waits, call));
  outcome.version = written.document_version;
  return outcome;
}

}  // namespace ragmesh::pipeline
