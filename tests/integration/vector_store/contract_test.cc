// The contract of stages::VectorStore, held against every store there is.
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/integration/vector_store/contract_fixture.h"

namespace ragmesh::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

TEST_P(ContractTest, CollectionsAreMadeChangedListedAndDeleted) {
  stages::CollectionConfig config = Config("manuals", 3);
  config.description = "of pumps";
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto made, store->CreateCollection(config, call()));
  EXPECT_EQ(made.config.description, "of pumps");
  EXPECT_EQ(made.stats.documents, 0u);
  EXPECT_THAT(store->CreateCollection(config, call()), HasReason("COLLECTION_EXISTS"));
  Create("another", Can("lexical_search") ? 0 : 3);
  Create("manuals", 3, "other-tenant");

  config.description = "of valves";
  config.bm25_k1 = 0.9;
  RAGMESH_ASSERT_OK(store->UpdateCollection(config, call()));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto read, store->GetCollection(config.id, call()));
  EXPECT_EQ(read.config.description, "of valves");
  EXPECT_EQ(read.config.bm25_k1, 0.9);
  EXPECT_EQ(read.config.dimension, 3u);
  EXPECT_EQ(read.created, made.created);
  config.dimension = 4;
  EXPECT_THAT(store->UpdateCollection(config, call()), HasReason("IMMUTABLE_SETTING"));
  config.dimension = 3;
  config.embedder_digest = "digest-b";
  EXPECT_THAT(store->UpdateCollection(config, call()), HasReason("IMMUTABLE_SETTING"));

  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto listed, store->ListCollections("default", call()));
  ASSERT_THAT(listed, SizeIs(2));
  EXPECT_EQ(listed[0].config.id.name, "another");
  EXPECT_EQ(listed[1].config.id.name, "manuals");
  EXPECT_THAT(store->ListCollections("nobody", call()), IsOkAndHolds(IsEmpty()));

  RAGMESH_ASSERT_OK(Write(config.id, Document("a"), {Chunk("a1", 0, "one")}));
  RAGMESH_ASSERT_OK(store->DeleteCollection(config.id, call()));
  EXPECT_THAT(store->GetCollection(config.id, call()), HasReason("COLLECTION_NOT_FOUND"));
  EXPECT_THAT(store->DeleteCollection(config.id, call()), HasReason("COLLECTION_NOT_FOUND"));
  EXPECT_THAT(store->Search(Dense(config.id, {1, 0, 0}), call()),
              HasReason("COLLECTION_NOT_FOUND"));
  RAGMESH_EXPECT_OK(store->GetCollection({"other-tenant", "manuals"}, call()));
  // One of the same name is a new one.
  Create();
  EXPECT_THAT(Ids(Dense(config.id, {1, 0, 0})), IsEmpty());
  EXPECT_THAT(store->GetDocument(config.id, "a", all, call()), HasReason("DOCUMENT_NOT_FOUND"));
}

TEST_P(ContractTest, BadInputIsRefusedByName) {
  const auto id = Create();
  EXPECT_THAT(store->CreateCollection(Config("Bad Name", 3), call()), HasReason("INVALID_FIELD"));
  EXPECT_THAT(store->ListCollections("no such tenant", call()), HasReason("INVALID_FIELD"));
  EXPECT_THAT(store->Write(id, "digest-b", {Document("a"), {Chunk("a1", 0, "x")}}, call()),
              HasReason("EMBEDDER_MISMATCH"));
  EXPECT_THAT(Write(id, Document("a"), {Chunk("a1", 0, "x", {1, 0})}),
              HasReason("DIMENSION_MISMATCH"));
  stages::StoredChunk bent = Chunk("a1", 0, "x");
  bent.vector[0] = 2;
  EXPECT_THAT(Write(id, Document("a"), {bent}), HasReason("INVALID_VECTOR"));
  bent.vector[0] = std::nanf("");
  EXPECT_THAT(Write(id, Document("a"), {bent}), HasReason("INVALID_VECTOR"));
  EXPECT_THAT(Write(id, Document("a"), {Chunk("a1", 0, "x"), Chunk("a1", 1, "y")}),
              HasReason("INVALID_FIELD"));
  stages::StoredChunk orphan = Chunk("a1", 0, "x");
  orphan.document_id = "nobody";
  EXPECT_THAT(store->Write(id, kDigest, {std::nullopt, {orphan}}, call()),
              HasReason("DOCUMENT_NOT_FOUND"));
  stages::StoredChunk sealed = Chunk("a1", 0, "x");
  sealed.content_sha256 = "of something else";
  EXPECT_THAT(Write(id, Document("a"), {sealed}), HasReason("INVALID_FIELD"));

  RAGMESH_ASSERT_OK(Write(id, Document("a"), {Chunk("a1", 0, "x")}));
  EXPECT_THAT(Write(id, Document("b"), {Chunk("a1", 0, "x")}), HasReason("CHUNK_EXISTS"));
  EXPECT_THAT(store->GetDocument(id, "b", all, call()), HasReason("DOCUMENT_NOT_FOUND"));

  stages::SearchRequest request = Dense(id, {1, 0, 0});
  request.embedder_digest = "digest-b";
  EXPECT_THAT(store->Search(request, call()), HasReason("EMBEDDER_MISMATCH"));
  request = Dense(id, {1, 0});
  EXPECT_THAT(store->Search(request, call()), HasReason("DIMENSION_MISMATCH"));
  request = Dense(id, {1, 0, 0});
  request.top_k = 0;
  EXPECT_THAT(store->Search(request, call()), HasReason("INVALID_FIELD"));
  EXPECT_THAT(store->ListDocuments(id, std::nullopt, all, {.size = 0}, call()),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(store->ListDocuments(id, std::nullopt, all, {.token = "nonsense"}, call()),
              HasReason("INVALID_FIELD"));
  EXPECT_THAT(store->Delete(id, stages::DocumentIds{{""}}, call()), HasReason("INVALID_FIELD"));
}

TEST_P(ContractTest, ADocumentReplacesItselfWithAllItsChunks) {
  const auto id = Create();
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto first, Write(id, Document("a", "first text"),
                              {Chunk("a1", 0, "one", {1, 0, 0}), Chunk("a2", 1, "two", {0, 1, 0}),
                               Chunk("a3", 2, "three", {0, 0, 1})}));
  EXPECT_EQ(first.document_version, 1u);
  EXPECT_EQ(first.chunks_written, 3u);
  EXPECT_EQ(first.chunks_removed, 0u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto second, Write(id, Document("a", "second text"),
                                                        {Chunk("a2", 0, "two again", {1, 1, 0})}));
  EXPECT_EQ(second.document_version, 2u);
  EXPECT_EQ(second.chunks_written, 1u);
  EXPECT_EQ(second.chunks_removed, 3u);
  EXPECT_GT(second.sequence, first.sequence);
  EXPECT_THAT(Ids(Dense(id, {0, 0, 1})), ElementsAre("a2"));
  EXPECT_THAT(ChunkIdsOf(id, "a"), ElementsAre("a2"));
  EXPECT_THAT(store->CountChunks(id, std::nullopt, all, call()), IsOkAndHolds(1u));
  // The same content with other labels keeps its version.
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto third, Write(id, Document("a", "second text", {"board"}),
                                                       {Chunk("a2", 0, "two again", {1, 1, 0})}));
  EXPECT_EQ(third.document_version, 2u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto stored, store->GetDocument(id, "a", all, call()));
  EXPECT_EQ(stored.version, 2u);
  EXPECT_THAT(stored.acl_labels, ElementsAre("board"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto collection, store->GetCollection(id, call()));
  EXPECT_EQ(collection.stats.documents, 1u);
  EXPECT_EQ(collection.stats.chunks, 1u);
  if (Can("text_statistics")) {
    EXPECT_EQ(collection.stats.text_bytes, std::string("second text").size());
  }
  EXPECT_GE(collection.stats.sequence, third.sequence);
}

TEST_P(ContractTest, ChunksAreAddedToADocumentThatIsThere) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("a"), {Chunk("a1", 0, "one", {1, 0, 0})}));
  stages::StoredChunk more = Chunk("a2", 1, "two", {0, 1, 0});
  more.document_id = "a";
  stages::StoredChunk again = Chunk("a1", 0, "one anew", {1, 0, 1});
  again.document_id = "a";
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto added,
                               store->Write(id, kDigest, {std::nullopt, {more, again}}, call()));
  EXPECT_EQ(added.chunks_written, 2u);
  EXPECT_EQ(added.chunks_removed, 1u);
  EXPECT_EQ(added.document_version, 1u);
  EXPECT_THAT(ChunkIdsOf(id, "a"), ElementsAre("a1", "a2"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto chunks,
                               store->GetChunks(id, {"a1"}, all, {.vector = true}, call()));
  ASSERT_THAT(chunks, SizeIs(1));
  EXPECT_EQ(chunks[0].chunk.text, "one anew");
  EXPECT_EQ(chunks[0].document_name, "a.txt");
  EXPECT_EQ(chunks[0].vector, Unit({1, 0, 1}));
}

TEST_P(ContractTest, DeletesByIdDocumentAndFilter) {
  const auto id = Create();
  for (const std::string name : {"a", "b", "c", "d"}) {
    stages::StoredDocument document = Document(name);
    document.metadata["year"] = std::int64_t{name == "c" || name == "d" ? 2020 : 2010};
    RAGMESH_ASSERT_OK(Write(id, document, {Chunk(name + "1", 0, "x"), Chunk(name + "2", 1, "y")}));
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      auto gone, store->Delete(id, stages::ChunkIds{{"a1", "no such chunk"}}, call()));
  EXPECT_EQ(gone.chunks, 1u);
  EXPECT_EQ(gone.documents, 0u);
  EXPECT_THAT(ChunkIdsOf(id, "a"), ElementsAre("a2"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(gone, store->Delete(id, stages::DocumentIds{{"b", "zz"}}, call()));
  EXPECT_EQ(gone.documents, 1u);
  EXPECT_EQ(gone.chunks, 2u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      gone,
      store->Delete(id, stages::Filter{stages::FilterEquals{"year", std::int64_t{2020}}}, call()));
  EXPECT_EQ(gone.documents, 2u);
  EXPECT_EQ(gone.chunks, 4u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(gone, store->Delete(id, stages::DocumentIds{{"b"}}, call()));
  EXPECT_EQ(gone.documents, 0u);
  EXPECT_THAT(Ids(Dense(id, {1, 0, 0})), ElementsAre("a2"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto collection, store->GetCollection(id, call()));
  EXPECT_EQ(collection.stats.documents, 1u);
  EXPECT_EQ(collection.stats.chunks, 1u);
  // Deleted and written anew it starts at 1.
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto anew, Write(id, Document("b"), {Chunk("b1", 0, "x")}));
  EXPECT_EQ(anew.document_version, 1u);
}

TEST_P(ContractTest, WhatIsReadIsWhatWasWritten) {
  const auto id = Create();
  stages::StoredDocument document = Document("d\"o'c\\ ü %_", "Grüße, 世界!", {"staff", "a'b"});
  document.uri = "file:///x?y=1";
  document.info.title = "Ein Titel";
  document.info.language = "de";
  document.info.properties = {{"author", "N. N."}};
  document.info.coverage.warnings = {"page 3"};
  document.metadata = {{"text", std::string("v'al\"ue")},
                       {"whole", std::int64_t{9007199254740993}},
                       {"broken", 0.1},
                       {"truth", true},
                       {"time", absl::FromUnixNanos(1234567890123456789)},
                       {"list", std::vector<std::string>{"x", "y"}},
                       {"none", std::vector<std::string>{}}};
  stages::StoredChunk chunk = Chunk("c'1", 4, "Grüße", {1, 2, 3});
  chunk.chunk.context = "Ein Titel";
  chunk.chunk.heading_path = {"Ein Titel", "世界"};
  chunk.chunk.range = {0, 8};
  chunk.chunk.page_begin = 2;
  chunk.chunk.page_end = 3;
  chunk.tokens.tokenizer = "of-a-tokenizer";
  chunk.tokens.ids = {1, 2, 70000};
  chunk.tokens.encoder = "of-an-encoder";
  chunk.tokens.vectors = std::string("\0\1\xFF", 3);
  RAGMESH_ASSERT_OK(Write(id, document, {chunk}));

  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto read, store->GetDocument(id, document.id, all, call()));
  EXPECT_EQ(read.text, document.text);
  EXPECT_EQ(read.metadata, document.metadata);
  EXPECT_EQ(read.acl_labels, document.acl_labels);
  EXPECT_EQ(read.uri, document.uri);
  EXPECT_EQ(read.info.title, document.info.title);
  EXPECT_EQ(read.info.properties, document.info.properties);
  EXPECT_EQ(read.info.coverage.warnings, document.info.coverage.warnings);
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto chunks,
      store->GetChunks(id, {"c'1"}, all, {.vector = true, .tokens = true}, call()));
  ASSERT_THAT(chunks, SizeIs(1));
  EXPECT_EQ(chunks[0].chunk, chunk.chunk);
  EXPECT_EQ(chunks[0].vector, chunk.vector);
  EXPECT_EQ(chunks[0].tokens, Can("passage_tokens") ? chunk.tokens : stages::PassageTokens());
  EXPECT_EQ(chunks[0].document_id, document.id);
  EXPECT_THAT(chunks[0].content_sha256, SizeIs(64));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto plain, store->GetChunks(id, {"c'1"}, all, {}, call()));
  EXPECT_THAT(plain[0].vector, IsEmpty());
  EXPECT_TRUE(plain[0].tokens.empty());
}

TEST_P(ContractTest, BytesThatDatabasesDislikeAreKept) {
  const auto id = Create();
  const std::string zero("a\0b", 3);
  stages::StoredDocument document = Document(zero, "text");
  document.metadata["f" + zero] = zero;
  document.acl_labels = {zero};
  RAGMESH_ASSERT_OK(Write(id, document, {Chunk(zero, 0, "word " + zero)}));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto read, store->GetDocument(id, zero, {zero}, call()));
  EXPECT_EQ(read.metadata, document.metadata);
  EXPECT_THAT(store->GetDocument(id, "a", {zero}, call()), HasReason("DOCUMENT_NOT_FOUND"));
  EXPECT_THAT(store->GetDocument(id, zero, {"a"}, call()), HasReason("DOCUMENT_NOT_FOUND"));
  // Not UTF-8: nothing can have it, and that is no error.
  EXPECT_THAT(store->GetDocument(id, "\xC3", {"\xFF"}, call()), HasReason("DOCUMENT_NOT_FOUND"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto found,
      store->CountChunks(id, stages::Filter{stages::FilterPrefix{"f" + zero, zero.substr(0, 2)}},
                         {zero}, call()));
  EXPECT_EQ(found, 1u);
}

TEST_P(ContractTest, ListingsGoPageByPage) {
  const auto id = Create();
  for (int i = 0; i < 7; ++i) {
    const std::string name = absl::StrCat("doc-", i);
    stages::StoredDocument document = Document(name, "text", {i == 3 ? "board" : "staff"});
    document.metadata["even"] = i % 2 == 0;
    RAGMESH_ASSERT_OK(
        Write(id, document, {Chunk(name + "-b", 1, "y"), Chunk(name + "-a", 0, "x")}));
  }
  std::vector<std::string> documents, chunks;
  stages::Page page{.size = 2};
  do {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto got,
                                 store->ListDocuments(id, std::nullopt, {"staff"}, page, call()));
    EXPECT_LE(got.documents.size(), 2u);
    for (const auto& document : got.documents) {
      documents.push_back(document.id);
      EXPECT_EQ(document.text, "");
    }
    page.token = got.next_token;
  } while (!page.token.empty());
  EXPECT_THAT(documents, ElementsAre("doc-0", "doc-1", "doc-2", "doc-4", "doc-5", "doc-6"));
  page = {.size = 5};
  do {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto got,
                                 store->ListChunks(id, "", {"staff"}, {}, page, call()));
    for (const auto& chunk : got.chunks) chunks.push_back(chunk.id);
    page.token = got.next_token;
  } while (!page.token.empty());
  EXPECT_THAT(chunks, SizeIs(12));
  EXPECT_EQ(chunks[0], "doc-0-a");
  EXPECT_EQ(chunks[1], "doc-0-b");
  EXPECT_EQ(chunks[11], "doc-6-b");
  EXPECT_THAT(store->ListChunks(id, "doc-3", {"staff"}, {}, {}, call()),
              HasReason("DOCUMENT_NOT_FOUND"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto even, store->ListDocuments(id, stages::Filter{stages::FilterEquals{"even", true}},
                                            {"staff"}, {}, call()));
  EXPECT_THAT(even.documents, SizeIs(4));
}

TEST_P(ContractTest, LabelsDecideWhatIsSeen) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("a", "t", {"staff"}), {Chunk("a1", 0, "x")}));
  RAGMESH_ASSERT_OK(Write(id, Document("b", "t", {"board", "staff"}), {Chunk("b1", 0, "x")}));
  RAGMESH_ASSERT_OK(Write(id, Document("c", "t", {}), {Chunk("c1", 0, "x")}));
  const auto seen_by = [&](std::vector<std::string> labels) {
    stages::SearchRequest request = Dense(id, {1, 0, 0});
    request.principal_labels = labels;
    const auto count = store->CountChunks(id, std::nullopt, labels, call());
    const auto ids = Ids(request);
    EXPECT_THAT(count, IsOkAndHolds(ids.size()));
    const auto chunks = store->GetChunks(id, {"a1", "b1", "c1"}, labels, {}, call());
    EXPECT_TRUE(chunks.ok() && chunks->size() == ids.size()) << chunks.status();
    return ids;
  };
  EXPECT_THAT(seen_by({"staff"}), UnorderedElementsAre("a1", "b1"));
  EXPECT_THAT(seen_by({"board", "nobody"}), ElementsAre("b1"));
  EXPECT_THAT(seen_by({"nobody"}), IsEmpty());
  EXPECT_THAT(seen_by({}), IsEmpty());
  EXPECT_THAT(seen_by(all), UnorderedElementsAre("a1", "b1", "c1"));
  EXPECT_THAT(store->GetDocument(id, "a", {"board"}, call()), HasReason("DOCUMENT_NOT_FOUND"));
}

TEST_P(ContractTest, UnknownFieldsOfFiltersAreNamed) {
  const auto id = Create();
  stages::StoredDocument document = Document("a");
  document.metadata["department"] = std::string("sales");
  RAGMESH_ASSERT_OK(Write(id, document, {Chunk("a1", 0, "x")}));
  stages::SearchRequest request = Dense(id, {1, 0, 0});
  request.filter = stages::Filter{stages::FilterEquals{"departmnt", std::string("sales")}};
  const auto refused = store->Search(request, call());
  EXPECT_THAT(refused, HasReason("UNKNOWN_FILTER_FIELD"));
  EXPECT_EQ(GetErrorDetail(refused.status())->metadata.at("near_fields"), "department");
  EXPECT_THAT(store->CountChunks(id, request.filter, all, call()),
              HasReason("UNKNOWN_FILTER_FIELD"));
  // Who sees no document learns of no field.
  EXPECT_THAT(store->CountChunks(id, request.filter, {"nobody"}, call()), IsOkAndHolds(0u));
  request.filter = stages::Filter{stages::FilterRange{"department"}};
  EXPECT_THAT(store->Search(request, call()), HasReason("FILTER_TYPE_MISMATCH"));
}

TEST_P(ContractTest, WhatAnEngineLacksIsRefusedWithAReason) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("a"), {Chunk("a1", 0, "red valve")}));
  stages::Upsert upsert{Document("b"), {Chunk("b1", 0, "x")}, "key-1"};
  if (!Can("idempotency_keys")) {
    EXPECT_THAT(store->Write(id, kDigest, upsert, call()), HasReason("NO_IDEMPOTENCY_KEYS"));
    EXPECT_THAT(store->DeleteOnce(id, stages::DocumentIds{{"a"}}, "key-2", call()),
                HasReason("NO_IDEMPOTENCY_KEYS"));
    EXPECT_THAT(store->GetDocument(id, "b", all, call()), HasReason("DOCUMENT_NOT_FOUND"));
  } else {
    RAGMESH_EXPECT_OK(store->Write(id, kDigest, upsert, call()));
  }
  stages::SearchRequest request = Dense(id, {1, 0, 0});
  request.mode = stages::SearchMode::kLexical;
  request.query_text = "valve";
  if (!Can("lexical_search")) {
    EXPECT_THAT(store->Search(request, call()), HasReason("NO_LEXICAL_SEARCH"));
    request.mode = stages::SearchMode::kHybrid;
    EXPECT_THAT(store->Search(request, call()), HasReason("NO_LEXICAL_SEARCH"));
    return;
  }
  EXPECT_THAT(Ids(request), ElementsAre("a1"));
  request.query_syntax = stages::QuerySyntax::kOperators;
  request.query_text = "\"red valve\"";
  if (!Can("query_operators")) {
    EXPECT_THAT(store->Search(request, call()), HasReason("NO_QUERY_OPERATORS"));
  } else {
    EXPECT_THAT(Ids(request), ElementsAre("a1"));
  }
}

TEST_P(ContractTest, ACollectionWithoutVectorsIsSearchedByWords) {
  if (!Can("lexical_search")) GTEST_SKIP() << "skipped: the store has no lexical search";
  const auto id = Create("words", 0);
  stages::StoredChunk chunk = Chunk("a1", 0, "the red valve", {});
  RAGMESH_ASSERT_OK(store->Write(id, "", {Document("a"), {chunk}}, call()));
  stages::SearchRequest request;
  request.collection = id;
  request.mode = stages::SearchMode::kLexical;
  request.query_text = "valves";
  request.principal_labels = all;
  EXPECT_THAT(Ids(request), ElementsAre("a1"));
  request.mode = stages::SearchMode::kDense;
  request.query_vector = {1};
  EXPECT_THAT(store->Search(request, call()), HasReason("LEXICAL_ONLY_COLLECTION"));
}

// A document is written again and again with one, three or five chunks that all carry the number of
// the write; readers must never see two writes at once, nor a part of one.
TEST_P(ContractTest, AReaderSeesOneWriteOrAnother) {
  const auto id = Create();
  const auto write = [&](int round) {
    std::vector<stages::StoredChunk> chunks;
    const int count = 1 + 2 * (round % 3);
    for (int i = 0; i < count; ++i)
      chunks.push_back(Chunk(absl::StrCat("c", i), i, absl::StrCat(round, " of ", count)));
    return Write(id, Document("a", absl::StrCat("text ", round)), chunks);
  };
  RAGMESH_ASSERT_OK(write(0));
  std::atomic<bool> stop = false;
  std::atomic<int> reads = 0;
  std::string wrong;
  std::thread reader([&] {
    while (!stop && wrong.empty()) {
      const auto page = store->ListChunks(id, "a", all, {}, {}, call());
      if (!page.ok()) {
        wrong = page.status().ToString();
        break;
      }
      std::set<std::string> texts;
      for (const auto& chunk : page->chunks) texts.insert(chunk.chunk.text);
      if (texts.size() != 1 ||
          !absl::EndsWith(*texts.begin(), absl::StrCat(" of ", page->chunks.size()))) {
        wrong = absl::StrCat(page->chunks.size(), " chunks of ", texts.size(), " writes");
      }
      ++reads;
    }
  });
  for (int round = 1; round <= 30; ++round) RAGMESH_EXPECT_OK(write(round));
  stop = true;
  reader.join();
  EXPECT_EQ(wrong, "");
  EXPECT_GT(reads, 0);
}

TEST_P(ContractTest, WritersOfOneCollectionDoNotLoseEachOther) {
  const auto id = Create();
  std::vector<std::thread> writers;
  std::atomic<int> failed = 0;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < 6; ++i) {
        const std::string name = absl::StrCat("w", w, "-", i);
        if (!Write(id, Document(name), {Chunk(name + "-1", 0, "shared words of all")}).ok())
          ++failed;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(failed, 0);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto collection, store->GetCollection(id, call()));
  EXPECT_EQ(collection.stats.documents, 24u);
  EXPECT_EQ(collection.stats.chunks, 24u);
  EXPECT_THAT(store->CountChunks(id, std::nullopt, all, call()), IsOkAndHolds(24u));
}

TEST_P(ContractTest, WhatWasWrittenIsThereInTheNextProcess) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("a"), {Chunk("a1", 0, "x")}));
  store.reset();
  store = backend->Open();
  EXPECT_THAT(ChunkIdsOf(id, "a"), ElementsAre("a1"));
  EXPECT_THAT(Ids(Dense(id, {1, 0, 0})), ElementsAre("a1"));
}

TEST_P(ContractTest, ACallThatIsOverDoesNothing) {
  const auto id = Create();
  const CallContext over(absl::Now() - absl::Seconds(1));
  EXPECT_THAT(store->Search(Dense(id, {1, 0, 0}), over),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(store->Write(id, kDigest, {Document("a"), {Chunk("a1", 0, "x")}}, over),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  const CallContext cancelled(absl::Now() + absl::Seconds(60));
  cancelled.Cancel();
  EXPECT_THAT(store->GetDocument(id, "a", all, cancelled), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(store->CountChunks(id, std::nullopt, all, call()), IsOkAndHolds(0u));
}

// Chunks of three tenants with the same names and words; whoever asks, and however, gets only what
// is his.
TEST_P(ContractTest, NobodySeesAnothersChunks) {
  const std::vector<std::string> tenants = {"alpha", "beta", "gamma"};
  const std::vector<std::string> labels = {"l0", "l1", "l2", "l3"};
  std::mt19937 random(20261126);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const auto vector = [&] {
    std::vector<float> values(3);
    for (float& value : values) value = static_cast<float>(below(2001)) / 1000 - 1.0001f;
    return values;
  };
  std::map<std::string, std::pair<std::string, std::set<std::string>>> owner;  // by chunk id
  for (const std::string& tenant : tenants) {
    const auto id = Create("shared", 3, tenant);
    for (int d = 0; d < 12; ++d) {
      stages::StoredDocument document = Document(absl::StrCat("doc", d));
      std::set<std::string> of;
      for (const std::string& label : labels) {
        if (below(3) == 0) of.insert(label);
      }
      document.acl_labels.assign(of.begin(), of.end());
      document.metadata["tenant"] = tenant;
      std::vector<stages::StoredChunk> chunks;
      for (int c = 0; c < 3; ++c) {
        // Only the check tells tenants apart by the id; documents have the same ids everywhere.
        const std::string name = absl::StrCat(tenant, "-", d, "-", c);
        owner[name] = {tenant, of};
        chunks.push_back(Chunk(name, c, "valve pump seal", vector()));
      }
      RAGMESH_ASSERT_OK(Write(id, document, chunks));
    }
  }
  const int triples = GetParam() == "milvus" ? 200 : 1000;
  std::size_t hits = 0;
  for (int i = 0; i < triples; ++i) {
    const std::string& tenant = tenants[below(tenants.size())];
    stages::SearchRequest request = Dense({tenant, "shared"}, vector());
    request.principal_labels.clear();
    for (std::size_t n = below(3); n > 0; --n)
      request.principal_labels.push_back(labels[below(labels.size())]);
    request.top_k = 50;
    if (Can("lexical_search") && below(2) == 0) {
      request.mode = below(2) == 0 ? stages::SearchMode::kLexical : stages::SearchMode::kHybrid;
      request.query_text = "pump valve";
    }
    if (below(3) == 0) {
      request.filter = stages::Filter{stages::FilterNot{std::make_shared<stages::Filter>(
          stages::Filter{stages::FilterEquals{"document_id", absl::StrCat("doc", below(12))}})}};
    }
    std::size_t expected = 0;
    const auto allowed = [&](const std::string& chunk) {
      const auto& [of_tenant, of_labels] = owner.at(chunk);
      return of_tenant == tenant &&
             std::any_of(request.principal_labels.begin(), request.principal_labels.end(),
                         [&](const auto& label) { return of_labels.count(label) > 0; });
    };
    for (const auto& [chunk, of] : owner) expected += allowed(chunk) ? 1 : 0;
    const auto found = Ids(request);
    for (const std::string& chunk : found)
      ASSERT_TRUE(allowed(chunk)) << chunk << " for " << tenant;
    if (!request.filter.has_value()) {
      ASSERT_EQ(found.size(), expected);
    }
    hits += found.size();
  }
  EXPECT_GT(hits, 1000u);
}

INSTANTIATE_TEST_SUITE_P(Stores, ContractTest, ::testing::ValuesIn(BackendNames()), NameOf);

}  // namespace
}  // namespace ragmesh::testing
