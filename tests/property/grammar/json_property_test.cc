// JSON mode against another reader of JSON.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "absl/strings/ascii.h"
#include "tests/unit/grammar/texts.h"

namespace ragmesh::grammar {
namespace {

using Json = nlohmann::json;

std::string RandomString(std::mt19937* random) {
  static const char* const kPieces[] = {"a",      "Z",          "\u00a0", "\"", "\\",
                                        "\n",     "\x01",       "\x7f",   "/",  "\u00e9",
                                        "\u4e00", "\U0001F600", "0",      "{",  "]"};
  std::string text;
  for (unsigned i = (*random)() % 6; i > 0; --i) text += kPieces[(*random)() % 15];
  return text;
}

Json RandomValue(std::mt19937* random, int depth) {
  switch ((*random)() % (depth > 0 ? 8 : 6)) {
    case 0:
      return nullptr;
    case 1:
      return (*random)() % 2 == 0;
    case 2:
      return static_cast<int>((*random)() % 2000) - 1000;
    case 3:
      return static_cast<double>(static_cast<int>((*random)() % 2000) - 1000) / 64;
    case 4:
      return 1e25 * ((*random)() % 100);
    case 5:
      return RandomString(random);
    case 6: {
      Json list = Json::array();
      for (unsigned i = (*random)() % 4; i > 0; --i) list.push_back(RandomValue(random, depth - 1));
      return list;
    }
    default: {
      Json object = Json::object();
      for (unsigned i = (*random)() % 4; i > 0; --i)
        object[RandomString(random)] = RandomValue(random, depth - 1);
      return object;
    }
  }
}

Json RandomObject(std::mt19937* random) {
  Json object = RandomValue(random, 4);
  while (!object.is_object()) object = RandomValue(random, 4);
  return object;
}

// Longer numbers than JSON mode writes; what is in strings counts too, which only skips some texts.
bool HasLongNumber(const std::string& text) {
  std::size_t digits = 0;
  bool exponent = false;
  for (const char c : text) {
    if (absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      if (++digits > (exponent ? 2 : 18)) return true;
      continue;
    }
    exponent = c == 'e' || c == 'E' || (exponent && digits == 0 && (c == '+' || c == '-'));
    digits = 0;
  }
  return false;
}

TEST(AnyJsonPropertyTest, AcceptsWhatOthersWrite) {
  const auto json = Grammar::AnyJson();
  for (std::uint32_t seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    const Json object = RandomObject(&random);
    for (const int indent : {-1, 0, 2, 4}) {
      const std::string text = object.dump(indent, ' ', random() % 2 == 0);
      ASSERT_TRUE(Matches(json, text)) << "seed " << seed << "\n" << text;
    }
  }
}

TEST(AnyJsonPropertyTest, RefusesWhatOthersRefuse) {
  const auto json = Grammar::AnyJson();
  int valid = 0;
  for (std::uint32_t seed = 0; seed < 20'000; ++seed) {
    std::mt19937 random(seed);
    std::string text = RandomObject(&random).dump(-1, ' ', random() % 2 == 0);
    static const char kBytes[] = "{}[]\",:0123456789.eE+-\\utrnflabd/\x01\x7f\xc3\xa9\xe4";
    for (unsigned i = random() % 3 + 1; i > 0; --i) {
      const std::size_t at = random() % (text.size() + 1);
      const std::string byte(1, kBytes[random() % (sizeof kBytes - 1)]);
      text.replace(at, random() % 2, random() % 3 == 0 ? "" : byte);
    }
    if (HasLongNumber(text)) continue;
    const Json parsed = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    ASSERT_EQ(Matches(json, text), parsed.is_object()) << "seed " << seed << "\n" << text;
    valid += parsed.is_object();
  }
  EXPECT_GT(valid, 1000) << "the texts say something";
}

}  // namespace
}  // namespace ragmesh::grammar
