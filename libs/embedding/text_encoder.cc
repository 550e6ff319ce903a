#include "libs/embedding/text_encoder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"

namespace ragmesh::embedding {

// One Run: shared by the caller that waits and the items on the compute threads, so either may go
// first.
struct TextEncoder::Job {
  Job(std::vector<EncoderInput> in, Take t, const CallContext& c)
      : inputs(std::move(in)), take(std::move(t)), call(c), remaining(inputs.size()) {}

  void Finish(const absl::Status& result) {
    absl::MutexLock lock(&mutex);
    status.Update(result);
    --remaining;
  }
  bool Done() const ABSL_SHARED_LOCKS_REQUIRED(mutex) { return remaining == 0 || !status.ok(); }
  bool Failed() {
    absl::MutexLock lock(&mutex);
    return !status.ok();
  }

  const std::vector<EncoderInput> inputs;
  const Take take;
  const CallContext call;
  absl::Mutex mutex;
  std::size_t remaining ABSL_GUARDED_BY(mutex);
  absl::Status status ABSL_GUARDED_BY(mutex);  // the first failure
};

absl::StatusOr<std::unique_ptr<TextEncoder>> TextEncoder::Create(const Options& options,
                                                                 Executor& compute) {
  RAGMESH_ASSIGN_OR_RETURN(LoadedEncoder loaded, LoadEncoder(options));
  return std::unique_ptr<TextEncoder>(new TextEncoder(options.batcher, compute, std::move(loaded)));
}

TextEncoder::TextEncoder(const Batcher::Options& options, Executor& compute, LoadedEncoder loaded)
    : model_(std::move(loaded.model)),
      tokenizer_(std::move(loaded.tokenizer)),
      digest_(std::move(loaded.digest)),
      tokenizer_digest_(std::move(loaded.tokenizer_digest)),
      states_digest_(Sha256Hex(absl::StrJoin(
          {digest_, tokenizer_digest_, absl::StrCat(model_->config().max_tokens),
           absl::StrCat(kQuantizationVersion), std::string(linalg::ToString(model_->precision())),
           std::string(model_->kernels().name)},
          "/"))),
      pool_(options.max_parallel),
      batcher_(options, compute, [this](Batcher::Batch batch) { RunBatch(std::move(batch)); }) {}

std::size_t TextEncoder::LimitOf(std::size_t max_tokens) const {
  const std::size_t own = model_->config().max_tokens;
  return max_tokens == 0 ? own : std::min(max_tokens, model_->config().positions);
}

TokenIds TextEncoder::Tokenize(absl::string_view text) const {
  return embedding::Tokenize(*tokenizer_, text);
}

EncoderInput TextEncoder::Prepare(absl::Span<const std::uint32_t> text,
                                  std::size_t max_tokens) const {
  return Frame(*tokenizer_, text, LimitOf(max_tokens));
}

EncoderInput TextEncoder::PreparePair(absl::Span<const std::uint32_t> a,
                                      absl::Span<const std::uint32_t> b,
                                      std::size_t max_tokens) const {
  const EncoderConfig& config = model_->config();
  const std::size_t between = config.layout == Layout::kRoberta ? 2 : 1;
  EncoderInput input;
  const std::size_t frame = 2 + between;
  const std::size_t room = std::max(LimitOf(max_tokens), frame) - frame;
  input.full_size = a.size() + b.size() + frame;
  if (a.size() + b.size() > room) {
    // Longest first, one by one, comes to this: the shorter side keeps up to half of the room,
    // rounded down.
    if (a.size() <= b.size()) {
      a = a.subspan(0, room / 2);
      b = b.subspan(0, room - a.size());
    } else {
      b = b.subspan(0, room / 2);
      a = a.subspan(0, room - b.size());
    }
  }
  input.ids.reserve(a.size() + b.size() + frame);
  input.ids.push_back(tokenizer_->cls_id());
  input.ids.insert(input.ids.end(), a.begin(), a.end());
  input.ids.insert(input.ids.end(), between, tokenizer_->sep_id());
  const std::size_t second = input.ids.size();
  input.ids.insert(input.ids.end(), b.begin(), b.end());
  input.ids.push_back(tokenizer_->sep_id());
  if (config.layout == Layout::kBert) {
    input.types.assign(second, 0);
    input.types.resize(input.ids.size(), 1);
  }
  return input;
}

absl::Status TextEncoder::RunEach(std::vector<EncoderInput> inputs, Priority priority, Take take,
                                  const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  // Items hear of the end of this call, and of this function giving up, through one child context.
  const CallContext work = call.Child(call.deadline());
  const auto job = std::make_shared<Job>(std::move(inputs), std::move(take), work);
  const auto on_cancel = work.OnCancel([job] {
    absl::MutexLock lock(&job->mutex);
    if (job->status.ok()) job->status = job->call.Check();
  });
  std::vector<Batcher::Item> items;
  items.reserve(job->inputs.size());
  for (std::size_t i = 0; i < job->inputs.size(); ++i) {
    RAGMESH_RETURN_IF_ERROR(model_->Check({job->inputs[i].ids, job->inputs[i].types}));
    items.push_back({job->inputs[i].ids.size(), priority, work, job, i});
  }
  RAGMESH_RETURN_IF_ERROR(priority == Priority::kQuery ? batcher_.SubmitAndRun(std::move(items))
                                                       : batcher_.Submit(std::move(items)));
  absl::Status status;
  {
    absl::MutexLock lock(&job->mutex);
    job->mutex.AwaitWithDeadline(absl::Condition(job.get(), &Job::Done), call.deadline());
    status = job->status;
    if (status.ok() && job->remaining > 0)
      status = absl::DeadlineExceededError("the deadline of the call has passed");
  }
  if (!status.ok()) work.Cancel();  // what is still queued need not run
  return status;
}

void TextEncoder::RunBatch(Batcher::Batch batch) {
  for (auto& [item, status] : batch.dropped) static_cast<Job*>(item.owner.get())->Finish(status);
  // What the rest of its call no longer needs is not worth running.
  std::vector<Batcher::Item> items;
  items.reserve(batch.items.size());
  for (Batcher::Item& item : batch.items) {
    Job& job = *static_cast<Job*>(item.owner.get());
    if (job.Failed()) {
      job.Finish(absl::CancelledError("another text of the call failed"));
    } else {
      items.push_back(std::move(item));
    }
  }
  if (items.empty()) return;
  // Where rows are not independent, neither may texts share a product.
  const std::size_t together = model_->rows_are_independent() ? items.size() : 1;
  for (std::size_t first = 0; first < items.size(); first += together)
    RunTexts(absl::MakeConstSpan(items).subspan(first, together), batch.priority);
}

void TextEncoder::RunTexts(absl::Span<const Batcher::Item> items, Priority priority) {
  std::vector<EncoderText> texts;
  texts.reserve(items.size());
  for (const Batcher::Item& item : items) {
    const EncoderInput& input = static_cast<Job*>(item.owner.get())->inputs[item.index];
    texts.push_back({input.ids, input.types});
  }
  const auto go_on = [&](std::size_t) {
    if (priority == Priority::kPassage) batcher_.RunWaitingQueries();
    return std::any_of(items.begin(), items.end(),
                       [](const Batcher::Item& item) { return item.call.Check().ok(); });
  };
  auto workspace = TakeWorkspace();
  const auto loops = [this](std::size_t count, const auto& work) { RunLoop(count, work); };
  const bool done = model_->Forward(texts, workspace.get(), go_on, loops);
  for (std::size_t i = 0; i < items.size(); ++i) {
    Job& job = *static_cast<Job*>(items[i].owner.get());
    if (done) job.take(items[i].index, texts[i].ids.size(), workspace->hidden(i));
    job.Finish(done ? absl::OkStatus() : items[i].call.Check());
  }
  PutWorkspaceBack(std::move(workspace));
}

// Asked anew for every loop: a batch that was alone as it began gives the other threads back within
// a fraction of a layer when another one comes, and gets them when that has ended.
void TextEncoder::RunLoop(std::size_t items,
                          absl::FunctionRef<void(std::size_t item, int thread)> work) {
  if (!batcher_.OneAtWork() || pool_in_use_.exchange(true, std::memory_order_acquire))
    return EncoderModel::RunHere(items, work);
  pool_.Run(items, work);
  pool_in_use_.store(false, std::memory_order_release);
}

std::unique_ptr<EncoderWorkspace> TextEncoder::TakeWorkspace() {
  absl::MutexLock lock(&workspaces_mutex_);
  if (workspaces_.empty()) return std::make_unique<EncoderWorkspace>(*model_, pool_.threads());
  auto workspace = std::move(workspaces_.back());
  workspaces_.pop_back();
  return workspace;
}

void TextEncoder::PutWorkspaceBack(std::unique_ptr<EncoderWorkspace> workspace) {
  absl::MutexLock lock(&workspaces_mutex_);
  workspaces_.push_back(std::move(workspace));
}

}  // namespace ragmesh::embedding
