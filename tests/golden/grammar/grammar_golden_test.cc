// Texts written by choosing allowed tokens, for each of schemas.json. They are compared with
// instances.json, which check_instances.py has found valid with another implementation of JSON
// Schema. After a change: grammar_golden_test --update_goldens, then run that script.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/unit/grammar/texts.h"

namespace ragmesh::grammar {
namespace {

using Json = nlohmann::ordered_json;

bool update_goldens = false;
int instances_per_schema = 6;

std::string Path(const char* name) {
  return std::string(std::getenv("RAGMESH_SOURCE_DIR")) + "/tests/golden/grammar/" + name;
}

// Printable ASCII, a character in two tokens, line ends, and pieces of JSON as vocabularies have.
std::vector<std::string> Tokens() {
  std::vector<std::string> tokens = {"\"",   "]",    "}",    "null",  "\"}", "\"]",
                                     "\",",  "\": ", "\":",  "}}",    "\n",  "\n  ",
                                     "\xc3", "\xa9", "true", "false", "{\"", "[{"};
  for (char c = ' '; c <= '~'; ++c) tokens.push_back(std::string(1, c));
  return tokens;
}

// Equal draws on every machine. After a while the first allowed token is preferred, which closes.
std::string WriteText(const std::shared_ptr<Constraint>& constraint, std::uint64_t seed) {
  Matcher matcher(constraint);
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    const std::vector<std::uint32_t> allowed = Allowed(matcher, constraint->tokens().size());
    if (allowed.empty()) break;
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    if (matcher.CanEnd() && (i > 50 || seed >> 62 != 0)) break;
    const bool close = i > 50 ? seed >> 58 != 0 : seed >> 60 == 0;
    const std::uint32_t token = allowed[close ? 0 : (seed >> 33) % allowed.size()];
    EXPECT_TRUE(matcher.Accept(token));
    const absl::string_view bytes = constraint->tokens().Bytes(token);
    text.append(bytes.data(), bytes.size());
  }
  EXPECT_TRUE(matcher.CanEnd()) << text;
  return text;
}

TEST(JsonSchemaGoldenTest, WritesInstancesThatWereFoundValid) {
  const Json schemas = Json::parse(testing::ReadFileOrDie(Path("schemas.json")));
  Json instances = Json::object();
  for (const auto& [name, schema] : schemas.items()) {
    SCOPED_TRACE(name);
    const auto grammar = Grammar::FromJsonSchema(schema.dump());
    ASSERT_THAT(grammar, testing::IsOk());
    const auto constraint = MakeConstraint(*grammar, Tokens());
    for (int seed = 0; seed < instances_per_schema; ++seed) {
      const std::string text = WriteText(constraint, static_cast<std::uint64_t>(seed));
      EXPECT_TRUE(Json::accept(text)) << text;
      instances[name].push_back(text);
    }
  }
  const std::string written = instances.dump(1) + "\n";
  if (update_goldens) {
    std::ofstream(Path("instances.json")) << written;
    return;
  }
  EXPECT_EQ(written, testing::ReadFileOrDie(Path("instances.json")));
}

}  // namespace
}  // namespace ragmesh::grammar

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--update_goldens") ragmesh::grammar::update_goldens = true;
    if (argument.rfind("--instances=", 0) == 0)
      ragmesh::grammar::instances_per_schema = std::atoi(argument.c_str() + 12);
  }
  return RUN_ALL_TESTS();
}
