#include "libs/bridge/transcode.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/error.h"
#include "libs/bridge/openapi.h"
#include "libs/bridge/static_files.h"
#include "nlohmann/json.hpp"
#include "ragmesh_test/library.pb.h"

namespace ragmesh::bridge {
namespace {

using ragmesh_test::GetBookRequest;
using ragmesh_test::UpdateBookRequest;

const RouteTable& Routes() {
  static const auto* const kRoutes = new RouteTable(*RouteTable::Create(
      {GetBookRequest::descriptor()->file()->FindServiceByName("LibraryService")}));
  return *kRoutes;
}

absl::StatusOr<std::unique_ptr<google::protobuf::Message>> Build(absl::string_view method,
                                                                 absl::string_view path,
                                                                 absl::string_view query,
                                                                 absl::string_view body) {
  const RouteTable::Match match = Routes().Find(method, path);
  EXPECT_NE(match.route, nullptr) << path;
  return BuildRequest(*match.route, match.bindings, query, body);
}

std::string FieldAtFault(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  return detail.has_value() ? detail->field : "no detail";
}

TEST(RouteTableTest, FindsRoutesByMethodAndPath) {
  EXPECT_EQ(Routes().Find("GET", "/v1/shelves/1/books/2").route->rpc->name(), "GetBook");
  EXPECT_EQ(Routes().Find("HEAD", "/v2/books/2").route->rpc->name(), "GetBook");
  EXPECT_EQ(Routes().Find("GET", "/v1/books/2:read").route->rpc->name(), "ReadAloud");
  EXPECT_EQ(Routes().Find("GET", "/nowhere").route, nullptr);
  const RouteTable::Match wrong = Routes().Find("DELETE", "/v1/books/2");
  EXPECT_EQ(wrong.route, nullptr);
  EXPECT_THAT(wrong.other_methods, testing::ElementsAre("PATCH"));
}

TEST(BuildRequestTest, TakesFieldsFromPathAndQuery) {
  const auto built = Build(
      "GET", "/v1/shelves/1/books/2",
      "filter.tags=a&filter.tags=b%26c&filter.age=1.5s&colour=COLOUR_RED&loud=false&weight=2.5",
      "");
  ASSERT_TRUE(built.ok()) << built.status();
  const auto& request = static_cast<const GetBookRequest&>(**built);
  EXPECT_EQ(request.name(), "shelves/1/books/2");
  EXPECT_THAT(request.filter().tags(), testing::ElementsAre("a", "b&c"));
  EXPECT_EQ(request.filter().age().nanos(), 500000000);
  EXPECT_EQ(request.colour(), ragmesh_test::COLOUR_RED);
  EXPECT_TRUE(request.has_loud());
  EXPECT_EQ(request.weight(), 2.5);
}

TEST(BuildRequestTest, TakesOneFieldFromTheBodyAndTheRestFromTheQuery) {
  const auto built =
      Build("PATCH", "/v1/books/7", "dryRun=true",
            R"({"name":"n","id":"9","cover":"AQI=","printed":"2026-11-23T08:00:00Z"})");
  ASSERT_TRUE(built.ok()) << built.status();
  const auto& request = static_cast<const UpdateBookRequest&>(**built);
  EXPECT_EQ(request.book().id(), 7);  // the path wins
  EXPECT_EQ(request.book().cover(), std::string("\1\2"));
  EXPECT_TRUE(request.dry_run());
}

TEST(BuildRequestTest, NamesTheFieldAtFault) {
  EXPECT_EQ(FieldAtFault(Build("GET", "/v2/books/a", "nothing=1", "").status()), "nothing");
  EXPECT_EQ(FieldAtFault(Build("GET", "/v2/books/a", "weight=heavy", "").status()), "weight");
  EXPECT_EQ(FieldAtFault(Build("GET", "/v2/books/a", "colour=COLOUR_X", "").status()), "colour");
  EXPECT_EQ(FieldAtFault(Build("GET", "/v2/books/a", "filter.age=soon", "").status()),
            "filter.age");
  EXPECT_EQ(FieldAtFault(Build("PATCH", "/v1/books/seven", "", "{}").status()), "book.id");
  EXPECT_EQ(FieldAtFault(Build("POST", "/v1/books:find", "title=x", "{}").status()), "title");
  EXPECT_EQ(FieldAtFault(Build("POST", "/v1/books:find", "", R"({"titel":"x"})").status()),
            "titel");
  EXPECT_EQ(FieldAtFault(Build("GET", "/v2/books/a", "", "{}").status()), "body");
  EXPECT_EQ(FieldAtFault(Build("POST", "/v1/books:find", "", R"({"bigNumber":-1})").status()),
            "big_number");
}

TEST(BuildRequestTest, KeepsABodyInsideItsField) {
  EXPECT_FALSE(Build("PATCH", "/v1/books/7", "", R"({},"dryRun":true)").ok());
}

TEST(ToJsonTest, PrintsProto3Json) {
  ragmesh_test::Book book;
  book.set_name("n");
  book.set_id(1LL << 60);
  EXPECT_EQ(*ToJson(book), R"({"name":"n","id":"1152921504606846976","cover":""})");
}

TEST(MakeOpenApiTest, DescribesEveryRouteWithItsComments) {
  const auto* gateway = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
      "ragmesh.gateway.v1.GatewayService");
  ASSERT_NE(gateway, nullptr);
  const auto routes = RouteTable::Create({gateway});
  ASSERT_TRUE(routes.ok()) << routes.status();
  const auto text = MakeOpenApi(*routes, ApiDescriptorSet(), {"t", "1"});
  ASSERT_TRUE(text.ok()) << text.status();
  const auto document = nlohmann::json::parse(*text);
  EXPECT_EQ(document["openapi"], "3.1.0");
  const auto& ask = document["paths"]["/v1/collections/{collection}:ask"]["post"];
  EXPECT_EQ(ask["operationId"], "Ask");
  EXPECT_THAT(ask["description"].get<std::string>(), testing::HasSubstr("Answers a question"));
  EXPECT_TRUE(ask["responses"]["200"]["content"].contains("text/event-stream"));
  for (const auto& [name, schema] : document["components"]["schemas"].items()) {
    if (name.rfind("gateway.", 0) == 0) {
      EXPECT_TRUE(schema.contains("description")) << name;
    }
  }
}

}  // namespace
}  // namespace ragmesh::bridge
