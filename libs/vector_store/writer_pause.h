// Included by the files that hold StoredCollection.
#ifndef RAGMESH_LIBS_VECTOR_STORE_WRITER_PAUSE_H_
#define RAGMESH_LIBS_VECTOR_STORE_WRITER_PAUSE_H_

#include <vector>

#include "libs/vector_store/stored_collection.h"
#include "libs/vector_store/write_queue.h"

namespace ragmesh::vector_store {

// No write is planned or shown while one is held: it is a turn in the queue of writes.
class StoredCollection::WriterPause {
 public:
  explicit WriterPause(StoredCollection* collection) : queue_(collection->queue_) {
    turn_.alone = true;
    group_ = queue_.Join(&turn_);
  }
  ~WriterPause() { queue_.Finish(group_); }
  WriterPause(const WriterPause&) = delete;
  WriterPause& operator=(const WriterPause&) = delete;

 private:
  WriteQueue& queue_;
  WriteQueue::Entry turn_;
  std::vector<WriteQueue::Entry*> group_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_WRITER_PAUSE_H_
