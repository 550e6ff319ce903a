// What a store tells of its work as it does it, for whoever counts.
#ifndef RAGMESH_LIBS_VECTOR_STORE_STORE_OBSERVER_H_
#define RAGMESH_LIBS_VECTOR_STORE_STORE_OBSERVER_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::vector_store {

// Called from many threads at once; returns at once.
class StoreObserver {
 public:
  virtual ~StoreObserver() = default;
  // A commit to disk of this many writes that shared it has ended.
  virtual void Committed(std::size_t writes, absl::Duration took, const absl::Status& status) = 0;
  // So many documents went because their time had come.
  virtual void Expired(std::uint64_t documents) { (void)documents; }
  virtual void Searched(stages::SearchMode mode, absl::Duration took,
                        const absl::Status& status) = 0;
  // So many parts of a collection's image have become one segment, or it failed and will be tried
  // again.
  virtual void Sealed(std::size_t /*parts*/, absl::Duration /*took*/,
                      const absl::Status& /*status*/) {}
  // Segments of a collection were not there or were damaged, and are made anew from its records.
  virtual void SegmentsLost(const absl::Status& /*why*/) {}
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_STORE_OBSERVER_H_
