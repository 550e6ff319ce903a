#include "libs/pipeline/citer.h"

#include <utility>

#include "libs/base/status_macros.h"

namespace ragmesh::pipeline {

absl::StatusOr<Citer::Mark> Citer::Cite(std::size_t index, const answer::Sentence& source,
                                        const Passage& passage, double support) {
  const auto known = numbers_.find(index);
  if (known != numbers_.end()) return Mark{known->second, std::nullopt};
  Citation citation;
  citation.passage = passage.number;
  citation.document_id = passage.chunk.document_id;
  citation.document_version = passage.chunk.document_version;
  citation.document_name = passage.chunk.document_name;
  citation.page = passage.chunk.chunk.page_begin;
  citation.range = source.range;
  citation.quote = source.text;
  citation.support = support;
  RAGMESH_ASSIGN_OR_RETURN(const bool stands, StandsInDocument(&citation));
  if (!stands) return Mark();
  citation.number = static_cast<std::uint32_t>(numbers_.size() + 1);
  numbers_[index] = citation.number;
  return Mark{citation.number, std::move(citation)};
}

// When the store has just gone, the chunk it sent is the proof.
absl::StatusOr<bool> Citer::StandsInDocument(Citation* citation) {
  auto it = documents_.find(citation->document_id);
  if (it == documents_.end()) {
    auto document = store_.GetDocument({caller_.tenant, collection_}, citation->document_id,
                                       caller_.labels, ShareOf(call_, 0.3));
    RAGMESH_RETURN_IF_ERROR(call_.Check());
    if (!document.ok() && absl::IsNotFound(document.status())) return false;
    it = documents_
             .emplace(citation->document_id,
                      document.ok() ? std::optional(*std::move(document)) : std::nullopt)
             .first;
  }
  if (!it->second.has_value()) return true;
  const stages::StoredDocument& document = *it->second;
  citation->document_version = document.version;  // the one that was compared
  return citation->range.end <= document.text.size() &&
         document.text.compare(citation->range.begin, citation->range.size(), citation->quote) == 0;
}

}  // namespace ragmesh::pipeline
