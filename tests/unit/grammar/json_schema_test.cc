#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/grammar/grammar.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/grammar/texts.h"

namespace ragmesh::grammar {
namespace {

using testing::HasReason;
using ::testing::HasSubstr;
using testing::StatusIs;

Grammar::Ptr Schema(absl::string_view text) {
  auto grammar = Grammar::FromJsonSchema(text);
  EXPECT_THAT(grammar, testing::IsOk()) << text;
  return grammar.ok() ? *grammar : Grammar::AnyJson();
}

absl::Status Refusal(absl::string_view text) { return Grammar::FromJsonSchema(text).status(); }

void Check(absl::string_view schema, const std::vector<std::string>& valid,
           const std::vector<std::string>& invalid) {
  const auto grammar = Schema(schema);
  for (const std::string& text : valid)
    EXPECT_TRUE(Matches(grammar, text)) << schema << " " << text;
  for (const std::string& text : invalid)
    EXPECT_FALSE(Matches(grammar, text)) << schema << " " << text;
}

TEST(AnyJsonTest, IsAnObject) {
  const auto json = Grammar::AnyJson();
  for (const char* text :
       {"{}", "{ }", "{\"a\": 1}", "{\"a\":[1,-2.5e+10,true,false,null,\"\\u00e9\\ud83d\\ude00\"]}",
        "{\n  \"a\": {\n    \"b\": []\n  },\n  \"c\": \"\u00e9\U0001F600\\n\"\n}"})
    EXPECT_TRUE(Matches(json, text)) << text;
  for (const char* text :
       {"", "[]", "1", "{", "{\"a\"}", "{a:1}", "{\"a\":01}", "{\"a\":1,}", "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", "{}x", " {}", "{\"a\":tru}", "{\"a\":+1}",
        "{\"a\":.5}", "{\"a\":1.}", "{\"a\":\"\xff\"}"})
    EXPECT_FALSE(Matches(json, text)) << text;
}

TEST(AnyJsonTest, WhitespaceIsBounded) {
  const auto json = Grammar::AnyJson();
  EXPECT_FALSE(Matches(json, "{  }"));
  EXPECT_FALSE(Matches(json, "{\n\n}"));
  EXPECT_TRUE(Matches(json, absl::StrCat("{\n", std::string(32, ' '), "}").c_str()));
  Matcher matcher(MakeConstraint(json));
  ASSERT_TRUE(matcher.AcceptBytes("{\n" + std::string(32, '\t')));
  EXPECT_FALSE(matcher.AcceptBytes("\t"));
}

TEST(JsonSchemaTest, TrueIsAnyValueAndFalseMatchesNothing) {
  Check("true", {"1", "[1, \"a\"]", "{\"a\":null}"}, {"", "x"});
  Check("{}", {"null"}, {});
  EXPECT_THAT(Refusal("false"), HasReason("MATCHES_NOTHING"));
}

TEST(JsonSchemaTest, HoldsToTypes) {
  Check(R"({"type":"null"})", {"null"}, {"1"});
  Check(R"({"type":"boolean"})", {"true", "false"}, {"null"});
  Check(R"({"type":"integer"})", {"0", "-12", "123456789012345678"}, {"1.0", "01", "1e3", "-"});
  Check(R"({"type":"number"})", {"0", "-1.5", "1e3", "1.25E-10"}, {"1.", "1e", "1e999", "\"1\""});
  Check(R"({"type":"string"})", {"\"\"", "\"a\\n\u00e9\""}, {"a", "\"a"});
  Check(R"({"type":"array"})", {"[]", "[1,[2]]"}, {"{}"});
  Check(R"({"type":"object"})", {"{}", "{\"a\":1}"}, {"[]"});
  Check(R"({"type":["string","null"]})", {"null", "\"a\""}, {"1"});
  Check(R"({"type":["string","integer"],"minLength":2})", {"1", "\"ab\""}, {"\"a\""});
}

TEST(JsonSchemaTest, WritesPropertiesInTheOrderOfTheSchema) {
  Check(
      R"({"properties":{"b":{"type":"integer"},"a":{"type":"string"}},"required":["a","b"]})",
      {"{\"b\":1,\"a\":\"x\"}", "{\n  \"b\": 1,\n  \"a\": \"x\"\n}"},
      {"{\"a\":\"x\",\"b\":1}", "{\"b\":1}", "{\"b\":1,\"a\":\"x\",}", "{}", "{\"b\":1,\"a\":2}"});
}

TEST(JsonSchemaTest, OptionalPropertiesMayBeLeftOutAnywhere) {
  const std::string schema =
      R"({"properties":{"a":{"const":1},"b":{"const":2},"c":{"const":3},"d":{"const":4}})";
  for (unsigned required = 0; required < 16; ++required) {
    nlohmann::json names = nlohmann::json::array();
    for (int i = 0; i < 4; ++i) {
      if ((required >> i & 1) != 0) names.push_back(std::string(1, static_cast<char>('a' + i)));
    }
    const auto grammar = Schema(absl::StrCat(schema, ",\"required\":", names.dump(), "}"));
    for (unsigned present = 0; present < 16; ++present) {
      std::string text = "{";
      for (int i = 0; i < 4; ++i) {
        if ((present >> i & 1) == 0) continue;
        absl::StrAppend(&text, text.size() > 1 ? "," : "", "\"",
                        std::string(1, static_cast<char>('a' + i)), "\":", i + 1);
      }
      text += "}";
      EXPECT_EQ(Matches(grammar, text), (present & required) == required) << required << text;
    }
  }
}

TEST(JsonSchemaTest, FurtherPropertiesAreWrittenOnlyWhenAskedFor) {
  Check(R"({"properties":{"a":{"type":"integer"}}})", {"{}", "{\"a\":1}"}, {"{\"b\":1}"});
  Check(R"({"properties":{"a":{"type":"integer"}},"additionalProperties":{"type":"boolean"}})",
        {"{}", "{\"a\":1}", "{\"b\":true}", "{\"a\":1,\"ab\":true,\"\":false}"},
        {"{\"b\":1}", "{\"a\":true}", "{\"b\":true,\"a\":true}", "{\"\\u0061\":true}"});
  Check(R"({"additionalProperties":{"type":"integer"}})", {"{}", "{\"a\":1,\"b\":2}"},
        {"{\"a\":true}"});
  Check(R"({"properties":{"a":{"type":"integer"}},"required":["b"]})",
        {"{\"b\":[]}", "{\"a\":1,\"b\":0}"}, {"{\"a\":1}", "{}"});
  EXPECT_THAT(Refusal(R"({"required":["b"],"additionalProperties":false})"),
              HasReason("MATCHES_NOTHING"));
}

TEST(JsonSchemaTest, ListsValues) {
  Check(R"({"enum":["red","re",1,null,[1,2],{"a":"b"}]})",
        {"\"red\"", "\"re\"", "1", "null", "[1,2]", "{\"a\":\"b\"}"}, {"\"r\"", "2"});
  Check(R"({"const":"a\"b\u00e9"})", {"\"a\\\"b\u00e9\""}, {"\"a\""});
  Check(R"({"type":"string","enum":["a",1]})", {"\"a\""}, {"1"});
  Check(R"({"enum":["a","b"],"const":"b"})", {"\"b\""}, {"\"a\""});
}

TEST(JsonSchemaTest, BoundsArrays) {
  Check(R"({"type":"array","items":{"type":"integer"}})", {"[]", "[1]", "[1, 2]"},
        {"[true]", "[1,]"});
  Check(R"({"items":{"type":"integer"},"minItems":2,"maxItems":3})", {"[1,2]", "[1,2,3]"},
        {"[]", "[1]", "[1,2,3,4]"});
  Check(R"({"type":"array","maxItems":0})", {"[]"}, {"[1]"});
  Check(R"({"prefixItems":[{"const":1},{"const":2}],"items":{"const":3},"minItems":1})",
        {"[1]", "[1,2]", "[1,2,3,3]"}, {"[]", "[2]", "[1,3]"});
  Check(R"({"prefixItems":[{"const":1},{"const":2}]})", {"[]", "[1]", "[1,2]"}, {"[1,2,3]"});
  Check(R"({"prefixItems":[{"const":1},{"const":2}],"items":false,"minItems":2})", {"[1,2]"},
        {"[1]", "[1,2,3]"});
  EXPECT_THAT(Refusal(R"({"type":"array","minItems":3,"maxItems":2})"),
              HasReason("MATCHES_NOTHING"));
}

TEST(JsonSchemaTest, CountsCharactersNotBytesNorEscapes) {
  Check(R"({"type":"string","minLength":2,"maxLength":3})",
        {"\"ab\"", "\"\u00e9\U0001F600x\"", "\"\\n\\u00e9\\ud83d\\ude00\""},
        {"\"a\"", "\"abcd\"", "\"\u00e9\"", "\"\\u00e9\\\\xx\""});
  Check(R"({"type":"string","maxLength":200})", {"\"" + std::string(200, 'a') + "\""},
        {"\"" + std::string(201, 'a') + "\""});
}

TEST(JsonSchemaTest, HoldsToPatterns) {
  Check(R"({"type":"string","pattern":"^[A-Z]{2,3}-\\d+$"})", {"\"AB-1\"", "\"ABC-123\""},
        {"\"A-1\"", "\"AB-\"", "\"xAB-1\"", "\"AB-1x\""});
  Check(R"({"type":"string","pattern":"b+"})", {"\"b\"", "\"abbc\""}, {"\"\"", "\"ac\""});
  Check(R"({"type":"string","pattern":"^(?:a|b\\.)*?$|^\"\\\\\\n$"})",
        {"\"\"", "\"ab.a\"", "\"\\\"\\\\\\n\""}, {"\"b\"", "\"bx\""});
  Check(R"({"type":"string","pattern":"^[^\\s\\w]$"})",
        {"\"-\"", "\"\\\"\"", "\"\\\\\"", "\"\u00e9\""}, {"\"a\"", "\" \"", "\"_\""});
}

TEST(JsonSchemaTest, RefusesPatternsItCannotHoldTo) {
  for (const char* pattern : {"(?=a)", "\\\\b", "\\\\1", "(", "a)", "[", "a**", "*", "a{", "(a$)",
                              "a$b", "a^", "\\\\p{L}", "[b-a]", "a{3,1}", "\\\\"}) {
    EXPECT_THAT(Refusal(absl::StrCat(R"({"type":"string","pattern":")", pattern, "\"}")),
                HasReason("UNSUPPORTED_SCHEMA"))
        << pattern;
  }
}

TEST(JsonSchemaTest, HoldsToFormats) {
  Check(R"({"type":"string","format":"date"})", {"\"2024-12-31\""},
        {"\"2024-02-30\"", "\"2024-13-01\""});
  Check(R"({"type":"string","format":"date-time"})",
        {"\"2024-01-02T03:04:05.678Z\"", "\"2024-01-02T03:04:05+02:00\""},
        {"\"2024-01-02 03:04:05Z\"", "\"2024-01-02T24:04:05Z\""});
  Check(R"({"type":"string","format":"uuid"})", {"\"01234567-89ab-cdef-0123-456789abcdef\""},
        {"\"01234567\""});
  Check(R"({"type":"string","format":"ipv4"})", {"\"10.0.255.1\""},
        {"\"10.0.256.1\"", "\"1.2.3\""});
  EXPECT_THAT(Refusal(R"({"type":"string","format":"hostname"})"), HasReason("UNSUPPORTED_SCHEMA"));
}

TEST(JsonSchemaTest, HoldsToRangesOfIntegers) {
  const struct {
    int min, max;
  } ranges[] = {{0, 0},     {0, 9},  {3, 17},   {-5, 5},     {-120, -7},
                {95, 1203}, {-1, 0}, {10, 100}, {-1000, 999}};
  for (const auto& range : ranges) {
    const auto grammar = Schema(absl::StrCat(R"({"type":"integer","minimum":)", range.min,
                                             ",\"maximum\":", range.max, "}"));
    const auto numbers = Schema(
        absl::StrCat(R"({"type":"number","minimum":)", range.min, ",\"maximum\":", range.max, "}"));
    for (int i = -1300; i <= 1300; ++i) {
      const bool within = i >= range.min && i <= range.max;
      EXPECT_EQ(Matches(grammar, absl::StrCat(i)), within)
          << i << " " << range.min << " " << range.max;
      EXPECT_EQ(Matches(numbers, absl::StrCat(i)), within) << i;
      if (i == 0) continue;
      const double half = i + (i < 0 ? -0.5 : 0.5);
      EXPECT_EQ(Matches(numbers, absl::StrCat(i, ".50")), half >= range.min && half <= range.max)
          << half;
    }
  }
  Check(R"({"type":"integer","exclusiveMinimum":0,"exclusiveMaximum":10})", {"1", "9"},
        {"0", "10", "-1"});
  Check(R"({"type":"integer","minimum":0.5,"maximum":3.5})", {"1", "3"}, {"0", "4"});
  Check(R"({"type":"integer","minimum":7})", {"7", "10", "999999999999999999"}, {"6", "-7"});
  Check(R"({"type":"integer","maximum":1e30})", {"7", "-999999999999999999"}, {});
  Check(R"({"type":"number","minimum":1})", {"1", "1.5", "999999999999999999.5"}, {"0.5", "-1"});
  EXPECT_THAT(Refusal(R"({"type":"integer","minimum":3,"maximum":2})"),
              HasReason("MATCHES_NOTHING"));
  EXPECT_THAT(Refusal(R"({"type":"number","minimum":0.5})"), HasReason("UNSUPPORTED_SCHEMA"));
}

TEST(JsonSchemaTest, ChoosesBetweenSchemas) {
  Check(R"({"anyOf":[{"type":"integer"},{"type":"null"}]})", {"1", "null"}, {"true"});
  Check(R"({"oneOf":[{"type":"integer"},{"const":"a"}]})", {"1", "\"a\""}, {"\"b\""});
  Check(R"({"type":"object","properties":{"kind":{"type":"string"}},"required":["kind"],
            "anyOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},
                     {"properties":{"b":{"type":"integer"}},"required":["b"]}]})",
        {"{\"kind\":\"x\",\"a\":1}", "{\"kind\":\"x\",\"b\":1}"},
        {"{\"kind\":\"x\"}", "{\"kind\":\"x\",\"a\":1,\"b\":1}"});
}

TEST(JsonSchemaTest, MergesAllOf) {
  Check(R"({"allOf":[{"properties":{"a":{"type":"integer"}},"required":["a"]},
                     {"properties":{"b":{"type":"string"},"a":{"minimum":3}}}]})",
        {"{\"a\":3}", "{\"a\":3,\"b\":\"x\"}"}, {"{\"a\":2}", "{\"b\":\"x\"}"});
  Check(R"({"allOf":[{"$ref":"#/$defs/n"}],"description":"x","$defs":{"n":{"type":"integer"}}})",
        {"1"}, {"true"});
  EXPECT_THAT(Refusal(R"({"allOf":[{"type":"string","pattern":"a"},{"pattern":"b"}]})"),
              HasReason("UNSUPPORTED_SCHEMA"));
}

TEST(JsonSchemaTest, FollowsReferencesAndRecursion) {
  Check(R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{
            "value":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},
            "required":["value","next"]}}})",
        {"{\"value\":1,\"next\":null}", "{\"value\":1,\"next\":{\"value\":2,\"next\":null}}"},
        {"{\"value\":1}", "{\"value\":1,\"next\":{}}"});
  Check(R"({"type":"array","items":{"$ref":"#"}})", {"[]", "[[],[[]]]"}, {"[1]"});
  Check(R"({"$defs":{"a/b~c":{"const":1}},"$ref":"#/$defs/a~1b~0c"})", {"1"}, {"2"});
}

TEST(JsonSchemaTest, RefusesReferencesThatLeadNowhere) {
  EXPECT_THAT(Refusal(R"({"$ref":"#/$defs/x"})"), HasReason("BAD_SCHEMA"));
  EXPECT_THAT(Refusal(R"({"$ref":"http://example.com/x"})"), HasReason("UNSUPPORTED_SCHEMA"));
  EXPECT_THAT(Refusal(R"({"$ref":"#"})"), HasReason("BAD_SCHEMA"));
  EXPECT_THAT(
      Refusal(
          R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})"),
      HasReason("BAD_SCHEMA"));
  EXPECT_THAT(Refusal(R"({"anyOf":[{"$ref":"#"},{"type":"null"}]})"), HasReason("LEFT_RECURSION"));
  EXPECT_THAT(Refusal(R"({"properties":{"a":{"$ref":"#"}},"required":["a"]})"),
              HasReason("MATCHES_NOTHING"));
}

TEST(JsonSchemaTest, NamesUnknownKeywordsAndWhereTheyStand) {
  const absl::Status status =
      Refusal(R"({"properties":{"a/b":{"type":"integer","multipleOf":2}}})");
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"multipleOf\"")));
  EXPECT_THAT(std::string(status.message()), HasSubstr("#/properties/a~1b"));
  const auto detail = GetErrorDetail(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, "UNSUPPORTED_SCHEMA");
  EXPECT_EQ(detail->metadata.at("keyword"), "multipleOf");
  EXPECT_EQ(detail->metadata.at("pointer"), "#/properties/a~1b");
  EXPECT_THAT(detail->next_step, HasSubstr("additionalProperties"));
  for (const char* keyword :
       {"not", "if", "patternProperties", "uniqueItems", "contains", "$anchor", "madeUp"})
    EXPECT_THAT(Refusal(absl::StrCat("{\"", keyword, "\":{}}")), HasReason("UNSUPPORTED_SCHEMA"));
}

TEST(JsonSchemaTest, IgnoresAnnotations) {
  Check(R"({"$schema":"x","$id":"y","title":"t","description":"d","default":1,"examples":[],
            "$comment":"c","deprecated":true,"type":"integer"})",
        {"1"}, {"true"});
}

TEST(JsonSchemaTest, RefusesWhatNoSchemaMayHold) {
  for (const char* schema : {"",
                             "1",
                             "[]",
                             "{",
                             R"({"type":"real"})",
                             R"({"type":7})",
                             R"({"properties":[]})",
                             R"({"required":"a"})",
                             R"({"enum":1})",
                             R"({"minLength":-1})",
                             R"({"minLength":1.5})",
                             R"({"items":3})",
                             R"({"anyOf":[]})",
                             R"({"allOf":{}})",
                             R"({"prefixItems":{}})",
                             R"({"minimum":"1"})",
                             R"({"pattern":1})",
                             R"({"properties":{"a":1}})",
                             R"({"$ref":1})",
                             "{\"title\":\"\xff\"}"}) {
    EXPECT_THAT(Refusal(schema), HasReason("BAD_SCHEMA")) << schema;
  }
}

TEST(JsonSchemaTest, BoundsTextDepthAndCounts) {
  Limits small;
  small.max_text_bytes = 10;
  EXPECT_THAT(Grammar::FromJsonSchema(R"({"type":"integer"})", small), HasReason("LIMIT_EXCEEDED"));
  std::string deep;
  for (int i = 0; i < 5'000; ++i) deep += "{\"items\":";
  EXPECT_THAT(Refusal(deep + "true" + std::string(5'000, '}')), HasReason("BAD_SCHEMA"));
  EXPECT_THAT(Refusal(std::string(100'000, '[')), HasReason("BAD_SCHEMA"));
  EXPECT_THAT(Refusal(R"({"type":"string","maxLength":10000000})"), HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(Refusal(R"({"type":"string","pattern":"^(a{999}){999999}$"})"),
              HasReason("LIMIT_EXCEEDED"));
}

}  // namespace
}  // namespace ragmesh::grammar
