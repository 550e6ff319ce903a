// What a text may be, as masks over the model's vocabulary.
#ifndef RAGMESH_LIBS_GENERATION_OUTPUT_FORMATS_H_
#define RAGMESH_LIBS_GENERATION_OUTPUT_FORMATS_H_

#include <list>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/generation/vocabulary.h"
#include "libs/grammar/constraint.h"
#include "libs/stages/generator.h"

namespace ragmesh::generation {

// Compiled formats of one vocabulary. The last few are kept, with what was found out about them,
// for the next request that wants the same. Thread-safe; borrows the vocabulary.
class OutputFormats {
 public:
  explicit OutputFormats(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {}

  // Null for text. The errors of the grammar library, with the field of the request.
  absl::StatusOr<std::shared_ptr<grammar::Constraint>> Find(const stages::OutputFormat& format);

 private:
  using Compiled = std::pair<stages::OutputFormat, std::shared_ptr<grammar::Constraint>>;

  absl::StatusOr<std::shared_ptr<const grammar::TokenTable>> Tokens()
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Vocabulary& vocabulary_;
  absl::Mutex mutex_;
  std::shared_ptr<const grammar::TokenTable> tokens_ ABSL_GUARDED_BY(mutex_);  // once needed
  std::list<Compiled> compiled_ ABSL_GUARDED_BY(mutex_);                       // last used first
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_OUTPUT_FORMATS_H_
