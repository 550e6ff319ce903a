// The store itself and its collections; writes are in store_writes.cc, reads in store_reads.cc.
#include "libs/milvus_store/milvus_store.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/milvus_store/filter_expr.h"
#include "libs/milvus_store/rows.h"
#include "libs/vector_store/filter.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/unknown_field.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::milvus_store {
namespace {

constexpr std::uint32_t kListDimension = 2;  // Milvus has no collection without vectors

bool IsPrefix(const std::string& name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= 63 && std::all_of(name.begin(), name.end(), fits) &&
         !absl::ascii_isdigit(static_cast<unsigned char>(name[0]));
}

std::string ListKey(const stages::CollectionId& id) {
  return absl::StrCat(id.tenant, "!", id.name);  // of letters that need no quoting
}

Row ListRow(const vector_store::CollectionRecord& record) {
  Row row;
  row.kind = kListRow;
  row.key = ListKey(record.config.id);
  row.tenant = record.config.id.tenant;
  row.record = EncodeRecord(vector_store::Encode(record));
  return row;
}

}  // namespace

absl::StatusOr<std::unique_ptr<MilvusStore>> MilvusStore::Open(const MilvusOptions& options) {
  if (!IsPrefix(options.prefix))
    return InvalidField("store_schema", "must be 1 to 63 of a-z, 0-9 and _, the first no digit");
  RAGMESH_ASSIGN_OR_RETURN(auto client, MilvusClient::Make(options.url, options.token));
  return std::unique_ptr<MilvusStore>(new MilvusStore(options, std::move(client)));
}

std::string MilvusStore::NameOf(const stages::CollectionId& id) const {
  return absl::StrCat(options_.prefix, "_", Sha256Hex(ListKey(id)).substr(0, 40));
}

std::uint64_t MilvusStore::SeenOf(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  return seen_[name];
}

void MilvusStore::Saw(const std::string& name, std::uint64_t time) {
  absl::MutexLock lock(&mutex_);
  seen_[name] = std::max(seen_[name], time);
}

std::shared_ptr<absl::Mutex> MilvusStore::WriterOf(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  auto& writer = writers_[name];
  if (writer == nullptr) writer = std::make_shared<absl::Mutex>();
  return writer;
}

absl::Status MilvusStore::MakeList(const CallContext& call) {
  {
    absl::MutexLock lock(&mutex_);
    if (list_made_) return absl::OkStatus();
  }
  const auto writer = WriterOf(ListName());
  absl::MutexLock making(writer.get());
  RAGMESH_ASSIGN_OR_RETURN(const bool there, client_->HasCollection(ListName(), call));
  if (!there)
    RAGMESH_RETURN_IF_ERROR(client_->MakeCollection(ListName(), kListDimension, "FLAT", call));
  absl::MutexLock lock(&mutex_);
  list_made_ = true;
  return absl::OkStatus();
}

absl::StatusOr<MilvusStore::Listed> MilvusStore::Find(const stages::CollectionId& id,
                                                      const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateId(id));
  RAGMESH_RETURN_IF_ERROR(MakeList(call));
  RAGMESH_ASSIGN_OR_RETURN(
      const auto rows,
      client_->Query(ListName(),
                     absl::StrCat(LiveExpression(id.tenant), " && key == \"", ListKey(id), "\""),
                     {"key", "record"}, 1, SeenOf(ListName()), call));
  if (rows.empty()) return NotFound("collection", id.name, "Create the collection first.");
  RAGMESH_ASSIGN_OR_RETURN(const std::string bytes, DecodeRecord(rows[0]));
  Listed listed;
  RAGMESH_ASSIGN_OR_RETURN(listed.record, vector_store::DecodeCollection(bytes));
  listed.name = NameOf(id);
  // Tokens of one collection are refused by another, also by one that was made anew.
  const std::string digest =
      Sha256Hex(absl::StrCat(ListKey(id), absl::ToUnixNanos(listed.record.created)));
  listed.token_number = 0;
  for (const char c : digest.substr(0, 8)) {
    listed.token_number =
        listed.token_number * 16 + static_cast<std::uint32_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  }
  return listed;
}

absl::Status MilvusStore::PutInList(const Row& row, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t time,
                           client_->Upsert(ListName(), kListDimension, {&row, 1}, call));
  Saw(ListName(), time);
  return absl::OkStatus();
}

absl::StatusOr<stages::Collection> MilvusStore::Describe(const Listed& listed,
                                                         const CallContext& call) {
  stages::Collection collection{listed.config(), listed.record.created, {}};
  const std::uint64_t seen = SeenOf(listed.name);
  const std::vector<std::string> all = {stages::kAllLabels};
  RAGMESH_ASSIGN_OR_RETURN(
      collection.stats.documents,
      client_->Count(listed.name, VisibleExpression(kDocumentRow, listed.tenant(), all), seen,
                     call));
  RAGMESH_ASSIGN_OR_RETURN(
      collection.stats.chunks,
      client_->Count(listed.name, VisibleExpression(kChunkRow, listed.tenant(), all), seen, call));
  collection.stats.sequence = seen;
  return collection;
}

absl::StatusOr<stages::Collection> MilvusStore::CreateCollection(
    const stages::CollectionConfig& config, const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateConfig(config));
  if (config.dimension < 2) {
    return MakeError(absl::StatusCode::kUnimplemented,
                     "this store has no lexical search, so a collection needs vectors of two "
                     "values or more",
                     {.reason = "NO_LEXICAL_SEARCH",
                      .field = "dimension",
                      .next_step = "Name an embedder, or use a store that searches words."});
  }
  const std::string name = NameOf(config.id);
  const auto writer = WriterOf(ListName() + "!");
  absl::MutexLock lock(writer.get());  // two of one name must not pass each other
  const auto found = Find(config.id, call);
  if (found.ok()) return AlreadyExists("collection", config.id.name);
  if (!absl::IsNotFound(found.status())) return found.status();
  // What a creation or a deletion that was cut short has left.
  RAGMESH_ASSIGN_OR_RETURN(const bool left, client_->HasCollection(name, call));
  if (left) RAGMESH_RETURN_IF_ERROR(client_->DropCollection(name, call));
  RAGMESH_RETURN_IF_ERROR(client_->MakeCollection(name, config.dimension,
                                                  options_.graph_index ? "HNSW" : "FLAT", call));
  const vector_store::CollectionRecord record{config, options_.clock->Now(), ""};
  RAGMESH_RETURN_IF_ERROR(PutInList(ListRow(record), call));
  return stages::Collection{config, record.created, {}};
}

absl::StatusOr<stages::Collection> MilvusStore::UpdateCollection(
    const stages::CollectionConfig& config, const CallContext& caller) {
  const CallContext call = Bounded(caller);
  const auto writer = WriterOf(ListName() + "!");
  absl::MutexLock lock(writer.get());
  RAGMESH_ASSIGN_OR_RETURN(Listed listed, Find(config.id, call));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateConfig(config));
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateUpdate(listed.config(), config));
  listed.record.config = config;
  RAGMESH_RETURN_IF_ERROR(PutInList(ListRow(listed.record), call));
  return Describe(listed, call);
}

absl::StatusOr<stages::Collection> MilvusStore::GetCollection(const stages::CollectionId& id,
                                                              const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_ASSIGN_OR_RETURN(const Listed listed, Find(id, call));
  return Describe(listed, call);
}

absl::StatusOr<std::vector<stages::Collection>> MilvusStore::ListCollections(
    const std::string& tenant, const CallContext& caller) {
  const CallContext call = Bounded(caller);
  RAGMESH_RETURN_IF_ERROR(vector_store::ValidateTenant(tenant));
  RAGMESH_RETURN_IF_ERROR(MakeList(call));
  RAGMESH_ASSIGN_OR_RETURN(const auto rows,
                           client_->Query(ListName(), LiveExpression(tenant), {"key", "record"}, 0,
                                          SeenOf(ListName()), call));
  std::map<std::string, stages::Collection> by_name;
  for (const Row& row : rows) {
    RAGMESH_ASSIGN_OR_RETURN(const std::string bytes, DecodeRecord(row));
    RAGMESH_ASSIGN_OR_RETURN(const auto record, vector_store::DecodeCollection(bytes));
    Listed listed;
    listed.record = record;
    listed.name = NameOf(record.config.id);
    RAGMESH_ASSIGN_OR_RETURN(by_name[record.config.id.name], Describe(listed, call));
  }
  std::vector<stages::Collection> collections;
  for (auto& [name, collection] : by_name) collections.push_back(std::move(collection));
  return collections;
}

absl::Status MilvusStore::DeleteCollection(const stages::CollectionId& id,
                                           const CallContext& caller) {
  const CallContext call = Bounded(caller);
  const auto writer = WriterOf(ListName() + "!");
  absl::MutexLock lock(writer.get());
  RAGMESH_ASSIGN_OR_RETURN(const Listed listed, Find(id, call));
  // Milvus does not say when its deletes are seen (2.3.5 answers without a time), so a write that
  // does takes the row out of the list.
  const Row tombstone = Tombstone(ListKey(id), kListRow, id.tenant);
  RAGMESH_RETURN_IF_ERROR(PutInList(tombstone, call));
  // It is deleted whatever becomes of these: a new one of the same name drops what is left.
  client_->Delete(ListName(), {&tombstone.key, 1}, call).IgnoreError();
  client_->DropCollection(listed.name, call).IgnoreError();
  return absl::OkStatus();
}

absl::Status MilvusStore::CheckFilter(const Listed& listed, const stages::Filter& filter,
                                      const std::vector<std::string>& labels,
                                      const CallContext& call) {
  const std::uint64_t seen = SeenOf(listed.name);
  const std::string visible = VisibleExpression(kDocumentRow, listed.tenant(), labels);
  for (const absl::string_view field : vector_store::FieldsOf(filter)) {
    RAGMESH_ASSIGN_OR_RETURN(
        const auto with, client_->Query(listed.name, absl::StrCat(visible, " && ", HasField(field)),
                                        {"key"}, 1, seen, call));
    if (!with.empty()) continue;
    RAGMESH_ASSIGN_OR_RETURN(const auto some,
                             client_->Query(listed.name, visible, {"key", "meta"},
                                            vector_store::kMaxFieldNamesKept, seen, call));
    if (some.empty()) return absl::OkStatus();
    std::set<std::string> names;
    for (const Row& row : some) {
      for (const std::string& name : FieldNames(row.meta)) {
        if (names.size() < vector_store::kMaxFieldNamesKept) names.insert(name);
      }
    }
    return vector_store::UnknownField(field, names);
  }
  for (const std::string& field : PrefixFields(filter)) {
    RAGMESH_ASSIGN_OR_RETURN(
        const auto lists,
        client_->Query(listed.name, absl::StrCat(visible, " && ", HasListField(field)), {"key"}, 1,
                       seen, call));
    if (lists.empty()) continue;
    return MakeError(absl::StatusCode::kUnimplemented,
                     absl::StrCat("the field \"", field.substr(0, 128),
                                  "\" has lists, and this store finds no beginnings in lists"),
                     {.reason = "NO_PREFIX_OF_LISTS",
                      .field = "filter",
                      .next_step = "Compare with whole values by \"in\"."});
  }
  return absl::OkStatus();
}

absl::StatusOr<stages::StageInfo> MilvusStore::Info(const CallContext& caller) {
  RAGMESH_RETURN_IF_ERROR(caller.Check());
  // Short, so that asking how it is does not take as long as the server is away.
  const CallContext call = caller.Child(absl::Now() + absl::Seconds(2));
  stages::StageInfo info;
  info.stage = "vector-store";
  info.version = options_.version;
  info.commit = options_.commit;
  info.limits = {{"max_chunks_per_write", static_cast<std::int64_t>(kMaxRowsPerWrite)},
                 {"max_write_bytes", static_cast<std::int64_t>(kMaxRequestBytes)},
                 {"max_document_text_bytes", static_cast<std::int64_t>(kMaxDocumentBytes)},
                 {"max_chunk_record_bytes", static_cast<std::int64_t>(kMaxRecordBytes)},
                 {"max_metadata_json_bytes", static_cast<std::int64_t>(kMaxJsonBytes)},
                 {"max_id_bytes", static_cast<std::int64_t>(vector_store::kMaxIdBytes)},
                 {"max_dimension", vector_store::kMaxDimension},
                 {"max_top_k", vector_store::kMaxTopK},
                 {"max_page_size", vector_store::kMaxPageSize},
                 {"max_filter_depth", vector_store::kMaxFilterDepth},
                 {"max_filter_nodes", vector_store::kMaxFilterNodes}};
  info.features = {{"backend", "milvus"},
                   {"server", client_->name()},
                   {"dense_index", options_.graph_index ? "HNSW, f32" : "exact, f32"},
                   {"lexical_search", "no"},
                   {"hybrid_search", "no"},
                   {"neighbours", "no"},
                   {"explain", "no"},
                   {"idempotency_keys", "no"},
                   {"query_operators", "no"},
                   {"prefix_of_lists", "no"},
                   {"passage_tokens", "no"},
                   {"text_statistics", "no"},
                   {"writers", "one process for each collection"},
                   {"durability", "as Milvus's log is"},
                   {"snapshots", "no; use the server's own backups"}};
  const auto version = client_->Version(call);
  RAGMESH_RETURN_IF_ERROR(caller.Check());
  info.ready = version.ok();
  if (version.ok()) {
    info.features["storage"] = absl::StrCat("Milvus ", *version);
  } else {
    info.not_ready_reason = std::string(version.status().message());
  }
  return info;
}

}  // namespace ragmesh::milvus_store
