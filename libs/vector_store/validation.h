// Every check of what callers hand in. Each refusal names the field, the problem and the bound.
#ifndef RAGMESH_LIBS_VECTOR_STORE_VALIDATION_H_
#define RAGMESH_LIBS_VECTOR_STORE_VALIDATION_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::vector_store {

absl::Status ValidateTenant(absl::string_view tenant);
absl::Status ValidateId(const stages::CollectionId& id);
absl::Status ValidateConfig(const stages::CollectionConfig& config);
absl::Status ValidateFusion(const stages::Fusion& fusion);
// FAILED_PRECONDITION / IMMUTABLE_SETTING where `config` changes what a collection keeps for good.
absl::Status ValidateUpdate(const stages::CollectionConfig& old,
                            const stages::CollectionConfig& config);

// FAILED_PRECONDITION / EMBEDDER_MISMATCH unless `digest` is the collection's.
absl::Status ValidateEmbedder(const stages::CollectionConfig& config, absl::string_view digest);
// INVALID_ARGUMENT / DIMENSION_MISMATCH, or / INVALID_VECTOR unless finite and of unit length
// within 0.001.
absl::Status ValidateVector(const stages::CollectionConfig& config, absl::string_view field,
                            absl::Span<const float> vector);

// All that can be known of a write without looking at the store: what concerns more than one of its
// parts, and each of its chunks for itself.
absl::Status ValidateOutline(const stages::CollectionConfig& config,
                             absl::string_view embedder_digest, const stages::Upsert& upsert);
absl::Status ValidateChunk(const stages::CollectionConfig& config, std::size_t index,
                           const stages::StoredChunk& chunk);
// Both.
absl::Status ValidateUpsert(const stages::CollectionConfig& config,
                            absl::string_view embedder_digest, const stages::Upsert& upsert);
absl::Status ValidateSearch(const stages::CollectionConfig& config,
                            const stages::SearchRequest& request);
absl::Status ValidatePrincipal(absl::Span<const std::string> labels);
absl::Status ValidateIds(absl::string_view field, absl::Span<const std::string> ids);
absl::Status ValidateIdempotencyKey(absl::string_view key);  // may be empty
absl::Status ValidatePage(const stages::Page& page);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_VALIDATION_H_
