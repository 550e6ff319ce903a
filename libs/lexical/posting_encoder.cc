#include "libs/lexical/posting_encoder.h"

#include <algorithm>
#include <functional>

#include "libs/lexical/byte_codec.h"
#include "libs/lexical/posting_list.h"

namespace ragmesh::lexical {
namespace {

// Lists get codes from so many postings on, and from one for each range of slots: below, reading
// them all takes about as long as adding up their codes, and codes would take more room than they
// do. docs/benchmarks.md has the measurements.
constexpr std::size_t kFewestForCodes = 256;

constexpr std::size_t kCounts = 256;    // told apart by a level
constexpr std::size_t kMostPoints = 4;  // of a level
constexpr std::uint32_t kNone = 0xFFFFFFFF;

unsigned BitsOf(std::uint32_t value) {
  unsigned bits = 0;
  for (; value != 0; value >>= 1) ++bits;
  return bits;
}

// Appends value(i) for i < count, `bits` bits each, lowest first.
void AppendPacked(std::size_t count, unsigned bits,
                  const std::function<std::uint32_t(std::size_t)>& value, std::string* out) {
  std::uint64_t waiting = 0;
  unsigned filled = 0;
  for (std::size_t i = 0; i < count; ++i) {
    waiting |= std::uint64_t{value(i)} << filled;
    for (filled += bits; filled >= 8; filled -= 8, waiting >>= 8)
      out->push_back(static_cast<char>(waiting));
  }
  if (filled > 0) out->push_back(static_cast<char>(waiting));
}

void AppendBlock(absl::Span<const EncodedPosting> block, std::uint32_t before, std::string* out) {
  std::uint32_t gaps = 0, counts = 0, titles = 0, headings = 0, last = before;
  for (const EncodedPosting& posting : block) {
    gaps |= posting.slot - last - 1;
    last = posting.slot;
    counts |= posting.occurrences.count - 1u;
    titles |= posting.occurrences.title;
    headings |= posting.occurrences.heading;
  }
  const unsigned gap_bits = BitsOf(gaps), count_bits = BitsOf(counts);
  const unsigned title_bits = BitsOf(titles), heading_bits = BitsOf(headings);
  out->push_back(static_cast<char>(gap_bits));
  out->push_back(static_cast<char>(count_bits));
  out->push_back(static_cast<char>(title_bits | heading_bits << 4));
  AppendPacked(
      block.size(), gap_bits,
      [&](std::size_t i) { return block[i].slot - (i == 0 ? before : block[i - 1].slot) - 1; },
      out);
  AppendPacked(
      block.size(), count_bits, [&](std::size_t i) { return block[i].occurrences.count - 1u; },
      out);
  AppendPacked(
      block.size(), title_bits,
      [&](std::size_t i) -> std::uint32_t { return block[i].occurrences.title; }, out);
  AppendPacked(
      block.size(), heading_bits,
      [&](std::size_t i) -> std::uint32_t { return block[i].occurrences.heading; }, out);
}

struct Point {
  std::uint32_t count, shortest;
};

}  // namespace

PostingEncoder::PostingEncoder(absl::Span<const Lengths> lengths,
                               const CorpusStatistics& statistics)
    : lengths_(lengths), scorer_(Bm25(), statistics), levels_(kLevels) {}

void PostingEncoder::AppendRecord(absl::Span<const EncodedPosting> postings, std::string* out) {
  const bool has_codes = postings.size() >= kFewestForCodes &&
                         postings.size() >= RangeCount(static_cast<std::uint32_t>(lengths_.size()));
  out->push_back(has_codes ? 1 : 0);
  if (has_codes) AppendCodes(postings, out);
  std::string blocks, last_slots, offsets;
  const std::size_t block_count = (postings.size() + kBlockPostings - 1) / kBlockPostings;
  std::uint32_t before = kNone;
  for (std::size_t first = 0; first < postings.size(); first += kBlockPostings) {
    const auto block = postings.subspan(first, kBlockPostings);
    AppendLittle(block.back().slot, &last_slots);
    // Offsets count from the directory on.
    AppendLittle(static_cast<std::uint32_t>(block_count * 8 + blocks.size()), &offsets);
    AppendBlock(block, before, &blocks);
    before = block.back().slot;
  }
  if (block_count > 1) out->append(last_slots).append(offsets);
  out->append(blocks);
}

void PostingEncoder::AppendCodes(absl::Span<const EncodedPosting> postings, std::string* out) {
  const auto slots = static_cast<std::uint32_t>(lengths_.size());
  worth_.assign(PaddedRangeCount(slots), 0);
  for (const EncodedPosting& posting : postings) {
    double& worth = worth_[posting.slot / kRangeSlots];
    worth = std::max(worth, Scorer::Contribution(1, posting.occurrences.count,
                                                 scorer_.Norm(lengths_[posting.slot])));
  }
  double least = 1, most = 0;
  for (const double worth : worth_) {
    if (worth == 0) continue;
    least = std::min(least, worth);
    most = std::max(most, worth);
  }
  const double per_level = (most - least) / kLevels;
  std::string codes(worth_.size() / 2, '\0');
  std::vector<std::uint8_t> level_of(worth_.size(), 0);
  for (std::size_t range = 0; range < worth_.size(); ++range) {
    if (worth_[range] == 0) continue;
    const auto level = per_level > 0 ? static_cast<std::size_t>((worth_[range] - least) / per_level)
                                     : std::size_t{0};
    level_of[range] = static_cast<std::uint8_t>(std::min(level, kLevels - 1));
    const unsigned code = level_of[range] + 1u;
    char& pair = codes[range / 64 * 32 + range % 32];
    pair = static_cast<char>(pair | (range % 64 < 32 ? code : code << 4));
  }
  for (Level& level : levels_) {
    level.shortest.assign(kCounts, kNone);
    level.title = level.heading = 0;
  }
  for (const EncodedPosting& posting : postings) {
    Level& level = levels_[level_of[posting.slot / kRangeSlots]];
    const std::size_t count = std::min<std::size_t>(posting.occurrences.count, kCounts - 1);
    level.shortest[count] = std::min(level.shortest[count], lengths_[posting.slot].total);
    level.title = std::max(level.title, posting.occurrences.title);
    level.heading = std::max(level.heading, posting.occurrences.heading);
  }
  std::string levels;
  AppendLevels(&levels);
  AppendVarint(levels.size(), out);
  out->append(levels).append(codes);
}

// A level's postings as few points, so that each posting has a point with no fewer occurrences and
// no longer a chunk.
void PostingEncoder::AppendLevels(std::string* out) {
  const auto worth = [this](const Point& point) {
    return Scorer::Contribution(1, point.count, scorer_.PlainNorm(point.shortest));
  };
  for (const Level& level : levels_) {
    std::vector<Point> points;  // counts descend, and so do lengths
    for (std::size_t count = kCounts - 1; count > 0; --count) {
      const std::uint32_t shortest = level.shortest[count];
      if (shortest == kNone || (!points.empty() && points.back().shortest <= shortest)) continue;
      points.push_back(
          {static_cast<std::uint32_t>(count == kCounts - 1 ? 0xFFFF : count), shortest});
    }
    while (points.size() > kMostPoints) {
      // Two neighbours become one that stands for both: those for which it says least too much.
      std::size_t best = 0;
      double least = 2;
      for (std::size_t i = 0; i + 1 < points.size(); ++i) {
        const double joined = worth({points[i].count, points[i + 1].shortest});
        if (joined < least) {
          least = joined;
          best = i;
        }
      }
      points[best].shortest = points[best + 1].shortest;
      points.erase(points.begin() + static_cast<std::ptrdiff_t>(best) + 1);
    }
    out->push_back(static_cast<char>(level.title));
    out->push_back(static_cast<char>(level.heading));
    out->push_back(static_cast<char>(points.size()));
    for (const Point& point : points) {
      AppendVarint(point.count, out);
      AppendVarint(point.shortest, out);
    }
  }
}

void PostingEncoder::AppendPositions(absl::Span<const EncodedPosting> postings,
                                     absl::Span<const std::uint32_t> positions, std::string* out) {
  const std::size_t block_count = (postings.size() + kBlockPostings - 1) / kBlockPostings;
  std::string blocks, offsets;
  for (std::size_t i = 0; i < postings.size(); ++i) {
    if (i % kBlockPostings == 0)
      AppendLittle(static_cast<std::uint32_t>(block_count * 4 + blocks.size()), &offsets);
    std::uint32_t next = 0;
    for (const std::uint32_t position :
         positions.subspan(postings[i].first_position, postings[i].occurrences.count)) {
      AppendVarint(position - next, &blocks);
      next = position + 1;
    }
  }
  if (block_count > 1) out->append(offsets);
  out->append(blocks);
}

}  // namespace ragmesh::lexical
