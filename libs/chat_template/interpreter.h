// Runs a compiled template. Templates come with model files, so they are untrusted: steps, nesting,
// memory and output have bounds, there is no way out to files or the environment, and all values
// die with the run.
#ifndef RAGMESH_LIBS_CHAT_TEMPLATE_INTERPRETER_H_
#define RAGMESH_LIBS_CHAT_TEMPLATE_INTERPRETER_H_

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/chat_template/ast.h"
#include "libs/chat_template/chat_template.h"

namespace ragmesh::chat_template {

struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string, Value>> names;
};

struct Callable {
  enum class Kind { kMacro, kCaller, kRaise, kStrftime, kRange, kNamespace, kDict, kCycle };
  Kind kind = Kind::kRaise;
  const Statement* statement = nullptr;  // of a macro or a call block
  Scope* scope = nullptr;                // where it was defined
  std::size_t index = 0;                 // of the loop round a kCycle belongs to
};

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  // The argument at `index` or called `name`; nullptr when there is none.
  const Value* Find(std::size_t index, absl::string_view name) const;
};

// Counts a level of nesting while it lives.
class Deeper {
 public:
  explicit Deeper(int* depth) : depth_(depth) { ++*depth_; }
  ~Deeper() { --*depth_; }

 private:
  int* const depth_;
};

// One run. The first error sticks: afterwards every evaluation gives Undefined at once and loops
// end.
class Interpreter {
 public:
  Interpreter(const RenderLimits& limits, absl::Time now) : limits_(limits), now_(now) {}

  // `globals` are visible everywhere.
  absl::StatusOr<Text> Run(const Body& body, std::vector<std::pair<std::string, Value>> globals);

  List* NewList(bool tuple = false);
  Dict* NewDict();

 private:
  enum class Flow { kNext, kBreak, kContinue };

  bool ok() const { return status_.ok(); }
  Value Fail(absl::string_view problem);
  Value OutOf(absl::string_view what);
  // Counts one step, and `bytes` of new strings or containers; false once a bound is passed.
  bool Charge(std::size_t bytes = 0);
  bool Work(std::size_t steps);  // for scans
  // What these find counts as steps by its size.
  Text Printed(const Value& value);
  bool Same(const Value& a, const Value& b);
  Value* FindEntry(Dict* dict, const Value& key);
  void SetEntry(Dict* dict, const Value& key, Value value);
  Value NewString(Text text);

  // Statements.
  Flow Execute(const Body& body, Text* out);
  Flow ExecuteOne(const Statement& statement, Text* out);
  Flow ExecuteFor(const Statement& statement, Text* out);
  void ExecuteSet(const Statement& statement);
  void Append(const Text& text, Text* out);
  void Assign(const std::vector<Statement::Target>& targets, const Value& value);
  Scope* NewScope(Scope* parent);
  void Define(Scope* scope, const std::string& name, Value value);
  const Callable* NewCallable(Callable callable);

  // expressions.cc
  Value Evaluate(const Expression& expression);
  Value EvaluateKind(const Expression& expression);
  Value Lookup(const std::string& name);
  Value Attribute(const Value& base, absl::string_view name);
  Value Item(const Value& base, const Value& index);
  Value Slice(const Expression& expression);
  Value Binary(const std::string& op, const Value& a, const Value& b);
  Value Repeat(const Value& what, std::int64_t times);
  bool Compare(const std::string& op, const Value& a, const Value& b);
  bool Less(const Value& a, const Value& b);
  bool Contains(const Value& container, const Value& item);
  // What a loop goes over; characters of a string, keys of a dictionary.
  std::vector<Value> Iterate(const Value& value);

  // calls.cc
  Value Call(const Expression& expression);
  Value CallFunction(const Callable& callable, const Arguments& arguments);
  Value CallMacro(const Callable& callable, const Arguments& arguments);
  Arguments EvaluateArguments(const Expression& expression);

  // builtins.cc
  Value ApplyFilter(const Expression& expression, const Value& input);
  Value SelectFilter(const std::string& name, const Value& input, const Arguments& arguments);
  Value StringFilter(const std::string& name, const Value& input, const Arguments& arguments,
                     bool* known);
  Value SequenceFilter(const std::string& name, const Value& input, const Arguments& arguments,
                       bool* known);
  Value Map(const Value& input, const Arguments& arguments);
  Value Filtered(const std::string& name, const Value& input, const Arguments& arguments);
  bool ApplyTest(const std::string& name, const Value& value, const std::vector<Value>& arguments);
  Value ToJsonFilter(const Value& input, const Arguments& arguments);
  Value DeepAttribute(const Value& base, absl::string_view path);
  void Sort(std::vector<Value>* values, absl::string_view attribute, bool reverse, bool any_case);
  // methods.cc; *known is false when the type has no such method.
  Value CallMethod(const Value& self, const std::string& name, const Arguments& arguments,
                   bool* known);
  Value StringMethod(const Text& self, const std::string& name, const Arguments& arguments,
                     bool* known);
  Value ListMethod(List* self, const std::string& name, const Arguments& arguments, bool* known);
  Value DictMethod(Dict* self, const std::string& name, const Arguments& arguments, bool* known);
  Value Replaced(const Text& text, const Text& from, const Text& to, std::int64_t most);
  bool WorkOfSearchFromRight(absl::string_view text, absl::string_view part);
  Value Split(const Text& self, const Arguments& arguments, bool from_right);

  const RenderLimits limits_;
  const absl::Time now_;
  absl::Status status_;
  std::size_t steps_ = 0;
  std::size_t memory_ = 0;
  int depth_ = 0;
  int line_ = 1;
  Scope* scope_ = nullptr;
  // Owned here, so that values which contain each other still go away.
  std::deque<List> lists_;
  std::deque<Dict> dicts_;
  std::deque<Callable> callables_;
  std::deque<Scope> scopes_;
};

// Python's str.strip and its like: without `characters` white space goes.
Text Strip(const Text& text, const std::string* characters, bool left, bool right);
// Replaces up to `most` occurrences, and stops once there are over `max_bytes`; marks follow.
Text Replace(const Text& text, const Text& from, const Text& to, std::size_t most,
             std::size_t max_bytes);
// Where `part` begins at or after `from`, else npos, in time linear in both.
std::size_t FindPart(absl::string_view text, absl::string_view part, std::size_t from);
std::string ChangeCase(absl::string_view text, bool upper);
// "title" or "capitalize".
std::string Capitalise(absl::string_view text, bool every_word);

}  // namespace ragmesh::chat_template

#endif  // RAGMESH_LIBS_CHAT_TEMPLATE_INTERPRETER_H_
