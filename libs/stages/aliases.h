// Second names of collections, and what changed in a collection: what a collection is replaced by
// another one with, while it serves.
#ifndef RAGMESH_LIBS_STAGES_ALIASES_H_
#define RAGMESH_LIBS_STAGES_ALIASES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace ragmesh::stages {

// A name that stands for a collection. Every call that names a collection may name an alias
// instead; it is looked up once a call, so no call sees two collections.
struct Alias {
  std::string name;        // as a collection's; no collection of the tenant has it
  std::string collection;  // the own name of what it stands for
  std::string previous;    // of what it stood for before, while that is kept; empty: nothing
  std::uint64_t switched_sequence = 0;  // of `collection`, when the alias came to stand for it
  absl::Time changed;
};

// A compare-and-set.
struct AliasChange {
  std::string tenant = "default";
  std::string name;
  std::string collection;  // own name of what it is to stand for
  // Own name of what it must stand for now; empty: there must be no such alias yet.
  std::string expected_collection;
  // Of `expected_collection`: when it was written to since, the alias stays. Writes that came by
  // the alias and wait are led to the new collection.
  std::optional<std::uint64_t> expected_sequence;
  // A new alias alone: the collection that has this name gets `rename_to` for its own name, in the
  // same write. Empty: no collection may have the name.
  std::string rename_to;
};

// Documents that were written to or deleted, by whatever write.
struct CollectionChanges {
  std::uint64_t sequence = 0;             // all changes up to this one are told
  std::vector<std::string> document_ids;  // each once, in no order
};

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_ALIASES_H_
