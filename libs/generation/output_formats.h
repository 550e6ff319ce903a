// What a text may be, and which tools are called in it, as masks over the model's vocabulary.
#ifndef RAGMESH_LIBS_GENERATION_OUTPUT_FORMATS_H_
#define RAGMESH_LIBS_GENERATION_OUTPUT_FORMATS_H_

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/generation/tool_format.h"
#include "libs/generation/vocabulary.h"
#include "libs/grammar/constraint.h"
#include "libs/stages/generator.h"

namespace ragmesh::generation {

// Compiled formats of one vocabulary. The last few are kept, with what was found out about them,
// for the next request that wants the same. A format that takes long to compile keeps no other
// waiting; requests that want the same new one at the same time each compile it, and the first to
// be done is kept. Thread-safe; borrows the vocabulary.
class OutputFormats {
 public:
  using ConstraintPtr = std::shared_ptr<grammar::Constraint>;

  // `tool_controls`: control tokens of the format of calls, by id, as it spells them.
  explicit OutputFormats(const Vocabulary& vocabulary,
                         std::map<std::uint32_t, std::string> tool_controls = {})
      : vocabulary_(vocabulary), tool_controls_(std::move(tool_controls)) {}

  // Null for text. The errors of the grammar library, with the field of the request.
  absl::StatusOr<ConstraintPtr> Find(const stages::OutputFormat& format);

  // Of a text in which tools are called, see ToolGrammar. `format` is always the same.
  absl::StatusOr<ConstraintPtr> FindTools(const ToolFormat& format,
                                          const std::vector<stages::Tool>& tools,
                                          const stages::ToolChoice& choice);

 private:
  // All that a constraint is made from.
  struct Wanted {
    stages::OutputFormat format;
    std::vector<stages::Tool> tools;
    stages::ToolChoice choice;

    bool operator==(const Wanted&) const = default;
  };
  using Compiled = std::pair<Wanted, ConstraintPtr>;
  using Table = std::shared_ptr<const grammar::TokenTable>;

  // Null when it is not kept.
  ConstraintPtr FindKept(const Wanted& wanted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The constraint, or what another request has kept of the same in the meantime.
  absl::StatusOr<ConstraintPtr> Keep(Wanted wanted, grammar::Grammar::Ptr compiled,
                                     const Table& tokens) ABSL_LOCKS_EXCLUDED(mutex_);
  // Of all texts, or of those with calls.
  absl::StatusOr<Table> Tokens(bool with_tools);
  absl::StatusOr<Table> MakeTable(bool with_tools) const;

  const Vocabulary& vocabulary_;
  const std::map<std::uint32_t, std::string> tool_controls_;
  absl::Mutex tokens_mutex_;  // held while a table is made, which every format waits for
  Table tokens_ ABSL_GUARDED_BY(tokens_mutex_);
  Table tool_tokens_ ABSL_GUARDED_BY(tokens_mutex_);
  absl::Mutex mutex_;                                     // never held while anything is made
  std::list<Compiled> compiled_ ABSL_GUARDED_BY(mutex_);  // last used first
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_OUTPUT_FORMATS_H_
