#include "libs/pipeline/prompt.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/text/estimating_tokenizer.h"

namespace ragmesh::pipeline {
namespace {

// Words of ours a model of 135 M parameters follows: short, and the wish repeated next to the
// question.
constexpr char kInstruction[] =
    "You answer questions in one short sentence, using only words from the given text.";

// A guess that is never far too low, so that the exact count is seldom asked for twice.
constexpr std::size_t kBytesPerToken = 4;

// Says where each passage's sentences stand: a generator may know them from another question.
stages::ChatMessages Write(absl::string_view question, const std::vector<Passage>& passages,
                           const answer::Evidence& evidence, const std::set<std::size_t>& chosen) {
  stages::ChatMessage asked{stages::ChatRole::kUser, "Text:\n"};
  std::string& text = asked.content;
  std::size_t passage = passages.size();
  for (const std::size_t i : chosen) {  // ascending: passage by passage
    const answer::Sentence& sentence = evidence.sentences()[i];
    if (sentence.passage != passage) {
      if (passage != passages.size()) text += "\n";
      passage = sentence.passage;
      asked.passages.push_back({text.size(), text.size()});
      const std::string& context = passages[passage].chunk.chunk.context;
      if (!context.empty()) absl::StrAppend(&text, context.substr(0, context.find('\n')), ": ");
    } else {
      text += " ";
    }
    text += sentence.text;
    asked.passages.back().end = text.size();
  }
  absl::StrAppend(&text, "\n\nQuestion: ", question,
                  "\nAnswer in one short sentence from the text.");
  return {{stages::ChatRole::kSystem, kInstruction}, std::move(asked)};
}

// A model server that cannot be asked is estimated, with a quarter and the template on top.
absl::StatusOr<std::uint32_t> CountTokens(const stages::ChatMessages& messages,
                                          stages::Generator& generator, const CallContext& call) {
  const auto ids = generator.Tokenize(messages, call);
  if (ids.ok()) return static_cast<std::uint32_t>(ids->size());
  if (!absl::IsUnimplemented(ids.status())) return ids.status();
  std::vector<text::Token> tokens;
  for (const stages::ChatMessage& message : messages)
    text::EstimatingTokenizer().Encode(message.content, &tokens);
  return static_cast<std::uint32_t>(tokens.size() + tokens.size() / 4 + 16 * messages.size());
}

}  // namespace

absl::StatusOr<Prompt> BuildPrompt(absl::string_view question, const std::vector<Passage>& passages,
                                   const answer::Evidence& evidence, std::uint32_t prompt_tokens,
                                   std::uint32_t answer_tokens, stages::Generator& generator,
                                   const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const stages::StageInfo info, generator.Info(call));
  if (!info.ready) {
    return Unavailable("MODEL_NOT_LOADED", info.not_ready_reason.empty()
                                               ? "the generator has no weights"
                                               : info.not_ready_reason);
  }
  std::uint32_t limit = prompt_tokens;
  if (info.model.max_tokens > 0) {
    limit = std::min(limit, info.model.max_tokens > answer_tokens
                                ? info.model.max_tokens - answer_tokens
                                : info.model.max_tokens / 2);
  }
  std::vector<std::size_t> order;  // as they are to be given up, last first
  std::size_t bytes = 300 + question.size();
  for (const std::size_t best : evidence.by_relevance()) {
    for (const std::size_t i : {best, best + 1}) {
      if (i >= evidence.sentences().size() ||
          evidence.sentences()[i].passage != evidence.sentences()[best].passage ||
          std::find(order.begin(), order.end(), i) != order.end()) {
        continue;
      }
      const std::size_t size = evidence.sentences()[i].text.size() + 1;
      if (bytes + size > limit * kBytesPerToken && !order.empty()) continue;
      bytes += size;
      order.push_back(i);
    }
  }
  while (true) {
    Prompt prompt;
    prompt.messages =
        Write(question, passages, evidence, std::set<std::size_t>(order.begin(), order.end()));
    RAGMESH_ASSIGN_OR_RETURN(prompt.tokens, CountTokens(prompt.messages, generator, call));
    if (prompt.tokens <= limit || order.size() <= 1)
      return prompt;  // the generator refuses what does not fit at all
    // Gives up in proportion, at least one.
    const std::size_t keep = order.size() * limit / prompt.tokens;
    order.resize(std::max<std::size_t>(1, std::min(keep, order.size() - 1)));
  }
}

}  // namespace ragmesh::pipeline
