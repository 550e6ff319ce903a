#include "libs/stages/tools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/error.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::stages {
namespace {

using testing::HasReason;
using testing::IsOk;

std::string FieldAtFault(const std::vector<Tool>& tools) {
  const absl::Status status = CheckTools(tools, "chat.");
  return status.ok() ? "" : GetErrorDetail(status)->field;
}

TEST(CheckToolsTest, NamesTheFieldAtFault) {
  EXPECT_EQ(FieldAtFault({{"get_weather"}, {"a.b-C_9"}}), "");
  EXPECT_EQ(FieldAtFault({{"a"}, {""}}), "chat.tools[1].name");
  EXPECT_EQ(FieldAtFault({{"a b"}}), "chat.tools[0].name");
  EXPECT_EQ(FieldAtFault({{"a\"b"}}), "chat.tools[0].name");
  EXPECT_EQ(FieldAtFault({{std::string(65, 'a')}}), "chat.tools[0].name");
  EXPECT_EQ(FieldAtFault({{"a"}, {"a"}}), "chat.tools[1].name");
  EXPECT_EQ(FieldAtFault({{"a", std::string(kMaxToolDescriptionBytes + 1, 'x')}}),
            "chat.tools[0].description");
  EXPECT_EQ(FieldAtFault({{"a", "", std::string(kMaxToolParametersBytes + 1, 'x')}}),
            "chat.tools[0].parameters");
}

TEST(CheckToolsTest, BoundsCountAndBytesOfAll) {
  std::vector<Tool> many(kMaxTools + 1);
  for (std::size_t i = 0; i < many.size(); ++i) many[i].name = "t" + std::to_string(i);
  EXPECT_EQ(FieldAtFault(many), "chat.tools");
  many.resize(8);
  for (Tool& tool : many) tool.parameters.assign(kMaxToolParametersBytes, ' ');
  EXPECT_THAT(CheckTools(many, ""), HasReason("LIMIT_EXCEEDED"));
}

TEST(CheckToolChoiceTest, ACallThatIsRequiredNeedsItsTool) {
  const ToolChoice required{.mode = ToolChoice::Mode::kRequired};
  const ToolChoice named{.mode = ToolChoice::Mode::kRequired, .name = "b"};
  EXPECT_THAT(CheckToolChoice({}, {}), IsOk());
  EXPECT_EQ(GetErrorDetail(CheckToolChoice(required, {}))->field, "tool_choice");
  EXPECT_THAT(CheckToolChoice(required, {{"a"}}), IsOk());
  EXPECT_EQ(GetErrorDetail(CheckToolChoice(named, {{"a"}}))->field, "tool_choice");
  EXPECT_THAT(CheckToolChoice(named, {{"a"}, {"b"}}), IsOk());
}

}  // namespace
}  // namespace ragmesh::stages
