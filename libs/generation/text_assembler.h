// Turns tokens into text that may be shown: whole UTF-8 characters, and nothing that could still
// become a stop string.
#ifndef RAGMESH_LIBS_GENERATION_TEXT_ASSEMBLER_H_
#define RAGMESH_LIBS_GENERATION_TEXT_ASSEMBLER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/stages/generator.h"

namespace ragmesh::generation {

// Text is held back while its end is an unfinished character or the beginning of a stop string,
// which may span any number of tokens. Bytes that can never become UTF-8 are shown as U+FFFD.
class TextAssembler {
 public:
  // `stops` holds no empty string. With `drops_first_space`, a space at the front of the text is
  // left out: see text::DecoderTokenizer::AddsSpaceAfter.
  explicit TextAssembler(std::vector<std::string> stops, bool drops_first_space = false)
      : stops_(std::move(stops)), drops_space_(drops_first_space) {}

  // Takes the bytes of the next token and returns what may be shown now. Once stopped() takes
  // nothing more.
  stages::TokenEvent Add(std::uint32_t id, absl::string_view bytes);

  // What is still held back, when no more tokens come.
  stages::TokenEvent Finish();

  bool stopped() const { return !stop_sequence_.empty(); }
  const std::string& stop_sequence() const { return stop_sequence_; }

 private:
  struct HeldToken {
    std::uint32_t id;
    std::size_t end;  // in held_
  };

  std::size_t FindStop();
  std::size_t Showable() const;
  stages::TokenEvent Show(std::size_t size);

  const std::vector<std::string> stops_;
  bool drops_space_;  // until the first byte
  std::string held_;
  std::vector<HeldToken> tokens_;
  std::string stop_sequence_;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_TEXT_ASSEMBLER_H_
