#include "libs/generation/tool_call_reader.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace ragmesh::generation {
namespace {

bool IsSpace(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }

// Marks have done their work once a token turns out to be no call's.
void AddText(absl::string_view text, std::string* out) {
  for (const char c : text)
    if (c != kControlMark) out->push_back(c);
}

// Whether `text` begins as `piece` of a format does; all of it when they are of one length.
bool Begins(absl::string_view piece, absl::string_view text) {
  if (text.size() > piece.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool id = piece[i] == kIdMark && absl::ascii_isalnum(static_cast<unsigned char>(text[i]));
    if (!id && piece[i] != text[i]) return false;
  }
  return true;
}

bool Is(absl::string_view piece, absl::string_view text) {
  return piece.size() == text.size() && Begins(piece, text);
}

// What a JSON string spells; empty for anything else.
std::string Decode(const std::string& json) {
  const auto value = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  return value.is_string() ? value.get<std::string>() : std::string();
}

}  // namespace

bool ToolCallReader::ValueScan::Take(char c) {
  if (complete_) return false;
  if (in_string_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
      complete_ = depth_ == 0;
    }
    return true;
  }
  // A number or a word ends where something else begins.
  if (bare_ && (IsSpace(c) || c == ',' || c == '}' || c == ']')) {
    complete_ = true;
    return false;
  }
  if (c == '"') {
    in_string_ = true;
  } else if (c == '{' || c == '[') {
    ++depth_;
  } else if (c == '}' || c == ']') {
    complete_ = --depth_ <= 0;
  } else if (!begun_) {
    bare_ = true;
  }
  begun_ = true;
  return true;
}

ToolCallReader::ToolCallReader(ToolFormat format, std::vector<std::string> names,
                               std::function<std::string()> new_id)
    : format_(std::move(format)), names_(std::move(names)), new_id_(std::move(new_id)) {
  if (format_.is_object) return;
  const absl::string_view front = absl::StripAsciiWhitespace(format_.next);
  next_front_.assign(front.data(), front.size());
}

ToolCallReader::Piece ToolCallReader::Add(absl::string_view bytes) {
  Piece piece;
  for (const char c : bytes) Take(c, &piece);
  return piece;
}

ToolCallReader::Piece ToolCallReader::Finish() {
  Piece piece;
  AddText(state_ == State::kText ? held_ : raw_, &piece.text);
  held_.clear();
  raw_.clear();
  state_ = State::kText;
  return piece;
}

void ToolCallReader::Take(char c, Piece* piece) {
  const bool undecided = state_ != State::kText && state_ != State::kBehind && !begun_;
  if (undecided) {
    raw_ += c;
    if (raw_.size() > kMaxHeldBytes) return GiveBack(piece);
  }
  switch (state_) {
    case State::kText:
      return TakeText(c, piece);
    case State::kOpened:
      return TakeOpened(c, piece);
    case State::kMembers:
    case State::kKey:
    case State::kColon:
      return TakeMember(c, piece);
    case State::kValue:
      return TakeValue(c, piece);
    case State::kName:
      return TakeName(c, piece);
    case State::kArguments:
      Hand(absl::string_view(&c, 1), piece);
      scan_.Take(c);
      if (!scan_.complete()) return;
      if (format_.is_object) {
        state_ = State::kMembers;
      } else {
        EndCall();
      }
      return;
    case State::kBehind:
      return TakeBehind(c, piece);
  }
}

bool ToolCallReader::IsOpener(absl::string_view text) const {
  return Is(format_.open, text) || Is(format_.also_open, text);
}

bool ToolCallReader::BeginsOpener(absl::string_view text) const {
  return Begins(format_.open, text) || Begins(format_.also_open, text);
}

void ToolCallReader::TakeText(char c, Piece* piece) {
  held_ += c;
  Settle(piece);
}

void ToolCallReader::Settle(Piece* piece) {
  while (!held_.empty()) {
    const absl::string_view rest = absl::StripLeadingAsciiWhitespace(held_);
    const bool object = rest == "{" && format_.open.empty() && at_front_;
    if (object || (!rest.empty() && IsOpener(rest))) {
      raw_ = std::exchange(held_, {});
      state_ = object ? State::kMembers : State::kOpened;
      listed_ = false;
      return;
    }
    const bool few_blanks = held_.size() - rest.size() <= kMaxHeldBlanks;
    if ((rest.empty() || BeginsOpener(rest)) && few_blanks) return;
    const std::size_t settled =
        rest.empty() ? held_.size() : held_.size() - rest.size() + 1;  // no opener begins in it
    AddText(absl::string_view(held_).substr(0, settled), &piece->text);
    held_.erase(0, settled);
    at_front_ = false;
  }
}

void ToolCallReader::GiveBack(Piece* piece) {
  const char last = raw_.back();
  raw_.pop_back();
  AddText(std::exchange(raw_, {}), &piece->text);
  held_.clear();
  at_front_ = false;
  EndCall();
  state_ = State::kText;
  TakeText(last, piece);
}

void ToolCallReader::TakeOpened(char c, Piece* piece) {
  if (IsSpace(c)) return;
  if (!format_.is_object) {
    state_ = State::kName;
    return TakeName(c, piece);
  }
  if (c == '{') {
    state_ = State::kMembers;
  } else if (c == '[' && !listed_) {
    listed_ = true;
  } else {
    GiveBack(piece);
  }
}

void ToolCallReader::TakeMember(char c, Piece* piece) {
  const auto broken = [&] {
    if (!begun_) return GiveBack(piece);
    EndCall();
  };
  switch (state_) {
    case State::kMembers:
      if (IsSpace(c) || c == ',') return;
      if (c == '}') return EndObject(piece);
      if (c != '"') return broken();
      key_ = c;
      scan_ = ValueScan();
      scan_.Take(c);
      state_ = State::kKey;
      return;
    case State::kKey:
      key_ += c;
      if (key_.size() > kMaxHeldBytes) return broken();
      scan_.Take(c);
      if (scan_.complete()) state_ = State::kColon;
      return;
    default:
      if (IsSpace(c)) return;
      if (c != ':') return broken();
      value_.clear();
      scan_ = ValueScan();
      state_ = State::kValue;
      return;
  }
}

void ToolCallReader::TakeValue(char c, Piece* piece) {
  if (value_.empty() && IsSpace(c)) return;
  const bool is_arguments = key_ == "\"arguments\"" || key_ == "\"parameters\"";
  if (value_.empty() && is_arguments && c == '{' && !begun_ && !name_.empty()) {
    if (!Begin(piece)) return GiveBack(piece);
    state_ = State::kArguments;
    scan_.Take(c);
    return Hand("{", piece);
  }
  if (!format_.is_object) return GiveBack(piece);
  const bool own = scan_.Take(c);
  if (own) value_ += c;
  if (value_.size() > kMaxHeldBytes) {
    if (begun_) return EndCall();
    return GiveBack(piece);
  }
  if (!scan_.complete()) return;
  state_ = State::kMembers;
  EndMember(piece);
  if (!own && state_ == State::kMembers) TakeMember(c, piece);
}

void ToolCallReader::EndMember(Piece* piece) {
  if (begun_) return;
  if (key_ == "\"name\"") {
    name_ = Decode(value_);
    if (std::find(names_.begin(), names_.end(), name_) == names_.end()) GiveBack(piece);
  } else if (key_ == "\"arguments\"" || key_ == "\"parameters\"") {
    arguments_ = absl::StartsWith(value_, "\"") ? Decode(value_) : value_;
  }
}

void ToolCallReader::EndObject(Piece* piece) {
  if (!begun_) {
    if (!Begin(piece)) return GiveBack(piece);
    Hand(absl::StartsWith(arguments_, "{") ? arguments_ : "{}", piece);
  }
  EndCall();
}

void ToolCallReader::EndCall() {
  begun_ = false;
  raw_.clear();
  held_.clear();
  name_.clear();
  arguments_.clear();
  state_ = State::kBehind;
}

void ToolCallReader::TakeName(char c, Piece* piece) {
  if (held_.empty() && stages::IsToolName(name_ + c)) {
    name_ += c;
    return;
  }
  held_ += c;
  if (!Begins(format_.between, held_)) return GiveBack(piece);
  if (held_.size() < format_.between.size()) return;
  held_.clear();
  key_ = "\"arguments\"";
  value_.clear();
  scan_ = ValueScan();
  state_ = State::kValue;
}

void ToolCallReader::TakeBehind(char c, Piece* piece) {
  if (held_.empty()) {
    if (IsSpace(c)) return;
    if (format_.is_object && (c == ',' || c == ';' || (c == ']' && listed_))) return;
    if (format_.is_object && c == '{' && (listed_ || format_.open.empty())) {
      raw_ = c;
      state_ = State::kMembers;
      return;
    }
  }
  held_ += c;
  if (Is(next_front_, held_)) {
    raw_ = std::exchange(held_, {});
    state_ = State::kName;
  } else if (IsOpener(held_)) {
    raw_ = std::exchange(held_, {});
    state_ = State::kOpened;
    listed_ = false;
  } else if (Is(format_.close, held_)) {
    held_.clear();
  } else if (!BeginsOpener(held_) && !Begins(format_.close, held_) && !Begins(next_front_, held_)) {
    state_ = State::kText;
    for (const char again : std::exchange(held_, {})) Take(again, piece);
  }
}

bool ToolCallReader::Begin(Piece* piece) {
  if (std::find(names_.begin(), names_.end(), name_) == names_.end()) return false;
  piece->calls.push_back({static_cast<std::uint32_t>(calls_), new_id_(), name_, ""});
  ++calls_;
  begun_ = true;
  at_front_ = false;
  raw_.clear();
  return true;
}

void ToolCallReader::Hand(absl::string_view arguments, Piece* piece) {
  const auto index = static_cast<std::uint32_t>(calls_ - 1);
  if (piece->calls.empty() || piece->calls.back().index != index)
    piece->calls.push_back({index, "", "", ""});
  piece->calls.back().arguments.append(arguments.data(), arguments.size());
}

}  // namespace ragmesh::generation
