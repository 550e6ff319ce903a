#include "libs/testing/fake_vector_store.h"

#include <algorithm>
#include <variant>

namespace ragmesh::testing {
namespace {

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Leaves of a chunk what was asked for.
void Keep(stages::ChunkParts parts, stages::StoredChunk* chunk) {
  if (!parts.vector) chunk->vector.clear();
  if (!parts.tokens) chunk->tokens = {};
}

}  // namespace

absl::StatusOr<FakeVectorStore::Entry*> FakeVectorStore::Find(const stages::CollectionId& id) {
  const auto it = entries_.find({id.tenant, id.name});
  if (it == entries_.end()) return NotFound("collection", id.name);
  return &it->second;
}

bool FakeVectorStore::Sees(const std::vector<std::string>& labels,
                           const stages::StoredDocument& document) {
  return std::any_of(labels.begin(), labels.end(), [&](const std::string& label) {
    return label == stages::kAllLabels ||
           std::find(document.acl_labels.begin(), document.acl_labels.end(), label) !=
               document.acl_labels.end();
  });
}

absl::StatusOr<stages::Collection> FakeVectorStore::CreateCollection(
    const stages::CollectionConfig& config, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(fault.Check(call));
  absl::MutexLock lock(&mutex_);
  Entry& entry = entries_[{config.id.tenant, config.id.name}];
  if (!entry.collection.config.id.name.empty()) return AlreadyExists("collection", config.id.name);
  entry.collection.config = config;
  entry.collection.created = absl::FromUnixMicros(static_cast<std::int64_t>(++sequence_));
  return entry.collection;
}

absl::StatusOr<stages::Collection> FakeVectorStore::UpdateCollection(
    const stages::CollectionConfig& config, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(fault.Check(call));
  absl::MutexLock lock(&mutex_);
  RAGMESH_ASSIGN_OR_RETURN(Entry* const entry, Find(config.id));
  entry->collection.config = config;
  return entry->collection;
}

absl::StatusOr<stages::Collection> FakeVectorStore::GetCollection(const stages::CollectionId& id,
                                                                  const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(fault.Check(call));
  absl::MutexLock lock(&mutex_);
  RAGMESH_ASSIGN_OR_RETURN(Entry* const entry, Find(id));
  stages::Collection collection = entry->collection;
  collection.stats.documents = entry->documents.size();
  for (const auto& [document, chunks] : entry->chunks) collection.stats.chunks += chunks.size();
  return collection;
}

absl::StatusOr<std::vector<stages::Collection>> FakeVectorStore::ListCollections(
    const std::string& tenant, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(fault.Check(call));
  absl::MutexLock lock(&mutex_);
  std::vector<stages::Collection> collections;
  for (const auto& [key, entry] : entries_) {
    if (key.first == tenant) collections.push_back(entry.collection);
  }
  return collections;
}

absl::Status FakeVectorStore::DeleteCollection(const stages::CollectionId& id,
                                               const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(fault.Check(call));
  absl::MutexLock lock(&mutex_);
  RAGMESH_RETURN_IF_ERROR(Find(id).status());
  entries_.erase({id.tenant, id.name});
  return absl::OkStatus();
}

absl::StatusOr<stages::UpsertResult> FakeVectorStore::Write(const stages::CollectionId& id,
                                                            const std::string& embedder_digest,
                                                            stages::Upsert upsert,
                                                            const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(fault.Check(call));
  RAGMESH_RETURN_IF_ERROR(write_fault.Check(call));
  absl::MutexLock lock(&mutex_);
  RAGMESH_ASSIGN_OR_RETURN(Entry* const entry, Find(id));
  if (embedder_digest != entry->collection.config.embedder_digest) {
    return WrongState("EMBEDDER_MISMATCH", "another embedder filled this collection");
  }
  const std::uint32_t dimension = entry->collection.config.dimension;
  for (const stages::StoredChunk& chunk : upsert.chunks) {
    if (chunk.vector.size() != dimension) {
      return MakeError(absl::StatusCode::kInvalidArgument, "wrong dimension",
                       {.reason = "DIMENSION_MISMATCH"});
    }
  }
  if (!upsert.document.has_value()) return InvalidField("document", "must be set");
  stages::StoredDocument document = *std::move(upsert.document);
  stages::UpsertResult result;
  result.sequence = ++sequence_;
  const auto earlier = entry->documents.find(document.id);
  document.version = earlier == entry->documents.end() ? 1 : earlier->second.version + 1;
  document.updated = absl::FromUnixMicros(static_cast<std::int64_t>(sequence_));
  result.document_version = document.version;
  for (stages::StoredChunk& chunk : upsert.chunks) {
    chunk.document_version = document.version;
    chunk.document_name = document.name;
  }
  result.chunks_written = static_cast<std::uint32_t>(upsert.chunks.size());
  entry->chunks[document.id] = std::move(upsert.chunks);
  entry->documents[document.id] = std::move(document);
  return result;
}

absl::StatusOr<stages::DeleteResult> FakeVectorStore::Delete(const stages::CollectionId& id,
                                                             const stages::DeleteSelector& what,
                                                             const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(fault.Check(call));
  absl::MutexLock lock(&mutex_);
  RAGMESH_ASSIGN_OR_RETURN(Entry* const entry, Find(id));
  stages::DeleteResult result;
  for (const std::string& document : std::get<stages::DocumentIds>(what).ids) {
    result.chunks += entry->chunks[document].size();
    result.documents += entry->documents.erase(document);
    entry->chunks.erase(document);
  }
  return result;
}

absl::StatusOr<stages::StoredDocument> FakeVectorStore::GetDocument(
    const stages::CollectionId& id, const std::string& document_id,
    const std::vector<std::string>& labels, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(fault.Check(call));
  absl::MutexLock lock(&mutex_);
  RAGMESH_ASSIGN_OR_RETURN(Entry* const entry, Find(id));
  const auto it = entry->documents.find(document_id);
  if (it == entry->documents.end() || !Sees(labels, it->second))
    return NotFound("document", document_id);
  return it->second;
}

absl::StatusOr<stages::DocumentPage> FakeVectorStore::ListDocuments(
    const stages::CollectionId& id, const std::optional<stages::Filter>&,
    const std::vector<std::string>& labels, const stages::Page&, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(fault.Check(call));
  absl::MutexLock lock(&mutex_);
  RAGMESH_ASSIGN_OR_RETURN(Entry* const entry, Find(id));
  stages::DocumentPage page;
  for (const auto& [key, document] : entry->documents) {
    if (!Sees(labels, document)) continue;
    page.documents.push_back(document);
    page.documents.back().text.clear();
  }
  return page;
}

absl::StatusOr<std::vector<stages::StoredChunk>> FakeVectorStore::GetChunks(
    const stages::CollectionId& id, const std::vector<std::string>& chunk_ids,
    const std::vector<std::string>& labels, stages::ChunkParts parts, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(stages::ChunkPage all, ListChunks(id, "", labels, parts, {}, call));
  std::vector<stages::StoredChunk> chunks;
  for (stages::StoredChunk& chunk : all.chunks) {
    if (std::find(chunk_ids.begin(), chunk_ids.end(), chunk.id) != chunk_ids.end())
      chunks.push_back(std::move(chunk));
  }
  return chunks;
}

absl::StatusOr<stages::ChunkPage> FakeVectorStore::ListChunks(
    const stages::CollectionId& id, const std::string& document_id,
    const std::vector<std::string>& labels, stages::ChunkParts parts, const stages::Page&,
    const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(fault.Check(call));
  absl::MutexLock lock(&mutex_);
  RAGMESH_ASSIGN_OR_RETURN(Entry* const entry, Find(id));
  stages::ChunkPage page;
  for (const auto& [key, chunks] : entry->chunks) {
    if ((!document_id.empty() && key != document_id) || !Sees(labels, entry->documents[key]))
      continue;
    for (const stages::StoredChunk& chunk : chunks) {
      page.chunks.push_back(chunk);
      Keep(parts, &page.chunks.back());
    }
  }
  return page;
}

absl::StatusOr<std::uint64_t> FakeVectorStore::CountChunks(const stages::CollectionId& id,
                                                           const std::optional<stages::Filter>&,
                                                           const std::vector<std::string>& labels,
                                                           const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const stages::ChunkPage page, ListChunks(id, "", labels, {}, {}, call));
  return page.chunks.size();
}

absl::StatusOr<stages::SearchResult> FakeVectorStore::Search(const stages::SearchRequest& request,
                                                             const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(fault.Check(call));
  RAGMESH_RETURN_IF_ERROR(search_fault.Check(call));
  absl::MutexLock lock(&mutex_);
  RAGMESH_ASSIGN_OR_RETURN(Entry* const entry, Find(request.collection));
  if (request.mode != stages::SearchMode::kLexical &&
      request.embedder_digest != entry->collection.config.embedder_digest) {
    return WrongState("EMBEDDER_MISMATCH", "another embedder filled this collection");
  }
  const std::vector<float> words = FakeEmbedder::Vector(request.query_text);
  stages::SearchResult result;
  for (const auto& [key, chunks] : entry->chunks) {
    if (!Sees(request.principal_labels, entry->documents[key])) continue;
    for (const stages::StoredChunk& chunk : chunks) {
      stages::SearchHit hit;
      hit.chunk = chunk;
      if (request.mode != stages::SearchMode::kLexical) {
        hit.dense_score = Cosine(request.query_vector, chunk.vector);
        hit.score += *hit.dense_score;
      }
      if (request.mode != stages::SearchMode::kDense) {
        const double lexical =
            10 * Cosine(words, FakeEmbedder::Vector(stages::EmbeddingText(chunk.chunk)));
        if (lexical > 0) hit.lexical_score = lexical;
        hit.score += lexical;
      }
      if (request.mode == stages::SearchMode::kHybrid) hit.fused_score = hit.score;
      if (request.mode == stages::SearchMode::kLexical && !hit.lexical_score.has_value()) continue;
      Keep(request.parts, &hit.chunk);
      result.hits.push_back(std::move(hit));
    }
  }
  std::stable_sort(result.hits.begin(), result.hits.end(), [](const auto& a, const auto& b) {
    return a.score != b.score ? a.score > b.score : a.chunk.id < b.chunk.id;
  });
  if (result.hits.size() > request.top_k) result.hits.resize(request.top_k);
  result.sequence = sequence_;
  return result;
}

absl::StatusOr<stages::StageInfo> FakeVectorStore::Info(const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(fault.Check(call));
  stages::StageInfo info;
  info.stage = "vector-store";
  info.ready = true;
  return info;
}

std::map<std::string, std::map<std::string, std::pair<std::string, std::vector<float>>>>
FakeVectorStore::Dump(const stages::CollectionId& id) const {
  absl::MutexLock lock(&mutex_);
  std::map<std::string, std::map<std::string, std::pair<std::string, std::vector<float>>>> dump;
  const auto it = entries_.find({id.tenant, id.name});
  if (it == entries_.end()) return dump;
  for (const auto& [key, chunks] : it->second.chunks) {
    for (const stages::StoredChunk& chunk : chunks)
      dump[key][chunk.id] = {chunk.chunk.text, chunk.vector};
  }
  return dump;
}

}  // namespace ragmesh::testing
