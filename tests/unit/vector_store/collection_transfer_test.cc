#include "libs/vector_store/collection_transfer.h"

#include <functional>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/vector_store/binary_codec.h"
#include "libs/vector_store/record_keys.h"
#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;

class CollectionTransferTest : public StoreFixture {
 protected:
  CollectionTransferTest() {
    id = Create();
    auto document = Document("d", "pump and valve");
    document.metadata["year"] = std::int64_t{1999};
    document.expires = clock.Now() + absl::Hours(5);
    document.info.title = "Pumps";
    auto chunk = Chunk("a", 0, "pump", {1, 0});
    chunk.tokens = {.tokenizer = "t", .ids = {1, 2}};
    EXPECT_TRUE(Write(id, document, {chunk, Chunk("b", 1, "valve", {0, 1})}).ok());
    EXPECT_TRUE(Write(id, document, {chunk, Chunk("b", 1, "valve", {1, 1})}).ok());
    EXPECT_TRUE(Write(id, Document("e", "seal"), {Chunk("c", 0, "seal", {1, 2})}).ok());
    auto more = Chunk("f", 2, "pump again", {1, 3});
    more.document_id = "d";
    EXPECT_TRUE(store->Write(id, kDigest, {std::nullopt, {more}}, call).ok());
    EXPECT_TRUE(store->Delete(id, stages::ChunkIds{{"b"}}, call).ok());
  }

  std::string Export(const stages::CollectionId& from) {
    std::string bytes;
    std::uint64_t done = 0;
    EXPECT_TRUE(store
                    ->ExportCollection(
                        from,
                        [&](const stages::ArchivePiece& piece) {
                          EXPECT_GE(piece.done, done);
                          EXPECT_LE(piece.done, piece.total);
                          done = piece.done;
                          absl::StrAppend(&bytes, piece.bytes);
                          return absl::OkStatus();
                        },
                        call)
                    .ok());
    const std::string manifest = bytes.substr(bytes.rfind("{\"chunks\""));
    return bytes + backup::SignatureFrame(manifest, nullptr);
  }
  static stages::ArchiveSource In(std::string bytes) {
    return
        [bytes = std::move(bytes), at = std::size_t{0}]() mutable -> absl::StatusOr<std::string> {
          std::string next = bytes.substr(std::min(at, bytes.size()), 1000);
          at += next.size();
          return next;
        };
  }
  absl::StatusOr<stages::Collection> Import(const std::string& bytes,
                                            const std::string& name = "copy") {
    return store->ImportCollection({"default", name}, "", In(bytes), call);
  }
  // Of the records of `bytes` the ones that `change` has changed, under a manifest that fits.
  std::string Forged(const std::string& bytes,
                     const std::function<std::string(backup::FrameKind, std::string)>& change) {
    backup::ArchiveReader reader(In(bytes), backup::Signed::kUnchecked, nullptr);
    std::string out;
    backup::ArchiveWriter writer([&](absl::string_view piece) {
      absl::StrAppend(&out, piece);
      return absl::OkStatus();
    });
    std::uint64_t documents = 0, chunks = 0;
    while (true) {
      auto frame = reader.Next();
      EXPECT_TRUE(frame.ok()) << frame.status();
      if (frame->end) break;
      if (frame->kind == backup::FrameKind::kManifest ||
          frame->kind == backup::FrameKind::kSignature)
        continue;
      documents += frame->kind == backup::FrameKind::kDocument ? 1 : 0;
      chunks += frame->kind == backup::FrameKind::kChunk ? 1 : 0;
      EXPECT_TRUE(writer.Add(frame->kind, change(frame->kind, frame->payload)).ok());
    }
    backup::ArchiveManifest manifest = reader.manifest();
    manifest.documents = documents;
    manifest.chunks = chunks;
    EXPECT_TRUE(writer.Finish(manifest).ok());
    return out + backup::SignatureFrame("", nullptr);
  }
  // Nothing of an import that failed is left, neither seen nor on disk.
  void ExpectNothingLeft() {
    EXPECT_THAT(store->GetCollection({"default", "copy"}, call), HasReason("COLLECTION_NOT_FOUND"));
    store.reset();
    {
      RAGMESH_ASSERT_OK_AND_ASSIGN(const auto database,
                                   Database::Open((dir.path() / "store").string(), {}));
      for (const Family family :
           {Family::kCollections, Family::kStates, Family::kDocuments, Family::kTexts,
            Family::kChunks, Family::kIndex, Family::kVectors, Family::kTokens}) {
        for (const auto at = database->Walk(family, ""); at->Valid(); at->Next())
          EXPECT_EQ(at->key().substr(0, 4), CollectionKey(1)) << FamilyName(family);
      }
      EXPECT_FALSE(database->Walk(Family::kMeta, kDroppedPrefix)->Valid());
      EXPECT_FALSE(database->Walk(Family::kMeta, ExpiryPrefix(2))->Valid());
    }
    Reopen();
  }

  stages::CollectionId id;
};

TEST_F(CollectionTransferTest, AnImportEqualsWhatWasExported) {
  const std::string bytes = Export(id);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto made, Import(bytes));
  const stages::CollectionId copy{"default", "copy"};
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto original, store->GetCollection(id, call));
  EXPECT_EQ(made.config.id, copy);
  EXPECT_EQ(made.created, original.created);
  EXPECT_EQ(made.stats.sequence, original.stats.sequence);
  EXPECT_EQ(made.stats.documents, 2u);
  EXPECT_EQ(made.stats.chunks, 3u);
  for (int again = 0; again < 2; ++again, Reopen()) {
    for (const char* name : {"d", "e"}) {
      RAGMESH_ASSERT_OK_AND_ASSIGN(const auto a, store->GetDocument(id, name, all, call));
      RAGMESH_ASSERT_OK_AND_ASSIGN(const auto b, store->GetDocument(copy, name, all, call));
      EXPECT_EQ(a.version, b.version);
      EXPECT_EQ(a.text, b.text);
      EXPECT_EQ(a.updated, b.updated);
      EXPECT_EQ(a.expires, b.expires);
      EXPECT_EQ(a.metadata, b.metadata);
      EXPECT_EQ(a.acl_labels, b.acl_labels);
    }
    const stages::ChunkParts parts{.vector = true, .tokens = true};
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto a,
                                 store->GetChunks(id, {"a", "b", "c", "f"}, all, parts, call));
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto b,
                                 store->GetChunks(copy, {"a", "b", "c", "f"}, all, parts, call));
    ASSERT_EQ(a.size(), 3u);
    ASSERT_EQ(b.size(), 3u);
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(a[i].id, b[i].id);
      EXPECT_EQ(a[i].chunk, b[i].chunk);
      EXPECT_EQ(a[i].vector, b[i].vector);
      EXPECT_EQ(a[i].tokens, b[i].tokens);
      EXPECT_EQ(a[i].content_sha256, b[i].content_sha256);
      EXPECT_EQ(a[i].document_version, b[i].document_version);
    }
    EXPECT_EQ(Ids(store->Search(Lexical(id, "pump"), call)),
              Ids(store->Search(Lexical(copy, "pump"), call)));
    EXPECT_EQ(Ids(store->Search(Dense(id, {1, 1}), call)),
              Ids(store->Search(Dense(copy, {1, 1}), call)));
  }
  // Exported again it is the same but for its name, which is in the manifest.
  EXPECT_EQ(Export(id).substr(0, 200), bytes.substr(0, 200));
  // And it takes writes, under numbers of its own.
  RAGMESH_EXPECT_OK(Write(copy, Document("g"), {Chunk("z", 0, "new", {1, 0})}));
}

TEST_F(CollectionTransferTest, WhatExpiresInTheOriginalExpiresInTheCopy) {
  RAGMESH_ASSERT_OK(Import(Export(id)));
  clock.Advance(absl::Hours(6));
  RAGMESH_ASSERT_OK(store->SweepExpired(call));
  EXPECT_THAT(store->GetDocument({"default", "copy"}, "d", all, call),
              HasReason("DOCUMENT_NOT_FOUND"));
  RAGMESH_EXPECT_OK(store->GetDocument({"default", "copy"}, "e", all, call));
}

TEST_F(CollectionTransferTest, AnExportIsOneMomentWhileWritesGoOn) {
  std::string bytes;
  int pieces = 0;
  RAGMESH_ASSERT_OK(store->ExportCollection(
      id,
      [&](const stages::ArchivePiece& piece) {
        // In the middle of it the collection changes, and in the end goes.
        if (++pieces == 3) {
          EXPECT_TRUE(Write(id, Document("new"), {Chunk("n", 0, "new", {1, 0})}).ok());
        }
        if (pieces == 6) {
          EXPECT_TRUE(store->DeleteCollection(id, call).ok());
        }
        absl::StrAppend(&bytes, piece.bytes);
        return absl::OkStatus();
      },
      call));
  bytes += backup::SignatureFrame("", nullptr);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto made, Import(bytes));
  EXPECT_EQ(made.stats.documents, 2u);
  EXPECT_THAT(store->GetDocument({"default", "copy"}, "new", all, call),
              HasReason("DOCUMENT_NOT_FOUND"));
}

TEST_F(CollectionTransferTest, ACollectionWithoutVectorsGoesToo) {
  const auto words = Create("words", 0);
  RAGMESH_ASSERT_OK(store->Write(words, "", {Document("d"), {Chunk("a", 0, "pump", {})}}, call));
  RAGMESH_ASSERT_OK(Import(Export(words)));
  EXPECT_THAT(Ids(store->Search(Lexical({"default", "copy"}, "pump"), call)), ElementsAre("a"));
  RAGMESH_ASSERT_OK(Import(Export(Create("empty")), "empty-copy"));
}

TEST_F(CollectionTransferTest, ANameThatIsTakenIsRefused) {
  EXPECT_THAT(Import(Export(id), "manuals"), HasReason("COLLECTION_EXISTS"));
  EXPECT_THAT(Import(Export(id), "No Name"), HasReason("INVALID_FIELD"));
  EXPECT_THAT(store->ExportCollection(
                  {"default", "absent"},
                  [](const stages::ArchivePiece&) { return absl::OkStatus(); }, call),
              HasReason("COLLECTION_NOT_FOUND"));
}

TEST_F(CollectionTransferTest, AnotherManifestThanTheOneCheckedIsRefused) {
  EXPECT_THAT(
      store->ImportCollection({"default", "copy"}, Sha256Hex("another"), In(Export(id)), call),
      HasReason("CORRUPT_DATA"));
  ExpectNothingLeft();
}

TEST_F(CollectionTransferTest, ACutOrFlippedArchiveLeavesNothing) {
  const std::string bytes = Export(id);
  const std::size_t begin = bytes.rfind("{\"chunks\"");
  const std::string sha256 = Sha256Hex(bytes.substr(begin, bytes.size() - 6 - begin));
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{20}, bytes.size() / 2, bytes.size() - 1})
    EXPECT_THAT(Import(bytes.substr(0, size)), HasReason("CORRUPT_DATA")) << size;
  for (std::size_t i = 12; i < bytes.size(); i += 29) {
    std::string other = bytes;
    other[i] = static_cast<char>(other[i] ^ 4);
    const auto made = store->ImportCollection({"default", "copy"}, sha256, In(other), call);
    ASSERT_FALSE(made.ok()) << i;
    EXPECT_TRUE(GetErrorDetail(made.status()).has_value()) << made.status();
  }
  ExpectNothingLeft();
}

TEST_F(CollectionTransferTest, ASourceThatBreaksLeavesNothing) {
  std::string bytes = Export(id);
  const auto made = store->ImportCollection(
      {"default", "copy"}, "",
      [&, at = 0]() mutable -> absl::StatusOr<std::string> {
        if (at > 600) return absl::CancelledError("the caller went");
        at += 300;
        return bytes.substr(static_cast<std::size_t>(at) - 300, 300);
      },
      call);
  EXPECT_EQ(made.status().code(), absl::StatusCode::kCancelled);
  ExpectNothingLeft();
}

// Records that check out each, of a collection that no store would hold.
TEST_F(CollectionTransferTest, RecordsThatContradictEachOtherAreNamed) {
  const std::string bytes = Export(id);
  const auto refused =
      [&](backup::FrameKind kind, std::uint64_t at,
          const std::function<void(std::uint64_t*, std::string*, std::string*, std::string*)>&
              change) {
        std::uint64_t seen = 0;
        const auto made = Import(Forged(bytes, [&](backup::FrameKind frame, std::string payload) {
          if (frame != kind || seen++ != at) return payload;
          BinaryReader in(payload);
          std::uint64_t number = in.U64();
          std::string first = in.String(), second = in.String(),
                      third = kind == backup::FrameKind::kChunk ? in.String() : "";
          change(&number, &first, &second, &third);
          BinaryWriter out;
          out.U64(number);
          out.Bytes(first);
          out.Bytes(second);
          if (kind == backup::FrameKind::kChunk) out.Bytes(third);
          return out.Take();
        }));
        EXPECT_FALSE(made.ok());
        return std::string(made.status().message());
      };
  using ::testing::HasSubstr;
  constexpr auto kDocument = backup::FrameKind::kDocument, kChunk = backup::FrameKind::kChunk;
  EXPECT_THAT(refused(kDocument, 1, [](auto* number, auto*, auto*, auto*) { *number = 1; }),
              HasSubstr("documents[1].number"));
  EXPECT_THAT(refused(kDocument, 1, [](auto* number, auto*, auto*, auto*) { *number = ~0ull; }),
              HasSubstr("documents[1].number"));
  EXPECT_THAT(refused(kDocument, 0,
                      [](auto*, auto*, auto* text, auto*) { *text = EncodeText("pump or valve"); }),
              HasSubstr("documents[0].text"));
  EXPECT_THAT(refused(kDocument, 1,
                      [](auto*, auto* record, auto*, auto*) {
                        auto document = *DecodeDocument(*record);
                        document.document.id = "d";
                        *record = Encode(document);
                      }),
              HasSubstr("documents[1].id is given twice"));
  EXPECT_THAT(refused(kDocument, 0,
                      [](auto*, auto* record, auto*, auto*) {
                        auto document = *DecodeDocument(*record);
                        document.document.acl_labels = {"*"};
                        *record = Encode(document);
                      }),
              HasSubstr("acl_labels"));
  const auto chunk_with = [&](const std::function<void(ChunkRecord*)>& change) {
    return refused(kChunk, 1, [&](auto*, auto* record, auto*, auto*) {
      auto chunk = *DecodeChunk(*record);
      change(&chunk);
      *record = Encode(chunk);
    });
  };
  EXPECT_THAT(chunk_with([](auto* chunk) { chunk->document_number = 77; }),
              HasSubstr("chunks[1].document_number"));
  EXPECT_THAT(chunk_with([](auto* chunk) { chunk->chunk.document_id = "d"; }),
              HasSubstr("chunks[1].document_id"));
  EXPECT_THAT(chunk_with([](auto* chunk) { chunk->chunk.document_version = 9; }),
              HasSubstr("chunks[1].document_id"));
  EXPECT_THAT(chunk_with([](auto* chunk) { chunk->chunk.id = "a"; }),
              HasSubstr("chunks[1].id is given twice"));
  EXPECT_THAT(chunk_with([](auto* chunk) { chunk->chunk.chunk.text = "forged"; }),
              HasSubstr("chunks[1].content_sha256"));
  EXPECT_THAT(chunk_with([](auto* chunk) { chunk->chunk.chunk.range.end = 1 << 20; }),
              HasSubstr("chunks[1].range"));
  EXPECT_THAT(refused(kChunk, 0, [](auto*, auto*, auto* vector, auto*) { vector->clear(); }),
              HasSubstr("vector"));
  EXPECT_THAT(refused(kChunk, 0,
                      [](auto*, auto*, auto* vector, auto*) {
                        *vector = EncodeVector(std::vector<float>{1, 1});
                      }),
              HasSubstr("unit length"));
  EXPECT_THAT(refused(kChunk, 0, [](auto*, auto*, auto*, auto* tokens) { *tokens = "junk"; }),
              HasSubstr("chunks[0].tokens"));
  EXPECT_THAT(refused(kChunk, 2, [](auto* number, auto*, auto*, auto*) { *number = 0; }),
              HasSubstr("chunks[2].number"));
  ExpectNothingLeft();
}

TEST_F(CollectionTransferTest, ACollectionBeyondTheMemoryLimitIsRefused) {
  const std::string bytes = Export(id);
  store.reset();
  StoreOptions options;
  options.path = (dir.path() / "small").string();
  options.max_collection_memory_bytes = 2000;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto small, Store::Open(options));
  EXPECT_THAT(small->ImportCollection({"default", "copy"}, "", In(bytes), call),
              HasReason("MEMORY_LIMIT"));
  EXPECT_TRUE(small->ListCollections("default", call)->empty());
}

}  // namespace
}  // namespace ragmesh::vector_store
