// One of the texts that a request asks for, on its way from tokens to events.
#ifndef RAGMESH_LIBS_GENERATION_CHOICE_H_
#define RAGMESH_LIBS_GENERATION_CHOICE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "libs/generation/engine.h"
#include "libs/generation/text_assembler.h"
#include "libs/generation/tool_call_reader.h"
#include "libs/generation/vocabulary.h"
#include "libs/stages/generator.h"

namespace ragmesh::generation {

// Borrows the vocabulary. One thread.
class Choice {
 public:
  using OnToken = absl::FunctionRef<absl::Status(const stages::TokenEvent&)>;
  // How calls are read, and the control tokens that stand in them as the reader takes them.
  struct Tools {
    ToolCallReader reader;
    const std::map<std::uint32_t, std::string>& controls;
  };

  // `tools` is null for texts without calls.
  Choice(std::uint32_t index, std::uint64_t seed, std::unique_ptr<Engine::Stream> stream,
         const Vocabulary& vocabulary, std::vector<std::string> stops, bool drops_first_space,
         std::unique_ptr<Tools> tools)
      : index_(index),
        seed_(seed),
        stream_(std::move(stream)),
        vocabulary_(vocabulary),
        assembler_(std::move(stops), drops_first_space),
        tools_(std::move(tools)) {}

  // Waits for the next token and hands on what may be shown with it. Errors of the stream and of
  // `on_token` as they are.
  absl::Status Advance(OnToken on_token);

  // Nothing more comes: the text has ended, or a stop string was found and the stream given up.
  bool ended() const { return stream_ == nullptr; }
  // Not once ended.
  Engine::Stream* stream() const { return stream_.get(); }

  std::uint32_t tokens() const { return tokens_; }
  // Both complete once ended.
  const Engine::Outcome& outcome() const { return outcome_; }
  stages::ChoiceEnd end() const;

 private:
  absl::string_view Text(std::uint32_t id) const;
  // What is left when no more tokens come.
  absl::Status SendRest(OnToken on_token);
  absl::Status Send(stages::TokenEvent event, OnToken on_token);
  void End();

  const std::uint32_t index_;
  const std::uint64_t seed_;
  std::unique_ptr<Engine::Stream> stream_;
  const Vocabulary& vocabulary_;
  TextAssembler assembler_;
  std::unique_ptr<Tools> tools_;
  std::deque<stages::TokenLogprobs> logprobs_;  // of tokens whose text is held back
  std::uint32_t tokens_ = 0;
  Engine::Outcome outcome_;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_CHOICE_H_
