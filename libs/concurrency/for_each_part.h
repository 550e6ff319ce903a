// A loop whose parts several threads take.
#ifndef RAGMESH_LIBS_CONCURRENCY_FOR_EACH_PART_H_
#define RAGMESH_LIBS_CONCURRENCY_FOR_EACH_PART_H_

#include <cstddef>

#include "absl/functional/function_ref.h"
#include "libs/concurrency/executor.h"

namespace ragmesh {

// Calls `work(begin, end)` for parts of [0, count) of up to `part` items, each once, and returns
// when all are done. The caller's thread works too, with up to `helpers` of `executor`, which may
// be null; work that it refuses, or has not begun when the rest is done, is not waited for. `work`
// is called from several threads at once.
void ForEachPart(Executor* executor, int helpers, std::size_t count, std::size_t part,
                 absl::FunctionRef<void(std::size_t begin, std::size_t end)> work);

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_CONCURRENCY_FOR_EACH_PART_H_
