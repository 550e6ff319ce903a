#include "libs/pipeline/ask.h"

#include <thread>

#include "absl/strings/match.h"
#include "tests/unit/pipeline/question_fixture.h"

namespace ragmesh::pipeline {
namespace {

using ::ragmesh::testing::HasReason;
using ::ragmesh::testing::StatusIs;
using ::testing::HasSubstr;

struct Heard {
  absl::Status status;
  std::string text;
  std::vector<Citation> citations;
  std::vector<Degradation> degraded;
  Answer answer;
  std::vector<Passage> passages;
  std::string order;  // one letter an event
  stages::Usage usage;
};

class AskTest : public QuestionFixture {
 protected:
  Heard Ask(AskRequest request, const CallContext& call) {
    Heard heard;
    request.collection = "manuals";
    heard.status = gateway_->Ask(
        caller_, request,
        [&](AskEvent event) {
          heard.order += "RTCAUMDX"[event.index()];
          if (auto* text = std::get_if<TextEvent>(&event)) heard.text += text->text;
          if (auto* citation = std::get_if<Citation>(&event)) heard.citations.push_back(*citation);
          if (auto* degradation = std::get_if<Degradation>(&event))
            heard.degraded.push_back(*degradation);
          if (auto* answer = std::get_if<Answer>(&event)) heard.answer = *answer;
          if (auto* retrieval = std::get_if<RetrievalEvent>(&event))
            heard.passages = retrieval->passages;
          if (auto* usage = std::get_if<stages::Usage>(&event)) heard.usage = *usage;
          return absl::OkStatus();
        },
        call);
    CheckPromises(heard);
    return heard;
  }
  Heard Ask(const std::string& question, AnswerMode mode = AnswerMode::kAuto) {
    AskRequest request;
    request.question = question;
    request.mode = mode;
    return Ask(request, call_);
  }

  // What holds for every answer, whatever was asked.
  void CheckPromises(const Heard& heard) {
    if (!heard.status.ok()) return;
    EXPECT_EQ(heard.text, heard.answer.text);
    EXPECT_EQ(heard.order.back(), 'X');
    for (const Citation& citation : heard.citations) {
      auto document = mesh_.store.GetDocument(mesh_.id, citation.document_id, {"public"}, call_);
      ASSERT_TRUE(document.ok());
      EXPECT_EQ(document->text.substr(citation.range.begin, citation.range.size()), citation.quote);
      EXPECT_EQ(document->version, citation.document_version);
      EXPECT_THAT(heard.text, HasSubstr("[" + std::to_string(citation.number) + "]"));
      ASSERT_LE(citation.passage, heard.passages.size());
    }
    std::uint64_t end = 0;
    for (const AnswerSentence& sentence : heard.answer.sentences) {
      EXPECT_GE(sentence.range.begin, end);
      EXPECT_LE(sentence.range.end, heard.text.size());
      end = sentence.range.end;
      EXPECT_EQ(sentence.supported, !sentence.citations.empty());
    }
  }
};

TEST_F(AskTest, ASupportedAnswerIsGeneratedWithItsCitation) {
  mesh_.generator.says = "Tesla died on 7 January 1943.";
  const Heard heard = Ask("When did Tesla die?");
  RAGMESH_ASSERT_OK(heard.status);
  EXPECT_EQ(heard.text, "Tesla died on 7 January 1943. [1]");
  EXPECT_EQ(heard.answer.kind, AnswerKind::kGenerated);
  EXPECT_EQ(heard.order, "RTCAUMX");
  ASSERT_EQ(heard.citations.size(), 1u);
  EXPECT_EQ(heard.citations[0].quote, "Tesla died on 7 January 1943 in New York.");
  EXPECT_EQ(heard.usage.completion_tokens, 6u);
}

TEST_F(AskTest, AnInventedFactIsNeverShown) {
  mesh_.generator.says =
      "Tesla died on 7 January 1944. He was rich and very happy in the end of his days.";
  const Heard heard = Ask("When did Tesla die?");
  EXPECT_EQ(heard.answer.kind, AnswerKind::kExtractive);
  EXPECT_FALSE(absl::StrContains(heard.text, "1944"));
  EXPECT_EQ(heard.text, "7 January 1943: Tesla died on 7 January 1943 in New York. [1]");
  EXPECT_LT(mesh_.generator.tokens_made, 12);  // stopped after the first sentence
}

TEST_F(AskTest, WhatFollowsASupportedSentenceUnsupportedIsLeftOut) {
  mesh_.generator.says =
      "Tesla died on 7 January 1943. The moon is made of green cheese. Tesla never married.";
  const Heard heard = Ask("When did Tesla die?");
  EXPECT_EQ(heard.answer.kind, AnswerKind::kGenerated);
  EXPECT_EQ(heard.text, "Tesla died on 7 January 1943. [1]");
}

TEST_F(AskTest, TheQuestionInOtherWordsIsNoAnswer) {
  mesh_.generator.says = "Tesla died. That is all there is to know about it.";
  const Heard heard = Ask("When did Tesla die?");
  EXPECT_EQ(heard.answer.kind, AnswerKind::kExtractive);
}

TEST_F(AskTest, AModelThatRepeatsItselfIsStopped) {
  mesh_.generator.says = "Tesla was";
  for (int i = 0; i < 100; ++i) mesh_.generator.says += " a man who was";
  const Heard gated = Ask("When did Tesla die?");
  RAGMESH_ASSERT_OK(gated.status);
  EXPECT_EQ(gated.answer.kind, AnswerKind::kExtractive);
  EXPECT_LT(mesh_.generator.tokens_made, 30);

  mesh_.generator.tokens_made = 0;
  const Heard raw = Ask("When did Tesla die?", AnswerMode::kGenerated);
  RAGMESH_ASSERT_OK(raw.status);
  EXPECT_LT(mesh_.generator.tokens_made, 30);
  EXPECT_EQ(raw.answer.sentences.size(), 1u);
  EXPECT_TRUE(raw.degraded.empty());

  mesh_.generator.says = "Tesla died on 7 January 1943. Tesla died on 7 January 1943. Over.";
  EXPECT_EQ(Ask("When did Tesla die?").text, "Tesla died on 7 January 1943. [1]");
}

TEST_F(AskTest, AYesOrNoQuestionGetsItsVerdictFromTheSource) {
  mesh_.generator.says = "Tesla died in New York.";
  EXPECT_EQ(Ask("Did Tesla die in New York?").text,
            "Yes: Tesla died on 7 January 1943 in New York. [1]");
  mesh_.generator.says = "Tesla died in New York on 7 January.";
  EXPECT_EQ(Ask("Did Tesla die in New York?").text,
            "Yes: Tesla died in New York on 7 January. [1]");
  mesh_.generator.says = "Yes, Tesla died in New York on 7 January.";
  EXPECT_EQ(Ask("Did Tesla die in New York?").text,
            "Yes, Tesla died in New York on 7 January. [1]");
  mesh_.generator.says = "No, Tesla died in New York on 7 January.";
  EXPECT_EQ(Ask("Did Tesla die in New York?").answer.kind, AnswerKind::kExtractive);
}

TEST_F(AskTest, MarksOfTheModelAreNotOurs) {
  mesh_.generator.says = "Tesla died on 7 January 1943 [7]. ";
  EXPECT_EQ(Ask("When did Tesla die?").citations.size(), 1u);
  const Heard raw = Ask("When did Tesla die?", AnswerMode::kGenerated);
  EXPECT_FALSE(absl::StrContains(raw.text, "[7]"));
}

TEST_F(AskTest, ThePromptSaysWhereItsPassagesStand) {
  Ask("When did Tesla die?", AnswerMode::kGenerated);
  const auto& prompt = std::get<stages::ChatPrompt>(mesh_.generator.last_request.prompt);
  const stages::ChatMessage& asked = prompt.messages.back();
  ASSERT_FALSE(asked.passages.empty());
  std::string between;  // all that is not a passage
  std::size_t at = 0;
  for (const stages::ByteRange& range : asked.passages) {
    ASSERT_LT(range.begin, range.end);
    between += asked.content.substr(at, range.begin - at);
    at = range.end;
  }
  between += asked.content.substr(at);
  const stages::ByteRange first = asked.passages[0];
  EXPECT_THAT(asked.content.substr(first.begin, first.end - first.begin), HasSubstr("1943"));
  EXPECT_EQ(between, "Text:\n" + std::string(asked.passages.size() - 1, '\n') +
                         "\n\nQuestion: When did Tesla die?\nAnswer in one short sentence from the "
                         "text.");
}

TEST_F(AskTest, GeneratedModeMarksWhatNothingSupports) {
  mesh_.generator.says = "Tesla died on 7 January 1943. The moon is made of green cheese.";
  const Heard heard = Ask("When did Tesla die?", AnswerMode::kGenerated);
  EXPECT_EQ(heard.text, "Tesla died on 7 January 1943. [1] The moon is made of green cheese.");
  ASSERT_EQ(heard.answer.sentences.size(), 2u);
  EXPECT_TRUE(heard.answer.sentences[0].supported);
  EXPECT_FALSE(heard.answer.sentences[1].supported);
}

TEST_F(AskTest, ExtractiveModeCallsNoGenerator) {
  const Heard heard = Ask("Who led the team in sacks?", AnswerMode::kExtractive);
  EXPECT_EQ(heard.answer.kind, AnswerKind::kExtractive);
  EXPECT_EQ(heard.text, "Kawann Short: Kawann Short led the team in sacks with 11. [1]");
  EXPECT_EQ(mesh_.generator.fault.calls(), 0);
  EXPECT_EQ(heard.order, "RTCAMX");
}

TEST_F(AskTest, WhatThePassagesDoNotAnswerIsNotFound) {
  mesh_.generator.says = "Zebras eat grass.";
  const Heard heard =
      Ask("Which quantum chromodynamics lattice spacing suits glueball spectroscopy?");
  EXPECT_EQ(heard.answer.kind, AnswerKind::kNotFound);
  EXPECT_EQ(heard.text, kNotFoundText);
  EXPECT_TRUE(heard.citations.empty());
  EXPECT_EQ(mesh_.generator.tokens_made, 0);
}

TEST_F(AskTest, WithoutGeneratorTheAnswerIsQuotedAndSaysSo) {
  mesh_.generator.fault.Down();
  const Heard heard = Ask("When did Tesla die?");
  EXPECT_EQ(heard.answer.kind, AnswerKind::kExtractive);
  EXPECT_FALSE(heard.citations.empty());
  ASSERT_EQ(heard.degraded.size(), 1u);
  EXPECT_EQ(heard.degraded[0].stage, "generator");
}

TEST_F(AskTest, WithoutEmbedderWordsDecide) {
  mesh_.embedder.fault.Down();
  mesh_.generator.says = "Tesla died on 7 January 1943.";
  const Heard heard = Ask("When did Tesla die?");
  EXPECT_EQ(heard.answer.kind, AnswerKind::kGenerated);
  EXPECT_EQ(heard.degraded.size(), 1u);
}

TEST_F(AskTest, WithoutTheStoreItIsUnavailable) {
  mesh_.store.search_fault.Down();
  EXPECT_THAT(Ask("When did Tesla die?").status, HasReason("STAGE_UNREACHABLE"));
}

TEST_F(AskTest, HistoryHelpsToReadTheQuestion) {
  mesh_.generator.says = "Tesla died on 7 January 1943 in New York.";
  AskRequest request;
  request.question = "When did he die?";
  request.history = {{"Who was Nikola Tesla?", "Nikola Tesla was an inventor."}};
  EXPECT_EQ(Ask(request, call_).answer.kind, AnswerKind::kGenerated);
}

TEST_F(AskTest, HalfASentenceAtTheTokenLimitIsNotShown) {
  mesh_.generator.says = "Tesla died on 7 January 1943 in New York.";
  AskRequest request;
  request.question = "When did Tesla die?";
  request.max_tokens = 3;
  EXPECT_EQ(Ask(request, call_).answer.kind, AnswerKind::kExtractive);
}

TEST_F(AskTest, APromptStaysWithinTheModelsContext) {
  mesh_.generator.context = 96;
  AskRequest request;
  request.question = "When did Tesla die?";
  request.max_tokens = 16;
  RAGMESH_EXPECT_OK(Ask(request, call_).status);
  EXPECT_THAT(mesh_.generator.last_prompt, HasSubstr("1943"));
}

TEST_F(AskTest, APromptIsEstimatedForAModelServerWithoutTokenizer) {
  mesh_.generator.is_server = true;
  mesh_.generator.says = "Tesla died on 7 January 1943.";
  const auto heard = Ask("When did Tesla die?");
  EXPECT_EQ(heard.answer.kind, AnswerKind::kGenerated);
  EXPECT_THAT(mesh_.generator.last_prompt, HasSubstr("1943"));
}

TEST_F(AskTest, AReaderWhoGoesStopsTheGenerator) {
  mesh_.generator.fault.Hang();
  const CallContext call(absl::InfiniteFuture());
  Heard heard;
  std::thread ask([&] {
    AskRequest request;
    request.question = "When did Tesla die?";
    heard = Ask(request, call);
  });
  while (mesh_.generator.fault.hanging() == 0) std::this_thread::yield();
  call.Cancel();
  ask.join();
  EXPECT_THAT(heard.status, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(observer_.wasted, 1);
  EXPECT_LT(observer_.lingered, absl::Milliseconds(100));
}

TEST_F(AskTest, BadRequestsNameTheField) {
  EXPECT_THAT(Ask("").status, HasReason("INVALID_FIELD"));
  AskRequest request;
  request.question = "x";
  request.temperature = -1;
  EXPECT_THAT(Ask(request, call_).status, HasReason("INVALID_FIELD"));
}

}  // namespace
}  // namespace ragmesh::pipeline
