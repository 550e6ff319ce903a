#include "libs/answer/repetition.h"

#include <cstddef>

namespace ragmesh::answer {
namespace {

constexpr std::size_t kLongestPiece = 200;
constexpr std::size_t kTimes = 3;
constexpr std::size_t kShortestLoop = 48;

}  // namespace

bool EndsInLoop(absl::string_view text) {
  for (std::size_t piece = 1; piece <= kLongestPiece && piece * kTimes <= text.size(); ++piece) {
    // The text agrees with itself shifted by one piece for as long as it repeats.
    std::size_t same = 0;
    while (same + piece < text.size() &&
           text[text.size() - 1 - same] == text[text.size() - 1 - same - piece]) {
      if (++same + piece >= kShortestLoop && same >= (kTimes - 1) * piece) return true;
    }
  }
  return false;
}

}  // namespace ragmesh::answer
