#include "libs/embedding/text_encoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/error.h"
#include "libs/base/mapped_file.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"

namespace ragmesh::embedding {

// One Run: shared by the caller that waits and the items on the compute threads, so either may go
// first.
struct TextEncoder::Job {
  Job(std::vector<EncoderInput> in, Reduce r, const CallContext& c)
      : inputs(std::move(in)),
        reduce(std::move(r)),
        call(c),
        results(inputs.size()),
        remaining(inputs.size()) {}

  void Finish(std::size_t index, absl::StatusOr<std::vector<float>> result) {
    absl::MutexLock lock(&mutex);
    if (result.ok()) {
      results[index] = *std::move(result);
    } else if (status.ok()) {
      status = result.status();
    }
    --remaining;
  }
  bool Done() const ABSL_SHARED_LOCKS_REQUIRED(mutex) { return remaining == 0 || !status.ok(); }
  bool Failed() {
    absl::MutexLock lock(&mutex);
    return !status.ok();
  }

  const std::vector<EncoderInput> inputs;
  const Reduce reduce;
  const CallContext call;
  absl::Mutex mutex;
  std::vector<std::vector<float>> results ABSL_GUARDED_BY(mutex);
  std::size_t remaining ABSL_GUARDED_BY(mutex);
  absl::Status status ABSL_GUARDED_BY(mutex);  // the first failure
};

absl::StatusOr<std::unique_ptr<TextEncoder>> TextEncoder::Create(const Options& options,
                                                                 Executor& compute) {
  RAGMESH_ASSIGN_OR_RETURN(const linalg::Kernels* kernels, linalg::SelectKernels(options.kernel));
  RAGMESH_ASSIGN_OR_RETURN(const auto file, model_files::Safetensors::Open(options.weights_path));
  RAGMESH_ASSIGN_OR_RETURN(auto tokenizer,
                           text::WordPieceTokenizer::FromFile(options.tokenizer_path));
  std::shared_ptr<const MappedFile> config_json;
  if (!options.config_path.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(config_json, MappedFile::Open(options.config_path));
  }
  RAGMESH_ASSIGN_OR_RETURN(
      const EncoderConfig config,
      ReadEncoderConfig(*file, options.facts, config_json == nullptr ? "" : config_json->bytes()));
  if (tokenizer->max_id() >= config.vocabulary) {
    return InvalidField("tokenizer.json",
                        absl::StrCat("has id ", tokenizer->max_id(), ", but the weights know ",
                                     config.vocabulary, " tokens"),
                        "Use the tokenizer.json and the weights of one model.");
  }
  RAGMESH_ASSIGN_OR_RETURN(auto model, EncoderModel::Load(file, config, *kernels));
  std::string digest = options.digest.empty() ? Sha256Hex(file->bytes()) : options.digest;
  return std::unique_ptr<TextEncoder>(new TextEncoder(options.batcher, compute, std::move(model),
                                                      std::move(tokenizer), std::move(digest)));
}

TextEncoder::TextEncoder(const Batcher::Options& options, Executor& compute,
                         std::shared_ptr<const EncoderModel> model,
                         std::unique_ptr<text::WordPieceTokenizer> tokenizer, std::string digest)
    : model_(std::move(model)),
      tokenizer_(std::move(tokenizer)),
      digest_(std::move(digest)),
      batcher_(options, compute) {}

std::size_t TextEncoder::LimitOf(std::size_t max_tokens) const {
  const std::size_t own = model_->config().max_tokens;
  return max_tokens == 0 ? own : std::min(max_tokens, model_->config().positions);
}

EncoderInput TextEncoder::Prepare(absl::string_view text, std::size_t max_tokens) const {
  std::vector<text::Token> tokens;
  tokenizer_->Encode(text, &tokens);
  EncoderInput input;
  const std::size_t room = std::max<std::size_t>(LimitOf(max_tokens), 2) - 2;
  input.truncated = tokens.size() > room;
  tokens.resize(std::min(tokens.size(), room));
  input.ids.reserve(tokens.size() + 2);
  input.ids.push_back(tokenizer_->cls_id());
  for (const text::Token& token : tokens) input.ids.push_back(token.id);
  input.ids.push_back(tokenizer_->sep_id());
  return input;
}

EncoderInput TextEncoder::PreparePair(absl::string_view a, absl::string_view b,
                                      std::size_t max_tokens) const {
  std::vector<text::Token> first, second;
  tokenizer_->Encode(a, &first);
  tokenizer_->Encode(b, &second);
  EncoderInput input;
  const std::size_t room = std::max<std::size_t>(LimitOf(max_tokens), 3) - 3;
  std::size_t first_size = first.size(), second_size = second.size();
  if (first_size + second_size > room) {
    input.truncated = true;
    // Longest first, one by one, comes to this: the shorter side keeps up to half of the room,
    // rounded down.
    if (first_size <= second_size) {
      first_size = std::min(first_size, room / 2);
      second_size = room - first_size;
    } else {
      second_size = std::min(second_size, room / 2);
      first_size = room - second_size;
    }
  }
  input.ids.push_back(tokenizer_->cls_id());
  for (std::size_t i = 0; i < first_size; ++i) input.ids.push_back(first[i].id);
  input.ids.push_back(tokenizer_->sep_id());
  input.types.assign(input.ids.size(), 0);
  for (std::size_t i = 0; i < second_size; ++i) input.ids.push_back(second[i].id);
  input.ids.push_back(tokenizer_->sep_id());
  input.types.resize(input.ids.size(), 1);
  return input;
}

absl::StatusOr<std::vector<std::vector<float>>> TextEncoder::Run(std::vector<EncoderInput> inputs,
                                                                 Priority priority, Reduce reduce,
                                                                 const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  // Items hear of the end of this call, and of this function giving up, through one child context.
  const CallContext work = call.Child(call.deadline());
  const auto job = std::make_shared<Job>(std::move(inputs), std::move(reduce), work);
  const auto on_cancel = work.OnCancel([job] {
    absl::MutexLock lock(&job->mutex);
    if (job->status.ok()) job->status = job->call.Check();
  });
  std::vector<Batcher::Item> items;
  items.reserve(job->inputs.size());
  for (std::size_t i = 0; i < job->inputs.size(); ++i) {
    items.push_back({job->inputs[i].ids.size(), priority, work,
                     [this, job, i](const absl::Status& turn) { RunOne(*model_, job, i, turn); }});
  }
  RAGMESH_RETURN_IF_ERROR(batcher_.Submit(std::move(items)));
  absl::StatusOr<std::vector<std::vector<float>>> results;
  {
    absl::MutexLock lock(&job->mutex);
    job->mutex.AwaitWithDeadline(absl::Condition(job.get(), &Job::Done), call.deadline());
    if (job->status.ok() && job->remaining == 0) {
      results = std::move(job->results);
    } else {
      results = job->status.ok()
                    ? absl::DeadlineExceededError("the deadline of the call has passed")
                    : job->status;
    }
  }
  if (!results.ok()) work.Cancel();  // what is still queued need not run
  return results;
}

void TextEncoder::RunOne(const EncoderModel& model, const std::shared_ptr<Job>& job,
                         std::size_t index, const absl::Status& turn) {
  if (!turn.ok()) return job->Finish(index, turn);
  if (job->Failed())
    return job->Finish(index, absl::CancelledError("another text of the call failed"));
  const EncoderInput& input = job->inputs[index];
  std::vector<float> hidden;
  const absl::Status status = model.Forward(input.ids, input.types, &hidden, job->call);
  if (!status.ok()) return job->Finish(index, status);
  job->Finish(index, job->reduce(input.ids.size(), hidden));
}

}  // namespace ragmesh::embedding
