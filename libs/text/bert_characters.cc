#include "libs/text/bert_characters.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>

namespace ragmesh::text {
namespace {

utf8proc_category_t Category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

bool Within(char32_t c, char32_t low, char32_t high) { return c >= low && c <= high; }

struct Range {
  char32_t low;
  char32_t high;
};

// Marks, punctuation and formats that Unicode gained after version 8. The tokenizer these models
// were trained with knows version 8 and sees letters in them; so do we, or their words would get
// other ids.
constexpr Range kNewerThanUnicode8[] = {
    {0x61D, 0x61D},     {0x7FD, 0x7FD},     {0x890, 0x891},     {0x898, 0x89F},
    {0x8CA, 0x8E2},     {0x9FD, 0x9FE},     {0xA76, 0xA76},     {0xAFA, 0xAFF},
    {0xB55, 0xB55},     {0xC04, 0xC04},     {0xC3C, 0xC3C},     {0xC77, 0xC77},
    {0xC84, 0xC84},     {0xD00, 0xD00},     {0xD3B, 0xD3C},     {0xD81, 0xD81},
    {0xEBA, 0xEBA},     {0xECE, 0xECE},     {0x180F, 0x180F},   {0x1885, 0x1886},
    {0x1ABF, 0x1ACE},   {0x1B7D, 0x1B7E},   {0x1DF6, 0x1DFB},   {0x2E43, 0x2E4F},
    {0x2E52, 0x2E5D},   {0xA82C, 0xA82C},   {0xA8C5, 0xA8C5},   {0xA8FF, 0xA8FF},
    {0xA9BD, 0xA9BD},   {0x10D24, 0x10D27}, {0x10EAB, 0x10EAD}, {0x10EFD, 0x10EFF},
    {0x10F46, 0x10F50}, {0x10F55, 0x10F59}, {0x10F82, 0x10F89}, {0x11070, 0x11070},
    {0x11073, 0x11074}, {0x110C2, 0x110C2}, {0x110CD, 0x110CD}, {0x111C9, 0x111C9},
    {0x111CF, 0x111CF}, {0x1123E, 0x1123E}, {0x11241, 0x11241}, {0x1133B, 0x1133B},
    {0x11438, 0x1143F}, {0x11442, 0x11444}, {0x11446, 0x11446}, {0x1144B, 0x1144F},
    {0x1145A, 0x1145B}, {0x1145D, 0x1145E}, {0x11660, 0x1166C}, {0x116B9, 0x116B9},
    {0x1182F, 0x11837}, {0x11839, 0x1183B}, {0x1193B, 0x1193C}, {0x1193E, 0x1193E},
    {0x11943, 0x11946}, {0x119D4, 0x119D7}, {0x119DA, 0x119DB}, {0x119E0, 0x119E0},
    {0x119E2, 0x119E2}, {0x11A01, 0x11A0A}, {0x11A33, 0x11A38}, {0x11A3B, 0x11A47},
    {0x11A51, 0x11A56}, {0x11A59, 0x11A5B}, {0x11A8A, 0x11A96}, {0x11A98, 0x11A9C},
    {0x11A9E, 0x11AA2}, {0x11B00, 0x11B09}, {0x11C30, 0x11C36}, {0x11C38, 0x11C3D},
    {0x11C3F, 0x11C3F}, {0x11C41, 0x11C45}, {0x11C70, 0x11C71}, {0x11C92, 0x11CA7},
    {0x11CAA, 0x11CB0}, {0x11CB2, 0x11CB3}, {0x11CB5, 0x11CB6}, {0x11D31, 0x11D36},
    {0x11D3A, 0x11D3A}, {0x11D3C, 0x11D3D}, {0x11D3F, 0x11D45}, {0x11D47, 0x11D47},
    {0x11D90, 0x11D91}, {0x11D95, 0x11D95}, {0x11D97, 0x11D97}, {0x11EF3, 0x11EF4},
    {0x11EF7, 0x11EF8}, {0x11F00, 0x11F01}, {0x11F36, 0x11F3A}, {0x11F40, 0x11F40},
    {0x11F42, 0x11F4F}, {0x11FFF, 0x11FFF}, {0x12FF1, 0x12FF2}, {0x13430, 0x13440},
    {0x13447, 0x13455}, {0x16E97, 0x16E9A}, {0x16F4F, 0x16F4F}, {0x16FE2, 0x16FE2},
    {0x16FE4, 0x16FE4}, {0x1CF00, 0x1CF2D}, {0x1CF30, 0x1CF46}, {0x1E000, 0x1E006},
    {0x1E008, 0x1E018}, {0x1E01B, 0x1E021}, {0x1E023, 0x1E024}, {0x1E026, 0x1E02A},
    {0x1E08F, 0x1E08F}, {0x1E130, 0x1E136}, {0x1E2AE, 0x1E2AE}, {0x1E2EC, 0x1E2EF},
    {0x1E4EC, 0x1E4EF}, {0x1E944, 0x1E94A}, {0x1E95E, 0x1E95F},
};

bool IsNewer(char32_t c) {
  const Range* range =
      std::upper_bound(std::begin(kNewerThanUnicode8), std::end(kNewerThanUnicode8), c,
                       [](char32_t value, const Range& r) { return value < r.low; });
  return range != std::begin(kNewerThanUnicode8) && c <= std::prev(range)->high;
}

}  // namespace

bool IsBertSpace(char32_t c) {
  return c == ' ' || Within(c, 0x9, 0xD) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         Within(c, 0x2000, 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

bool IsBertDropped(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  if (c < 0x7F) return c < 0x20;
  if (c == 0xFFFD) return true;
  switch (Category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CS:
      return !IsNewer(c);
    default:
      return false;
  }
}

bool IsBertPunctuation(char32_t c) {
  if (c < 0x80)
    return Within(c, '!', '/') || Within(c, ':', '@') || Within(c, '[', '`') || Within(c, '{', '~');
  if (c == 0x166D || c == 0x111C9) return true;  // were punctuation in Unicode 8
  switch (Category(c)) {
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return !IsNewer(c);
    default:
      return false;
  }
}

bool IsBertIdeograph(char32_t c) {
  return Within(c, 0x4E00, 0x9FFF) || Within(c, 0x3400, 0x4DBF) || Within(c, 0x20000, 0x2A6DF) ||
         Within(c, 0x2A700, 0x2B73F) || Within(c, 0x2B740, 0x2B81F) ||
         Within(c, 0x2B920, 0x2CEAF) || Within(c, 0xF900, 0xFAFF) || Within(c, 0x2F800, 0x2FA1F);
}

bool IsNonSpacingMark(char32_t c) {
  if (c < 0x300) return false;
  return c == 0x1734 ||
         (Category(c) == UTF8PROC_CATEGORY_MN && !IsNewer(c));  // U+1734 was one in Unicode 8
}

int CombiningClass(char32_t c) {
  return c < 0x300 ? 0 : utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

int DecomposeCanonically(char32_t c, char32_t* out) {
  out[0] = c;
  if (c < 0xC0 || c == 0x11938) return 1;  // U+11938 is younger than the reference's normaliser
  utf8proc_int32_t points[kMaxDecomposition];
  const utf8proc_ssize_t count = utf8proc_decompose_char(
      static_cast<utf8proc_int32_t>(c), points, kMaxDecomposition, UTF8PROC_DECOMPOSE, nullptr);
  if (count < 1 || count > kMaxDecomposition) return 1;  // not a character Unicode decomposes
  for (utf8proc_ssize_t i = 0; i < count; ++i) out[i] = static_cast<char32_t>(points[i]);
  return static_cast<int>(count);
}

int ToLower(char32_t c, char32_t* out) {
  if (c == 0x130) {
    out[0] = 'i';
    out[1] = 0x307;
    return 2;
  }
  out[0] = c < 0x80 ? (Within(c, 'A', 'Z') ? c + 32 : c)
                    : static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
  return 1;
}

}  // namespace ragmesh::text
