#include "libs/segment/catalog.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::segment {
namespace {

template <typename T>
absl::Status WriteArray(absl::string_view name, const std::vector<T>& values, SectionWriter* file) {
  RAGMESH_RETURN_IF_ERROR(file->Begin(name));
  return file->Append({reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}

absl::Status WriteTable(absl::string_view name, bool with_lookup, StringTableBuilder* table,
                        SectionWriter* file) {
  RAGMESH_RETURN_IF_ERROR(file->Begin(name));
  return file->Append(table->Take(with_lookup));
}

absl::StatusOr<absl::string_view> CheckedSection(const SectionFile& file, absl::string_view name) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view bytes, file.Section(name));
  RAGMESH_RETURN_IF_ERROR(file.Check(bytes));
  return bytes;
}

template <typename T>
absl::StatusOr<absl::Span<const T>> ReadArray(const SectionFile& file, absl::string_view name) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view bytes, CheckedSection(file, name));
  if (bytes.size() % sizeof(T) != 0)
    return Corrupt(file.path(), absl::StrCat("has a broken section ", name));
  return absl::Span<const T>(reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T));
}

absl::StatusOr<StringTable> ReadTable(const SectionFile& file, absl::string_view name) {
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view bytes, CheckedSection(file, name));
  return StringTable::Open(bytes);
}

bool AllBelow(absl::Span<const std::uint32_t> values, std::size_t limit) {
  return std::all_of(values.begin(), values.end(),
                     [limit](std::uint32_t value) { return value < limit; });
}

}  // namespace

void CatalogBuilder::AddChunk(const CatalogChunk& chunk) {
  chunk_ids_.Add(chunk.id);
  ids_.emplace_back(chunk.id);
  chunk_numbers_.push_back(chunk.number);
  chunk_documents_.push_back(chunk.document_number);
  ordinals_.push_back(chunk.ordinal);
}

void CatalogBuilder::AddDocument(const CatalogDocument& document) {
  RAGMESH_CHECK(document_numbers_.empty() || document_numbers_.back() < document.number,
                "documents come in the order of their numbers");
  document_ids_.Add(document.id);
  sorted_ids_.emplace_back(document.id);
  document_numbers_.push_back(document.number);
  records_.Add(document.record);
}

absl::Status CatalogBuilder::Write(SectionWriter* file) {
  std::vector<std::uint64_t> owners = chunk_documents_;
  std::sort(owners.begin(), owners.end());
  owners.erase(std::unique(owners.begin(), owners.end()), owners.end());
  std::vector<std::uint32_t> chunk_owners, rows(chunk_documents_.size()), ends(owners.size());
  for (const std::uint64_t document : chunk_documents_) {
    const auto at = std::lower_bound(owners.begin(), owners.end(), document) - owners.begin();
    chunk_owners.push_back(static_cast<std::uint32_t>(at));
  }
  std::iota(rows.begin(), rows.end(), 0u);
  std::sort(rows.begin(), rows.end(), [&](std::uint32_t a, std::uint32_t b) {
    return std::tie(chunk_owners[a], ordinals_[a], ids_[a]) <
           std::tie(chunk_owners[b], ordinals_[b], ids_[b]);
  });
  for (std::uint32_t i = 0; i < rows.size(); ++i) ends[chunk_owners[rows[i]]] = i + 1;
  std::vector<std::uint32_t> by_id(sorted_ids_.size());
  std::iota(by_id.begin(), by_id.end(), 0u);
  std::sort(by_id.begin(), by_id.end(),
            [&](std::uint32_t a, std::uint32_t b) { return sorted_ids_[a] < sorted_ids_[b]; });
  RAGMESH_RETURN_IF_ERROR(WriteArray("chunk_numbers", chunk_numbers_, file));
  RAGMESH_RETURN_IF_ERROR(WriteArray("chunk_owners", chunk_owners, file));
  RAGMESH_RETURN_IF_ERROR(WriteArray("ordinals", ordinals_, file));
  RAGMESH_RETURN_IF_ERROR(WriteTable("chunk_ids", /*with_lookup=*/true, &chunk_ids_, file));
  RAGMESH_RETURN_IF_ERROR(WriteArray("owners", owners, file));
  RAGMESH_RETURN_IF_ERROR(WriteArray("owner_ends", ends, file));
  RAGMESH_RETURN_IF_ERROR(WriteArray("owner_chunks", rows, file));
  RAGMESH_RETURN_IF_ERROR(WriteArray("document_nums", document_numbers_, file));
  RAGMESH_RETURN_IF_ERROR(WriteTable("document_ids", /*with_lookup=*/true, &document_ids_, file));
  RAGMESH_RETURN_IF_ERROR(WriteArray("documents_by_id", by_id, file));
  return WriteTable("records", /*with_lookup=*/false, &records_, file);
}

absl::StatusOr<Catalog> Catalog::Open(const SectionFile& file) {
  Catalog catalog;
  catalog.file_ = &file;
  RAGMESH_ASSIGN_OR_RETURN(catalog.chunk_numbers_, ReadArray<std::uint64_t>(file, "chunk_numbers"));
  RAGMESH_ASSIGN_OR_RETURN(catalog.chunk_owners_, ReadArray<std::uint32_t>(file, "chunk_owners"));
  RAGMESH_ASSIGN_OR_RETURN(catalog.ordinals_, ReadArray<std::uint32_t>(file, "ordinals"));
  RAGMESH_ASSIGN_OR_RETURN(catalog.chunk_ids_, ReadTable(file, "chunk_ids"));
  RAGMESH_ASSIGN_OR_RETURN(catalog.owners_, ReadArray<std::uint64_t>(file, "owners"));
  RAGMESH_ASSIGN_OR_RETURN(catalog.owner_ends_, ReadArray<std::uint32_t>(file, "owner_ends"));
  RAGMESH_ASSIGN_OR_RETURN(catalog.owner_chunks_, ReadArray<std::uint32_t>(file, "owner_chunks"));
  RAGMESH_ASSIGN_OR_RETURN(catalog.document_numbers_,
                           ReadArray<std::uint64_t>(file, "document_nums"));
  RAGMESH_ASSIGN_OR_RETURN(catalog.document_ids_, ReadTable(file, "document_ids"));
  RAGMESH_ASSIGN_OR_RETURN(catalog.documents_by_id_,
                           ReadArray<std::uint32_t>(file, "documents_by_id"));
  RAGMESH_ASSIGN_OR_RETURN(const absl::string_view records, file.Section("records"));
  RAGMESH_ASSIGN_OR_RETURN(catalog.records_, StringTable::Open(records));
  RAGMESH_RETURN_IF_ERROR(file.Check(catalog.records_.head()));
  const std::size_t chunks = catalog.chunk_numbers_.size();
  const std::size_t documents = catalog.document_numbers_.size();
  if (catalog.chunk_owners_.size() != chunks || catalog.ordinals_.size() != chunks ||
      catalog.chunk_ids_.size() != chunks || catalog.owner_chunks_.size() != chunks ||
      catalog.owner_ends_.size() != catalog.owners_.size() ||
      catalog.document_ids_.size() != documents || catalog.documents_by_id_.size() != documents ||
      catalog.records_.size() != documents ||
      !AllBelow(catalog.chunk_owners_, catalog.owners_.size()) ||
      !AllBelow(catalog.owner_chunks_, chunks) || !AllBelow(catalog.owner_ends_, chunks + 1) ||
      !std::is_sorted(catalog.owner_ends_.begin(), catalog.owner_ends_.end()) ||
      !AllBelow(catalog.documents_by_id_, documents))
    return Corrupt(file.path(), "has a catalog whose parts do not fit one another");
  return catalog;
}

CatalogChunk Catalog::chunk(std::uint32_t row) const {
  return {chunk_ids_[row], chunk_numbers_[row], owners_[chunk_owners_[row]], ordinals_[row]};
}

absl::Span<const std::uint32_t> Catalog::ChunksOf(std::uint64_t document_number) const {
  const auto it = std::lower_bound(owners_.begin(), owners_.end(), document_number);
  if (it == owners_.end() || *it != document_number) return {};
  const auto owner = static_cast<std::size_t>(it - owners_.begin());
  const std::uint32_t begin = owner == 0 ? 0 : owner_ends_[owner - 1];
  return owner_chunks_.subspan(begin, owner_ends_[owner] - begin);
}

CatalogDocument Catalog::document(std::uint32_t index) const {
  return {document_ids_[index], document_numbers_[index], {}};
}

absl::StatusOr<absl::string_view> Catalog::Record(std::uint32_t index) const {
  const absl::string_view record = records_[index];
  RAGMESH_RETURN_IF_ERROR(file_->Check(record));
  return record;
}

std::optional<std::uint32_t> Catalog::FindNumber(std::uint64_t document_number) const {
  const auto it =
      std::lower_bound(document_numbers_.begin(), document_numbers_.end(), document_number);
  if (it == document_numbers_.end() || *it != document_number) return std::nullopt;
  return static_cast<std::uint32_t>(it - document_numbers_.begin());
}

}  // namespace ragmesh::segment
