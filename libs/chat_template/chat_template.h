// Chat templates: the Jinja text inside a model file that turns a conversation into the prompt the
// model was trained on.
//
// The subset: output, if/elif/else, for with else, filter and loop variables, break and continue,
// set in both forms, macros, call and filter blocks, with, namespaces, raw, comments, white space
// control; expressions with Python's operators, slices, tests and the common filters and string
// methods; raise_exception, strftime_now, range, namespace, dict. trim_blocks and lstrip_blocks are
// on, as Hugging Face has them. Not there: include, import, extends, recursive loops.
#ifndef RAGMESH_LIBS_CHAT_TEMPLATE_CHAT_TEMPLATE_H_
#define RAGMESH_LIBS_CHAT_TEMPLATE_CHAT_TEMPLATE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"

namespace ragmesh::chat_template {

// Far above what real templates need (thousands of steps, one prompt's worth of output). With these
// a hostile template takes up to two seconds of a processor and some 400 MB.
struct RenderLimits {
  // Statements, expressions, comparisons of two values, and what is done to many bytes or entries
  // at once: 8 bytes printed, 64 searched or 256 copied make a step, as do 16 entries looked
  // through.
  std::size_t steps = 2'000'000;
  std::size_t memory_bytes = 256 << 20;  // of all strings and containers made on the way
  std::size_t output_bytes = 8 << 20;
  int depth = 150;  // nested calls, blocks and expressions
};

struct Rendered {
  std::string text;
  // As long as `text`: 1 where a byte came from the conversation, 0 where the template wrote it.
  // Only the latter may become control tokens.
  std::string foreign;
};

// Immutable and thread-safe.
class ChatTemplate {
 public:
  // INVALID_ARGUMENT / BAD_TEMPLATE, with the line, for what is outside the subset.
  static absl::StatusOr<std::unique_ptr<const ChatTemplate>> Parse(absl::string_view source);
  ~ChatTemplate();

  // Renders with the members of the object `context` as variables: "messages",
  // "add_generation_prompt", "bos_token", "tools" and what else the template asks for. Strings
  // within "messages", "tools" and "documents" count as foreign, except a message's "role". `now`
  // is what strftime_now shows, in UTC. INVALID_ARGUMENT / TEMPLATE_REFUSED with the template's own
  // words when it calls raise_exception, RESOURCE_EXHAUSTED / TEMPLATE_LIMIT past a bound,
  // INVALID_ARGUMENT / TEMPLATE_FAILED for a mistake in it.
  absl::StatusOr<Rendered> Render(const nlohmann::ordered_json& context, absl::Time now,
                                  const RenderLimits& limits = {}) const;

 private:
  struct Compiled;
  explicit ChatTemplate(std::unique_ptr<const Compiled> compiled);
  const std::unique_ptr<const Compiled> compiled_;
};

}  // namespace ragmesh::chat_template

#endif  // RAGMESH_LIBS_CHAT_TEMPLATE_CHAT_TEMPLATE_H_
