#include "libs/vector_store/store.h"

#include <limits>

#include "absl/strings/str_cat.h"
#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class StoreTest : public StoreFixture {};

TEST_F(StoreTest, DocumentAndChunksComeBackAsWritten) {
  const auto id = Create();
  auto document = Document("d1", "alpha beta gamma");
  document.uri = "file:///d1";
  document.info.title = "Title";
  document.info.properties = {{"author", "A"}};
  document.info.coverage.warnings = {"page 3"};
  document.metadata = {{"year", std::int64_t{2020}},
                       {"tags", std::vector<std::string>{"x", "y"}},
                       {"at", absl::FromUnixNanos(123456789)},
                       {"ratio", 0.5},
                       {"draft", true}};
  auto chunk = Chunk("c1", 3, "alpha beta", {3, 4});
  chunk.chunk.range = {0, 10};
  chunk.chunk.heading_path = {"One", "Two"};
  chunk.chunk.page_begin = 2;
  chunk.chunk.page_end = 3;
  chunk.chunk.kind = stages::BlockKind::kTableRow;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto result, Write(id, document, {chunk}));
  EXPECT_EQ(result.document_version, 1u);
  EXPECT_EQ(result.chunks_written, 1u);
  Reopen();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto stored, store->GetDocument(id, "d1", {"staff"}, call));
  EXPECT_EQ(stored.text, document.text);
  EXPECT_EQ(stored.uri, document.uri);
  EXPECT_EQ(stored.metadata, document.metadata);
  EXPECT_EQ(stored.acl_labels, document.acl_labels);
  EXPECT_EQ(stored.info.properties, document.info.properties);
  EXPECT_EQ(stored.info.coverage.warnings, document.info.coverage.warnings);
  EXPECT_EQ(stored.updated, clock.Now());
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto chunks, store->GetChunks(id, {"c1", "absent"}, {"staff"}, {.vector = true}, call));
  ASSERT_THAT(chunks, SizeIs(1));
  EXPECT_EQ(chunks[0].chunk, chunk.chunk);
  EXPECT_EQ(chunks[0].vector, chunk.vector);
  EXPECT_EQ(chunks[0].document_name, "d1.txt");
  EXPECT_EQ(chunks[0].content_sha256.size(), 64u);
}

stages::PassageTokens Tokens() {
  return {.tokenizer = "t", .ids = {0, 127, 128, 30'521}, .encoder = "e", .vectors = "\x80\xFF\1"};
}

TEST_F(StoreTest, TokensComeBackWhenAskedForAndGoWithTheirChunk) {
  const auto id = Create();
  auto with = Chunk("a", 0, "alpha", {1, 0}), without = Chunk("b", 1, "alpha beta", {0, 1});
  with.tokens = Tokens();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {with, without}));
  Reopen();
  const auto tokens = [&](stages::ChunkParts parts) {
    std::vector<std::vector<stages::PassageTokens>> read;  // of "a" and "b", by way of three reads
    const auto chunks = store->GetChunks(id, {"a", "b"}, all, parts, call);
    const auto page = store->ListChunks(id, "d", all, parts, {}, call);
    auto search = Lexical(id, "alpha");
    search.parts = parts;
    const auto found = store->Search(search, call);
    EXPECT_TRUE(chunks.ok() && page.ok() && found.ok());
    read.push_back({(*chunks)[0].tokens, (*chunks)[1].tokens});
    read.push_back({page->chunks[0].tokens, page->chunks[1].tokens});
    read.push_back({found->hits[0].chunk.tokens, found->hits[1].chunk.tokens});
    return read;
  };
  for (const auto& read : tokens({.tokens = true}))
    EXPECT_THAT(read, ElementsAre(Tokens(), stages::PassageTokens()));
  for (const auto& read : tokens({.vector = true}))
    EXPECT_THAT(read, ElementsAre(stages::PassageTokens(), stages::PassageTokens()));

  with.chunk.text = "alpha changed";
  with.tokens = {};
  with.document_id = "d";
  RAGMESH_ASSERT_OK(store->Write(id, kDigest, {std::nullopt, {with}}, call));  // takes its place
  for (const auto& read : tokens({.tokens = true}))
    EXPECT_THAT(read, ElementsAre(stages::PassageTokens(), stages::PassageTokens()));
}

// Hits beyond what fits into an answer come without.
TEST_F(StoreTest, TokensOfAnAnswerAreBounded) {
  const auto id = Create();
  std::vector<stages::StoredChunk> chunks;
  for (int i = 0; i < 20; ++i) {
    chunks.push_back(Chunk(absl::StrCat("c", i + 10), static_cast<std::uint32_t>(i), "x", {1, 0}));
    chunks.back().tokens = {.encoder = "e",
                            .vectors = std::string(stages::kMaxPassageVectorBytes, 'v')};
  }
  RAGMESH_ASSERT_OK(Write(id, Document("d"), chunks));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto page,
                               store->ListChunks(id, "d", all, {.tokens = true}, {}, call));
  ASSERT_THAT(page.chunks, SizeIs(20));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(page.chunks[i].tokens.empty(), i >= 15) << i;
  chunks[0].tokens.vectors += "v";
  EXPECT_THAT(Write(id, Document("d"), chunks), HasReason("LIMIT_EXCEEDED"));
  chunks[0].tokens = {.tokenizer = "t",
                      .ids = std::vector<std::uint32_t>(stages::kMaxPassageIds + 1)};
  EXPECT_THAT(Write(id, Document("d"), chunks), HasReason("LIMIT_EXCEEDED"));
}

TEST_F(StoreTest, TokensCountInTheSizeOfAWrite) {
  const auto id = Create();
  std::vector<stages::StoredChunk> chunks;
  for (int i = 0; i < 129; ++i) {  // 129 x 2 MiB are more than 256 MiB
    chunks.push_back(Chunk(absl::StrCat("c", i), static_cast<std::uint32_t>(i), "x", {1, 0}));
    chunks.back().tokens = {.encoder = "e",
                            .vectors = std::string(stages::kMaxPassageVectorBytes, 'v')};
  }
  EXPECT_THAT(Write(id, Document("d"), chunks), HasReason("LIMIT_EXCEEDED"));
}

TEST_F(StoreTest, VersionRisesOnlyWithTheContent) {
  const auto id = Create();
  const auto version = [&](const stages::StoredDocument& document) {
    const auto result = Write(id, document, {Chunk("c", 0, "x", {1, 0})});
    return result.ok() ? result->document_version : 0;
  };
  EXPECT_EQ(version(Document("d", "one")), 1u);
  EXPECT_EQ(version(Document("d", "one", {"other"})), 1u);
  EXPECT_EQ(version(Document("d", "two")), 2u);
  auto same_text = Document("d", "two");
  same_text.info.sha256 = "other bytes";
  EXPECT_EQ(version(same_text), 3u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto stored, store->GetDocument(id, "d", {"staff"}, call));
  EXPECT_EQ(stored.version, 3u);
}

TEST_F(StoreTest, WriteReplacesAllChunksOfItsDocument) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(
      Write(id, Document("d"), {Chunk("a", 0, "old", {1, 0}), Chunk("b", 1, "old", {0, 1})}));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto result,
                               Write(id, Document("d"), {Chunk("b", 0, "new", {1, 1})}));
  EXPECT_EQ(result.chunks_removed, 2u);
  EXPECT_THAT(Ids(store->Search(Lexical(id, "old"), call)), IsEmpty());
  EXPECT_THAT(Ids(store->Search(Lexical(id, "new"), call)), ElementsAre("b"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto stats, store->GetCollection(id, call));
  EXPECT_EQ(stats.stats.chunks, 1u);
  EXPECT_EQ(stats.stats.documents, 1u);
  if (SealRows() > 2) {  // segments keep terms that have gone
    EXPECT_EQ(stats.stats.terms, 1u);
  }
  EXPECT_EQ(stats.stats.sequence, 2u);
}

TEST_F(StoreTest, ChunksAreAddedToAStoredDocument) {
  const auto id = Create();
  auto more = Chunk("b", 1, "more", {0, 1});
  more.document_id = "d";
  EXPECT_THAT(store->Write(id, kDigest, {std::nullopt, {more}}, call),
              HasReason("DOCUMENT_NOT_FOUND"));
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "first", {1, 0})}));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto result,
                               store->Write(id, kDigest, {std::nullopt, {more}}, call));
  EXPECT_EQ(result.document_version, 1u);
  more.chunk.text = "changed";
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto again,
                               store->Write(id, kDigest, {std::nullopt, {more}}, call));
  EXPECT_EQ(again.chunks_removed, 1u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto page, store->ListChunks(id, "d", all, {}, {}, call));
  ASSERT_THAT(page.chunks, SizeIs(2));
  EXPECT_EQ(page.chunks[1].chunk.text, "changed");
}

TEST_F(StoreTest, ChunkOfAnotherDocumentIsNotTaken) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d1"), {Chunk("a", 0, "x", {1, 0})}));
  EXPECT_THAT(Write(id, Document("d2"), {Chunk("a", 0, "y", {1, 0})}), HasReason("CHUNK_EXISTS"));
  EXPECT_THAT(store->GetDocument(id, "d2", all, call), HasReason("DOCUMENT_NOT_FOUND"));
}

TEST_F(StoreTest, RefusesWhatDoesNotFitTheCollection) {
  const auto id = Create();
  const auto write = [&](stages::StoredChunk chunk, const std::string& digest = kDigest) {
    return store->Write(id, digest, {Document("d"), {std::move(chunk)}}, call);
  };
  EXPECT_THAT(write(Chunk("a", 0, "x", {1, 0}), "other"), HasReason("EMBEDDER_MISMATCH"));
  EXPECT_THAT(write(Chunk("a", 0, "x", {1, 0, 0})), HasReason("DIMENSION_MISMATCH"));
  EXPECT_THAT(write(Chunk("a", 0, "x", {})), HasReason("DIMENSION_MISMATCH"));
  for (const std::vector<float>& bad : {std::vector<float>{0, 0},
                                        {2, 0},
                                        {std::nanf(""), 0},
                                        {std::numeric_limits<float>::infinity(), 0}}) {
    auto chunk = Chunk("a", 0, "x", {1, 0});
    chunk.vector = bad;
    EXPECT_THAT(write(chunk), HasReason("INVALID_VECTOR"));
  }
  EXPECT_THAT(write(Chunk("", 0, "x", {1, 0})), HasReason("INVALID_FIELD"));
  EXPECT_THAT(write(Chunk(std::string(513, 'x'), 0, "x", {1, 0})), HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(write(Chunk("a", 0, "\xFF", {1, 0})), HasReason("INVALID_FIELD"));
  auto beyond = Chunk("a", 0, "x", {1, 0});
  beyond.chunk.range = {0, 1000};
  EXPECT_THAT(write(beyond), HasReason("INVALID_FIELD"));
  auto wrong_hash = Chunk("a", 0, "x", {1, 0});
  wrong_hash.content_sha256 = "00";
  EXPECT_THAT(write(wrong_hash), HasReason("INVALID_FIELD"));
  EXPECT_THAT(Write(id, Document("d"), {Chunk("a", 0, "x", {1, 0}), Chunk("a", 1, "x", {1, 0})}),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(Write(id, Document("d", "x", {"*"}), {}), HasReason("INVALID_FIELD"));
  EXPECT_THAT(store->Write(id, kDigest, {}, call), HasReason("INVALID_FIELD"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto collection, store->GetCollection(id, call));
  EXPECT_EQ(collection.stats.sequence, 0u);
}

TEST_F(StoreTest, CollectionNamesAndSettingsAreChecked) {
  const auto create = [&](auto change) {
    stages::CollectionConfig config;
    config.id.name = "ok";
    change(config);
    return store->CreateCollection(config, call);
  };
  EXPECT_THAT(create([](auto& c) { c.id.name = "Upper"; }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(create([](auto& c) { c.id.name = ""; }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(create([](auto& c) { c.id.name = std::string(64, 'a'); }),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(create([](auto& c) { c.id.tenant = "a_b"; }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(create([](auto& c) { c.dimension = 3; }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(create([](auto& c) { c.dimension = 5000, c.embedder_digest = "d"; }),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(create([](auto& c) { c.language = "en-GB"; }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(create([](auto& c) { c.bm25_b = std::nan(""); }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(create([](auto& c) { c.fusion.candidates = 0; }), HasReason("INVALID_FIELD"));
  EXPECT_THAT(create([](auto& c) { c.rerank = {0, 0, 0}; }), HasReason("INVALID_FIELD"));
  RAGMESH_EXPECT_OK(create([](auto&) {}));
  EXPECT_THAT(create([](auto&) {}), HasReason("COLLECTION_EXISTS"));
}

TEST_F(StoreTest, SettingsChangeButTheEmbedderDoesNot) {
  const auto id = Create();
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto collection, store->GetCollection(id, call));
  collection.config.description = "better words";
  collection.config.bm25_k1 = 0.9;
  RAGMESH_ASSERT_OK(store->UpdateCollection(collection.config, call));
  Reopen();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto after, store->GetCollection(id, call));
  EXPECT_EQ(after.config.description, "better words");
  EXPECT_EQ(after.config.bm25_k1, 0.9);
  for (const auto& change : std::vector<std::function<void(stages::CollectionConfig&)>>{
           [](auto& c) { c.embedder_digest = "digest-b"; }, [](auto& c) { c.dimension = 3; },
           [](auto& c) { c.language = "de"; }}) {
    auto config = after.config;
    change(config);
    EXPECT_THAT(store->UpdateCollection(config, call), HasReason("IMMUTABLE_SETTING"));
  }
}

TEST_F(StoreTest, TenantsDoNotSeeEachOther) {
  stages::CollectionConfig config;
  config.id = {"tenant-a", "notes"};
  RAGMESH_ASSERT_OK(store->CreateCollection(config, call));
  const stages::CollectionId other{"tenant-b", "notes"};
  EXPECT_THAT(store->GetCollection(other, call), HasReason("COLLECTION_NOT_FOUND"));
  EXPECT_THAT(store->Search(Lexical(other, "x"), call), HasReason("COLLECTION_NOT_FOUND"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto listed, store->ListCollections("tenant-b", call));
  EXPECT_THAT(listed, IsEmpty());
  config.id.tenant = "tenant-b";
  RAGMESH_EXPECT_OK(store->CreateCollection(config, call));
}

TEST_F(StoreTest, DeletedCollectionIsGoneAndItsNameFree) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {Chunk("a", 0, "secret", {1, 0})}));
  RAGMESH_ASSERT_OK(store->DeleteCollection(id, call));
  EXPECT_THAT(store->GetCollection(id, call), HasReason("COLLECTION_NOT_FOUND"));
  EXPECT_THAT(store->DeleteCollection(id, call), HasReason("COLLECTION_NOT_FOUND"));
  Create();
  Reopen();
  EXPECT_THAT(Ids(store->Search(Lexical(id, "secret"), call)), IsEmpty());
  EXPECT_THAT(store->CountChunks(id, std::nullopt, all, call), testing::IsOkAndHolds(0u));
}

TEST_F(StoreTest, DeletesByChunkDocumentAndFilter) {
  const auto id = Create();
  for (int i = 0; i < 4; ++i) {
    auto document = Document("d" + std::to_string(i));
    document.metadata["n"] = std::int64_t{i};
    const std::string chunk = "c" + std::to_string(i);
    RAGMESH_ASSERT_OK(Write(
        id, document, {Chunk(chunk + "a", 0, "x", {1, 0}), Chunk(chunk + "b", 1, "x", {1, 0})}));
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto result,
                               store->Delete(id, stages::ChunkIds{{"c0a", "absent", "c0a"}}, call));
  EXPECT_EQ(result.chunks, 1u);
  EXPECT_EQ(result.documents, 0u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(result,
                               store->Delete(id, stages::DocumentIds{{"d1", "absent"}}, call));
  EXPECT_EQ(result.chunks, 2u);
  EXPECT_EQ(result.documents, 1u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      result, store->Delete(id,
                            stages::Filter{stages::FilterRange{
                                .field = "n", .greater_or_equal = std::int64_t{3}}},
                            call));
  EXPECT_EQ(result.documents, 1u);
  const auto sequence = result.sequence;
  RAGMESH_ASSERT_OK_AND_ASSIGN(result, store->Delete(id, stages::DocumentIds{{"d1"}}, call));
  EXPECT_EQ(result.documents, 0u);
  EXPECT_EQ(result.sequence, sequence);
  Reopen();
  EXPECT_THAT(Ids(store->Search(Lexical(id, "x"), call)), ElementsAre("c0b", "c2a", "c2b"));
  EXPECT_THAT(store->GetDocument(id, "d1", all, call), HasReason("DOCUMENT_NOT_FOUND"));
}

TEST_F(StoreTest, PagesCoverEverythingOnce) {
  const auto id = Create();
  for (int i = 0; i < 7; ++i) {
    std::vector<stages::StoredChunk> chunks;
    for (int c = 0; c < i; ++c) {
      chunks.push_back(Chunk("c" + std::to_string(i) + std::to_string(c),
                             static_cast<std::uint32_t>(i - c), "x", {1, 0}));
    }
    RAGMESH_ASSERT_OK(Write(id, Document("d" + std::to_string(i)), chunks));
  }
  for (const std::uint32_t size : {1u, 2u, 3u, 100u}) {
    std::vector<std::string> documents, chunks;
    stages::Page page{size, ""};
    do {
      RAGMESH_ASSERT_OK_AND_ASSIGN(const auto got,
                                   store->ListDocuments(id, std::nullopt, all, page, call));
      for (const auto& document : got.documents) documents.push_back(document.id);
      page.token = got.next_token;
    } while (!page.token.empty());
    do {
      RAGMESH_ASSERT_OK_AND_ASSIGN(const auto got, store->ListChunks(id, "", all, {}, page, call));
      for (const auto& chunk : got.chunks) chunks.push_back(chunk.id);
      page.token = got.next_token;
    } while (!page.token.empty());
    EXPECT_THAT(documents, ElementsAre("d0", "d1", "d2", "d3", "d4", "d5", "d6")) << size;
    EXPECT_THAT(chunks, SizeIs(21)) << size;
    EXPECT_EQ(chunks[0], "c10");
    EXPECT_EQ(chunks[1], "c21");  // of the same document the lower ordinal first
    EXPECT_EQ(chunks[2], "c20");
  }
}

TEST_F(StoreTest, ForeignPageTokensAreRefused) {
  const auto id = Create();
  for (const char* name : {"d1", "d2", "d3"}) RAGMESH_ASSERT_OK(Write(id, Document(name), {}));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto page,
                               store->ListDocuments(id, std::nullopt, all, {1, ""}, call));
  const auto list = [&](const std::string& token) {
    return store->ListDocuments(id, std::nullopt, all, {1, token}, call);
  };
  EXPECT_THAT(list("x"), HasReason("INVALID_FIELD"));
  EXPECT_THAT(list(std::string(100'000, 'A')), HasReason("INVALID_FIELD"));
  std::string changed = page.next_token;
  changed[5] = changed[5] == 'A' ? 'B' : 'A';
  EXPECT_THAT(list(changed), HasReason("INVALID_FIELD"));
  EXPECT_THAT(store->ListChunks(id, "", all, {}, {1, page.next_token}, call),
              HasReason("INVALID_FIELD"));
  const auto other = Create("other");
  EXPECT_THAT(store->ListDocuments(other, std::nullopt, all, {1, page.next_token}, call),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(store->ListDocuments(id, std::nullopt, all, {0, ""}, call),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(store->ListDocuments(id, std::nullopt, all, {1001, ""}, call),
              HasReason("INVALID_FIELD"));
}

TEST_F(StoreTest, LexicalOnlyCollectionTakesNoVectors) {
  const auto id = Create("words", 0);
  EXPECT_THAT(store->Write(id, "", {Document("d"), {Chunk("a", 0, "x", {1, 0})}}, call),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(store->Write(id, kDigest, {Document("d"), {}}, call), HasReason("EMBEDDER_MISMATCH"));
  RAGMESH_ASSERT_OK(store->Write(id, "", {Document("d"), {Chunk("a", 0, "word", {})}}, call));
  EXPECT_THAT(Ids(store->Search(Lexical(id, "words"), call)), ElementsAre("a"));
  EXPECT_THAT(store->Search(Dense(id, {1, 0}), call), HasReason("LEXICAL_ONLY_COLLECTION"));
}

TEST_F(StoreTest, CancelledCallsChangeNothing) {
  const auto id = Create();
  const CallContext cancelled(absl::InfiniteFuture());
  cancelled.Cancel();
  EXPECT_THAT(store->Write(id, kDigest, {Document("d"), {}}, cancelled),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(store->Search(Lexical(id, "x"), cancelled), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(store->GetDocument(id, "d", all, call), HasReason("DOCUMENT_NOT_FOUND"));
}

TEST_F(StoreTest, InfoNamesLimitsAndStorage) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto info, store->Info(call));
  EXPECT_EQ(info.stage, "vector-store");
  EXPECT_TRUE(info.ready);
  EXPECT_EQ(info.limits.at("max_top_k"), 10'000);
  EXPECT_EQ(info.features.count("read_only"), 0u);
}

}  // namespace
}  // namespace ragmesh::vector_store
