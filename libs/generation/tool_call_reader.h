// What a model writes when it has tools: text and calls, told apart as the tokens come.
#ifndef RAGMESH_LIBS_GENERATION_TOOL_CALL_READER_H_
#define RAGMESH_LIBS_GENERATION_TOOL_CALL_READER_H_

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/generation/tool_format.h"
#include "libs/stages/tools.h"

namespace ragmesh::generation {

// Reads calls in one model's format. Where calls are objects it does not insist on spelling: white
// space, the order of members, members of other names, "arguments" for "parameters" and arguments
// in a string are all understood. What looks like a call but names none of the tools, or breaks off
// before its arguments begin, is text. White space before a call is left out.
//
// Each byte is looked at a bounded number of times; what is held back is at most kMaxHeldBytes.
// One thread.
class ToolCallReader {
 public:
  static constexpr std::size_t kMaxHeldBytes = 64 << 10;
  static constexpr std::size_t kMaxHeldBlanks = 256;  // before what may become a call

  struct Piece {
    std::string text;
    std::vector<stages::ToolCallDelta> calls;
  };

  // `names` of the tools. `new_id` makes an id for each call.
  ToolCallReader(ToolFormat format, std::vector<std::string> names,
                 std::function<std::string()> new_id);

  // `bytes`: UTF-8, with control tokens of the format behind kControlMark.
  Piece Add(absl::string_view bytes);
  // What is still held back, when nothing more comes.
  Piece Finish();

  // How many calls have begun.
  std::size_t calls() const { return calls_; }

 private:
  enum class State {
    kText,       // outside of calls; `held_` may become an opener
    kOpened,     // behind an opener
    kMembers,    // in an object: between members
    kKey,        // in a member's name
    kColon,      // behind it
    kValue,      // in a member's value
    kName,       // in the name of a tagged call; `held_` is the name and what is behind it
    kArguments,  // in arguments that are handed on
    kBehind,     // behind a call; `held_` may become a closer, an opener or the next name's front
  };

  // Where a JSON value ends, byte by byte.
  class ValueScan {
   public:
    // False for the first byte that is not the value's own.
    bool Take(char c);
    bool complete() const { return complete_; }

   private:
    int depth_ = 0;
    bool begun_ = false, in_string_ = false, escaped_ = false, complete_ = false, bare_ = false;
  };

  void Take(char c, Piece* piece);
  void TakeText(char c, Piece* piece);
  void TakeOpened(char c, Piece* piece);
  void TakeMember(char c, Piece* piece);
  void TakeValue(char c, Piece* piece);
  void TakeName(char c, Piece* piece);
  void TakeBehind(char c, Piece* piece);
  void EndMember(Piece* piece);
  void EndObject(Piece* piece);
  void EndCall();
  // `held_` is no opener: what cannot begin one is text.
  void Settle(Piece* piece);
  // The call that began is none: all of it is text.
  void GiveBack(Piece* piece);
  // Begins a call of the tool `name_`; false when there is none of this name.
  bool Begin(Piece* piece);
  void Hand(absl::string_view arguments, Piece* piece);
  bool IsOpener(absl::string_view text) const;
  bool BeginsOpener(absl::string_view text) const;

  const ToolFormat format_;
  const std::vector<std::string> names_;
  const std::function<std::string()> new_id_;
  std::string next_front_;  // of a tagged call that follows another

  State state_ = State::kText;
  bool at_front_ = true;  // no text has come yet
  std::string held_;      // see State
  std::string raw_;       // of a call that has not begun: all of it, with its opener
  bool begun_ = false;    // the present call has been handed on
  bool listed_ = false;   // calls stand in a list
  std::string key_, name_, value_;
  std::string arguments_;  // that came before the name
  ValueScan scan_;
  std::size_t calls_ = 0;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_TOOL_CALL_READER_H_
