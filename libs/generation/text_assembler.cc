#include "libs/generation/text_assembler.h"

#include <algorithm>

namespace ragmesh::generation {
namespace {

// Bytes the character that begins with `lead` has; 0 when no character does.
std::size_t CharacterBytes(std::uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead < 0xE0) return 2;
  if (lead >= 0xE0 && lead < 0xF0) return 3;
  return lead >= 0xF0 && lead < 0xF5 ? 4 : 0;
}

// Whether text[1..size) can follow text[0] in valid UTF-8.
bool Continues(absl::string_view text, std::size_t size) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  for (std::size_t i = 1; i < size; ++i) {
    std::uint8_t low = 0x80, high = 0xBF;
    if (i == 1 && byte(0) == 0xE0) low = 0xA0;
    if (i == 1 && byte(0) == 0xED) high = 0x9F;
    if (i == 1 && byte(0) == 0xF0) low = 0x90;
    if (i == 1 && byte(0) == 0xF4) high = 0x8F;
    if (byte(i) < low || byte(i) > high) return false;
  }
  return true;
}

// Where an unfinished character begins at the end of `text`; its size when there is none.
std::size_t UnfinishedAt(absl::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const std::size_t at = text.size() - back;
    const std::size_t wanted = CharacterBytes(static_cast<std::uint8_t>(text[at]));
    if (wanted > back && Continues(text.substr(at), back)) return at;
    if (wanted != 0) break;
  }
  return text.size();
}

std::string Mend(absl::string_view text) {
  std::string mended;
  mended.reserve(text.size());
  while (!text.empty()) {
    const std::size_t size = CharacterBytes(static_cast<std::uint8_t>(text[0]));
    if (size > 0 && size <= text.size() && Continues(text, size)) {
      mended.append(text.data(), size);
      text.remove_prefix(size);
      continue;
    }
    std::size_t bad = 1;
    while (size > 0 && bad < std::min(size, text.size()) && Continues(text, bad + 1)) ++bad;
    mended.append("\xEF\xBF\xBD");
    text.remove_prefix(bad);
  }
  return mended;
}

}  // namespace

stages::TokenEvent TextAssembler::Add(std::uint32_t id, absl::string_view bytes) {
  if (drops_space_ && !bytes.empty()) {
    drops_space_ = false;
    if (bytes[0] == ' ') bytes.remove_prefix(1);
  }
  held_.append(bytes.data(), bytes.size());
  tokens_.push_back({id, held_.size()});
  const std::size_t stop = FindStop();
  if (stop == std::string::npos) return Show(Showable());
  held_.resize(stop);
  return Finish();
}

stages::TokenEvent TextAssembler::Finish() {
  for (HeldToken& token : tokens_) token.end = std::min(token.end, held_.size());
  return Show(held_.size());
}

// The first stop string in the held text, the longer one among those that begin together.
std::size_t TextAssembler::FindStop() {
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) {
    const std::size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    if (first == std::string::npos || at < first ||
        (at == first && stop.size() > stop_sequence_.size())) {
      first = at;
      stop_sequence_ = stop;
    }
  }
  return first;
}

std::size_t TextAssembler::Showable() const {
  std::size_t showable = UnfinishedAt(held_);
  for (const std::string& stop : stops_) {
    for (std::size_t size = std::min(stop.size() - 1, held_.size()); size > 0; --size) {
      if (held_.compare(held_.size() - size, size, stop, 0, size) == 0) {
        showable = std::min(showable, held_.size() - size);
        break;
      }
    }
  }
  // A stop string may begin inside a character's bytes only if it is not UTF-8 itself; never cut
  // there.
  return std::min(showable, UnfinishedAt(absl::string_view(held_).substr(0, showable)));
}

stages::TokenEvent TextAssembler::Show(std::size_t size) {
  stages::TokenEvent event;
  event.text = Mend(absl::string_view(held_).substr(0, size));
  held_.erase(0, size);
  std::size_t shown = 0;
  while (shown < tokens_.size() && tokens_[shown].end <= size)
    event.token_ids.push_back(tokens_[shown++].id);
  tokens_.erase(tokens_.begin(), tokens_.begin() + static_cast<std::ptrdiff_t>(shown));
  for (HeldToken& token : tokens_) token.end -= size;
  return event;
}

}  // namespace ragmesh::generation
