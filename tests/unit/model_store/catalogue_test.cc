#include "libs/model_store/catalogue.h"

#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_replace.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::model_store {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::StatusIs;
using ::testing::HasSubstr;

constexpr char kOneModel[] = R"({"format": 1, "models": [{
  "name": "m", "role": "embedder", "licence": "MIT", "checked": "pulled",
  "facts": {"architecture": "bert", "pooling": "cls", "max_tokens": 512},
  "files": [
    {"name": "lib.so", "platform": "x86_64", "size_bytes": 5, "sha256": "DIGEST",
     "sources": [{"type": "package", "package": "p==1", "path": "p/lib.so"}]},
    {"name": "lib.so", "platform": "aarch64", "size_bytes": 6, "sha256": "DIGEST",
     "sources": [{"type": "hub", "repo": "o/n", "revision": "abc", "path": "f"}]}
  ]}]})";

std::string OneModel() {
  return absl::StrReplaceAll(kOneModel, {{"DIGEST", std::string(64, 'a')}});
}

TEST(CatalogueTest, BuiltInHoldsOneDefaultEmbedderAndGenerator) {
  std::set<Role> defaults;
  for (const Model& model : Catalogue::BuiltIn().models()) {
    if (!model.is_default) continue;
    EXPECT_TRUE(defaults.insert(model.role).second) << model.name;
  }
  EXPECT_EQ(defaults, (std::set<Role>{Role::kEmbedder, Role::kGenerator, Role::kRuntime}));
}

TEST(CatalogueTest, DefaultsWereHashedByTheProjectAndComeFromPackagesToo) {
  for (const Model& model : Catalogue::BuiltIn().models()) {
    if (!model.is_default) continue;
    EXPECT_TRUE(model.digest_pulled) << model.name;
    for (const File& file : model.files) {
      EXPECT_EQ(file.sources.back().kind, Source::Kind::kPackage) << model.name;
    }
  }
}

TEST(CatalogueTest, EncodersStateWhatTheirWeightsDoNot) {
  for (const Model& model : Catalogue::BuiltIn().models()) {
    if (model.role != Role::kEmbedder && model.role != Role::kReranker) continue;
    EXPECT_GT(model.facts.max_tokens, 0u) << model.name;
    EXPECT_GT(model.facts.dimension, 0u) << model.name;
    EXPECT_EQ(model.facts.head_logits, model.role == Role::kReranker ? 1u : 0u) << model.name;
  }
}

TEST(CatalogueTest, KeepsFilesOfThePlatformOnly) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const Catalogue catalogue, Catalogue::Parse(OneModel(), "aarch64"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const Model* model, catalogue.Find("m"));
  ASSERT_EQ(model->files.size(), 1u);
  EXPECT_EQ(model->files[0].size_bytes, 6);
  EXPECT_EQ(model->facts.pooling, Pooling::kCls);
}

TEST(CatalogueTest, UnknownNameListsTheKnownOnes) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const Catalogue catalogue, Catalogue::Parse(OneModel(), "x86_64"));
  const absl::Status status = catalogue.Find("nope").status();
  EXPECT_THAT(status, HasReason("MODEL_NOT_FOUND"));
  EXPECT_THAT(GetErrorDetail(status)->next_step, HasSubstr("m"));
}

struct Damage {
  const char* from;
  const char* to;
  const char* says;
};

class DamagedCatalogueTest : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedCatalogueTest, IsRefusedWithTheEntryAtFault) {
  const Damage& damage = GetParam();
  const std::string text = absl::StrReplaceAll(OneModel(), {{damage.from, damage.to}});
  EXPECT_THAT(Catalogue::Parse(text, "x86_64"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(damage.says)));
}

INSTANTIATE_TEST_SUITE_P(
    All, DamagedCatalogueTest,
    ::testing::Values(Damage{"{\"format\"", "{{", "not a JSON object"},
                      Damage{": 1,", ": 2,", "format must be 1"}, Damage{"aaaa", "aaaA", "SHA-256"},
                      Damage{"\"size_bytes\": 5", "\"size_bytes\": -5", "size_bytes"},
                      Damage{"p==1", "--index-url==x", "incomplete source"},
                      Damage{"p==1", "p", "incomplete source"},
                      Damage{"\"embedder\"", "\"oracle\"", "role"},
                      Damage{"\"cls\"", "\"max\"", "pooling"}, Damage{"\"MIT\"", "\"\"", "licence"},
                      Damage{"\"package\",", "\"ftp\",", "ftp"}));

}  // namespace
}  // namespace ragmesh::model_store
