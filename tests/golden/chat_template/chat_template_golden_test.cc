// Renders public chat templates and compares with what Jinja2 gave (make_goldens.py).
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "absl/time/time.h"
#include "libs/chat_template/chat_template.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::chat_template {
namespace {

using testing::HasReason;
using Json = nlohmann::ordered_json;

TEST(ChatTemplateGoldenTest, RendersPublicTemplatesAsJinja2Does) {
  const auto folder = testing::TestData("tokenizers/gguf-vocab/templates");
  RAGMESH_SKIP_WITHOUT(folder, "tokenizers/gguf-vocab/templates of the test data");
  const std::string source = std::getenv("RAGMESH_SOURCE_DIR");
  const Json goldens = Json::parse(
      testing::ReadFileOrDie(source + "/tests/golden/chat_template/chat_templates.json"));
  absl::Time now;
  ASSERT_TRUE(
      absl::ParseTime(absl::RFC3339_full, goldens["now"].get<std::string>(), &now, nullptr));
  // Two known differences. A string that went through `safe` HTML-escapes what is joined to it in
  // Jinja, which that template's authors did not mean; and Python cannot write a lazy sequence as
  // JSON, where ours is a list.
  const auto differs = [](const Json& golden) {
    return golden["case"] == "tools" &&
           (golden["template"] == "meetkai-functionary-medium-v3.1.jinja" ||
            golden["template"] == "llama-cpp-deepseek-r1.jinja");
  };
  std::size_t different = 0;
  for (const Json& golden : goldens["goldens"]) {
    SCOPED_TRACE(golden["template"].get<std::string>() + ", case " +
                 golden["case"].get<std::string>());
    const auto parsed = ChatTemplate::Parse(
        testing::ReadFileOrDie(*folder / golden["template"].get<std::string>()));
    EXPECT_THAT(parsed, testing::IsOk());
    if (!parsed.ok()) continue;
    const auto rendered = (*parsed)->Render(golden["context"], now);
    if (differs(golden)) {
      ++different;
      continue;
    }
    if (golden.contains("text")) {
      EXPECT_THAT(rendered, testing::IsOk());
      if (!rendered.ok()) continue;
      EXPECT_EQ(rendered->text, golden["text"].get<std::string>());
      EXPECT_EQ(rendered->foreign.size(), rendered->text.size());
    } else if (golden.contains("refused")) {
      EXPECT_THAT(rendered, HasReason("TEMPLATE_REFUSED"));
    } else {
      EXPECT_THAT(rendered, HasReason("TEMPLATE_FAILED"));
    }
  }
  EXPECT_EQ(goldens["goldens"].size(), 55u * 5u);
  EXPECT_EQ(different, 2u);
}

}  // namespace
}  // namespace ragmesh::chat_template
