#include "libs/chat_template/chat_template.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "libs/testing/status_matchers.h"

namespace ragmesh::chat_template {
namespace {

using testing::HasReason;
using ::testing::HasSubstr;
using testing::StatusIs;
using Json = nlohmann::ordered_json;

absl::StatusOr<Rendered> Render(absl::string_view source, const Json& context = Json::object(),
                                const RenderLimits& limits = {}) {
  auto parsed = ChatTemplate::Parse(source);
  if (!parsed.ok()) return parsed.status();
  return (*parsed)->Render(context, absl::UnixEpoch(), limits);
}

std::string Text(absl::string_view source, const Json& context = Json::object()) {
  const auto rendered = Render(source, context);
  return rendered.ok() ? rendered->text : rendered.status().ToString();
}

TEST(ChatTemplateTest, ComputesAsPythonDoes) {
  EXPECT_EQ(Text("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1 + 2 * 3 }}"),
            "-4 2 3.5 1024 7");
  EXPECT_EQ(Text("{{ [1, 'a', none, True, 1.0] }} {{ (1,) }} {{ {'k': \"it's\"} }}"),
            "[1, 'a', None, True, 1.0] (1,) {'k': \"it's\"}");
  EXPECT_EQ(Text("{{ 'größe'[1:3] }} {{ [1,2,3,4][::-1] }} {{ 'abc'[-1] }}"), "rö [4, 3, 2, 1] c");
  EXPECT_EQ(Text("{{ 'yes' if 1 < 2 <= 2 else 'no' }} {{ 'b' in 'abc' and 3 not in [1] }}"),
            "yes True");
}

TEST(ChatTemplateTest, TrimsBlocksAsHuggingFaceDoes) {
  EXPECT_EQ(Text("a\n  {% if true %}\n  b\n  {% endif %}\nc\n"), "a\n  b\nc");
  EXPECT_EQ(Text("a \n {%- if true -%} \n b {% endif %}"), "ab ");
}

TEST(ChatTemplateTest, LoopsKeepTheirVariablesAndNamespacesDoNot) {
  EXPECT_EQ(Text("{% set x = 1 %}{% set ns = namespace(x=1) %}{% for i in [1,2,3] if i != 2 %}{% "
                 "set x = i %}"
                 "{% set ns.x = i %}{{ loop.index }}{{ loop.last }}{% endfor %}{{ x }}{{ ns.x }}"),
            "1False2True13");
}

TEST(ChatTemplateTest, MacrosTakeDefaultsAndNames) {
  EXPECT_EQ(Text("{% macro f(a, b='x') %}<{{ a }}{{ b }}>{% endmacro %}{{ f(1) }}{{ f(1, b=2) }}"),
            "<1x><12>");
}

TEST(ChatTemplateTest, MarksWhatCameFromTheConversation) {
  const Json context = {{"messages", {{{"role", "user"}, {"content", " <s>Hi "}}}},
                        {"bos_token", "<s>"}};
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const Rendered rendered,
      Render("{{ bos_token }}{{ messages[0].role }}:{{ messages[0].content | trim | upper }}.",
             context));
  EXPECT_EQ(rendered.text, "<s>user:<S>HI.");
  EXPECT_EQ(rendered.foreign, std::string("\0\0\0\0\0\0\0\0\1\1\1\1\1\0", 14));
}

TEST(ChatTemplateTest, RaiseExceptionRefusesWithTheTemplatesWords) {
  const auto refused = Render("{{ raise_exception('roles must alternate') }}");
  EXPECT_THAT(refused, HasReason("TEMPLATE_REFUSED"));
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("roles must alternate")));
}

TEST(ChatTemplateTest, SearchesAndStripsAsPythonDoes) {
  EXPECT_EQ(Text("{{ 'abcabc'.find('ca') }} {{ 'abcabc'.rfind('abc') }} {{ 'aaaa'.count('aa') }} "
                 "{{ 'abc'.find('') }} {{ 'abc'.find('x') }} {{ 'a-b-c'.split('-', 1) }} "
                 "{{ 'a-b-c'.rsplit('-', 1) }} {{ 'bc' in 'abc' }}"),
            "2 3 2 0 -1 ['a', 'b-c'] ['a-b', 'c'] True");
  EXPECT_EQ(Text("{{ 'aébéa'.strip('aé') }} {{ 'aba'|replace('a', 'xy') }} "
                 "{{ 'ab'.replace('', '-') }} {{ 'aaa'.replace('a', 'b', 2) }}"),
            "b xybxy -a-b- bba");
}

TEST(ChatTemplateTest, WritesKeysOfJsonThatPythonWrites) {
  EXPECT_EQ(Text("{{ {'b': 1, 'a': [2], 3: none} | tojson(sort_keys=true) }}"),
            R"({"3": null, "a": [2], "b": 1})");
  EXPECT_THAT(Render("{{ {(1, 2): 3} | tojson }}"), HasReason("TEMPLATE_FAILED"));
}

TEST(ChatTemplateTest, ComparesDictionariesWhateverTheirOrder) {
  EXPECT_EQ(Text("{{ {'a': 1, 'b': [2]} == {'b': [2], 'a': 1.0} }} {{ {'a': 1} == {'a': 2} }} "
                 "{{ [{'a': 1}] | unique | length }} {{ {'a': 1} in [{'a': 1}] }}"),
            "True False 1 True");
}

class EndlessTemplateTest : public ::testing::TestWithParam<const char*> {};

TEST_P(EndlessTemplateTest, MeetsALimit) {
  RenderLimits limits;
  limits.steps = 200'000;
  limits.memory_bytes = 32 << 20;
  limits.output_bytes = 1 << 20;
  EXPECT_THAT(Render(GetParam(), Json::object(), limits), HasReason("TEMPLATE_LIMIT"));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, EndlessTemplateTest,
    ::testing::Values(
        "{% for i in range(10**12) %}{% endfor %}",
        "{% for i in range(1000) %}{% for j in range(1000) %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% "
        "endfor %}",
        "{{ 'x' * 10**12 }}", "{{ [0] * 10**9 }}",
        "{% for i in range(100000) %}{{ 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' }}{% endfor %}",
        "{% set ns = namespace(l=[0]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% "
        "endfor %}"
        "{{ ns.l }}",
        "{% set ns = namespace(l=[0], m=[0]) %}{% for i in range(20) %}"
        "{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}"
        "{% for i in range(9000) %}{% if ns.l == ns.m %}{% endif %}{% endfor %}",
        "{% set ns = namespace(l=[0], m=[0]) %}{% for i in range(20) %}"
        "{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}"
        "{% for i in range(9000) %}{% if ns.l in [1, ns.m] %}{% endif %}{% endfor %}",
        "{% set ns = namespace(l=[0]) %}{% for i in range(20) %}{% set ns.l = [ns.l, ns.l] %}"
        "{% endfor %}{% for i in range(9000) %}{% if ns.l is lower %}{% endif %}{% endfor %}",
        "{% set ns = namespace(l=[0]) %}{% for i in range(20) %}{% set ns.l = [ns.l, ns.l] %}"
        "{% endfor %}{{ [ns.l | tojson] }}",
        "{% set s = 'a' * 1000000 %}{{ s | replace('', s) }}",
        "{% set s = 'a' * 1000000 %}{{ s.replace('a', s) }}",
        "{% set s = '&' * 1000000 %}{{ s | e }}",
        "{% set s = 'a' * 1000000 %}{{ ([s] * 1000) | sort }}",
        "{% set s = 'a' * 1000000 %}{{ s.rfind('b' ~ s[:500000]) }}",
        "{% set s = 'a' * 1000000 %}{% for i in range(9000) %}{% if s.find('x' ~ s) %}{% endif %}"
        "{% endfor %}",
        "{% set p = '0.' * 400000 %}{% set l = [] %}{% set _ = l.append(l) %}"
        "{{ l | map(attribute=p ~ '0') | list | length }}"));

TEST(ChatTemplateTest, NamesOfWhatIsMissingStayShort) {
  RenderLimits limits;
  limits.output_bytes = 1 << 20;
  const auto missing = Render("{{ {}['a' * 1000000].b }}", Json::object(), limits);
  EXPECT_THAT(missing, HasReason("TEMPLATE_FAILED"));
  EXPECT_LT(missing.status().message().size(), 1000u);
  EXPECT_LT(Render("{{ raise_exception('é' * 10000) }}").status().message().size(), 1000u);
}

TEST(ChatTemplateTest, SearchesForLongPartsAtOnce) {
  EXPECT_EQ(Text("{{ ('a' * 4000000).find('a' * 2000000 ~ 'b') }}"), "-1");
}

TEST(ChatTemplateTest, RefusesChainsThatAreTooLong) {
  const auto chain = [](absl::string_view begin, absl::string_view link, absl::string_view end) {
    std::string source(begin);
    for (int i = 0; i < 100'000; ++i) source.append(link.data(), link.size());
    return Render(source.append(end.data(), end.size()));
  };
  EXPECT_THAT(chain("{{ 1", " if 1", " }}"), HasReason("BAD_TEMPLATE"));
  EXPECT_THAT(chain("{% set x", "|e", " %}{% endset %}"), HasReason("BAD_TEMPLATE"));
  EXPECT_THAT(chain("{% filter e", "|e", " %}{% endfilter %}"), HasReason("BAD_TEMPLATE"));
}

TEST(ChatTemplateTest, ValuesThatHoldThemselvesPrintAndGoAway) {
  EXPECT_THAT(Text("{% set l = [] %}{% set _ = l.append(l) %}{{ l | length }}{{ l == l }}"),
              HasSubstr("1"));
}

TEST(ChatTemplateTest, MistakesNameTheLine) {
  EXPECT_THAT(Render("a\n{% if %}"), HasReason("BAD_TEMPLATE"));
  EXPECT_THAT(Render("{% include 'x' %}"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("include")));
  EXPECT_THAT(Render("{{ " + std::string(5000, '(')), HasReason("BAD_TEMPLATE"));
  EXPECT_THAT(Render("a\nb {{ x.y }}"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 2")));
}

}  // namespace
}  // namespace ragmesh::chat_template
