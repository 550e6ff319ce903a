#include "libs/chunking/recursive_splitter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/chunking/chunk_assembler.h"

namespace ragmesh::chunking {
namespace {

using stages::Block;

// A person has to install the tokenizer, so sooner is of no use.
constexpr absl::Duration kRetryWithoutTokenizer = absl::Seconds(30);

constexpr std::uint32_t kMinMaxTokens = 8;  // below this there is no room for a context and a word

// The rules of stages/document.h for one block after another.
class BlockOrder {
 public:
  explicit BlockOrder(std::size_t max_block_bytes) : max_block_bytes_(max_block_bytes) {}

  absl::Status Check(const Block& block) {
    const std::string field = absl::StrCat("blocks[", count_, "]");
    if (block.text.size() > max_block_bytes_) {
      return LimitExceeded(absl::StrCat(field, ".text"), static_cast<long long>(block.text.size()),
                           static_cast<long long>(max_block_bytes_), "bytes",
                           "Split the block before sending it.");
    }
    if (std::all_of(block.text.begin(), block.text.end(), IsBlank)) {
      return InvalidField(absl::StrCat(field, ".text"), "is blank", "Leave blank blocks out.");
    }
    if (block.range.end < block.range.begin || block.range.size() != block.text.size()) {
      return InvalidField(absl::StrCat(field, ".range"), "does not have the length of the text");
    }
    if ((block.kind == stages::BlockKind::kTableRow) != (block.table != 0)) {
      return InvalidField(absl::StrCat(field, ".table"),
                          "must be set for table rows and for nothing else");
    }
    if (count_ > 0) {
      const std::uint64_t gap = block.table != 0 && block.table == last_table_ ? 1 : 2;
      if (block.range.begin != last_end_ + gap) {
        return InvalidField(absl::StrCat(field, ".range.begin"),
                            absl::StrCat("is ", block.range.begin, ", expected ", last_end_ + gap),
                            "Send the blocks of one document in order, as the loader gave them.");
      }
    }
    last_end_ = block.range.end;
    last_table_ = block.table;
    ++count_;
    return absl::OkStatus();
  }

 private:
  const std::size_t max_block_bytes_;
  std::size_t count_ = 0;
  std::uint64_t last_end_ = 0;
  std::uint32_t last_table_ = 0;
};

}  // namespace

RecursiveSplitter::RecursiveSplitter(
    absl::StatusOr<std::unique_ptr<const text::Tokenizer>> tokenizer, Options options)
    : tokenizer_(std::move(tokenizer)), options_(std::move(options)) {}

absl::StatusOr<const text::Tokenizer*> RecursiveSplitter::TokenizerFor(
    stages::TokenCounter counter) const {
  if (counter == stages::TokenCounter::kEstimate) return &estimate_;
  if (tokenizer_.ok()) return tokenizer_->get();
  const auto detail = GetErrorDetail(tokenizer_.status());
  return Unavailable(
      "MODEL_NOT_LOADED",
      absl::StrCat("the embedder's tokenizer is not there: ", tokenizer_.status().message()),
      detail.has_value() ? detail->next_step : "", kRetryWithoutTokenizer);
}

absl::Status RecursiveSplitter::Split(
    const stages::SplitOptions& options,
    absl::FunctionRef<absl::StatusOr<std::optional<Block>>()> next_block,
    absl::FunctionRef<absl::Status(stages::Chunk)> on_chunk, const CallContext& call) {
  const auto& split = std::get<stages::RecursiveSplit>(options.strategy);
  ChunkAssembler::Budget budget;
  budget.max_tokens = split.max_tokens != 0
                          ? split.max_tokens
                          : std::min(options_.default_max_tokens, options_.model_max_tokens);
  budget.overlap_tokens = split.overlap_tokens;
  budget.carry_headings = split.carry_headings;
  if (budget.max_tokens > options_.model_max_tokens || budget.max_tokens < kMinMaxTokens) {
    return InvalidField("recursive.max_tokens",
                        absl::StrCat("is ", budget.max_tokens, ", must be ", kMinMaxTokens, " to ",
                                     options_.model_max_tokens),
                        "Use 0 for the default, or a value the embedder can read.");
  }
  if (budget.overlap_tokens > budget.max_tokens / 2) {
    return InvalidField("recursive.overlap_tokens",
                        absl::StrCat("is ", budget.overlap_tokens, ", must be at most ",
                                     budget.max_tokens / 2, ", half of max_tokens"));
  }
  RAGMESH_ASSIGN_OR_RETURN(const text::Tokenizer* tokenizer, TokenizerFor(split.counter));
  BlockOrder order(options_.max_block_bytes);
  ChunkAssembler assembler(*tokenizer, budget, on_chunk);
  for (;;) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_ASSIGN_OR_RETURN(std::optional<Block> block, next_block());
    if (!block.has_value()) return assembler.Finish(call);
    RAGMESH_RETURN_IF_ERROR(order.Check(*block));
    RAGMESH_RETURN_IF_ERROR(assembler.Add(*std::move(block), call));
  }
}

absl::StatusOr<stages::StageInfo> RecursiveSplitter::Info(const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  stages::StageInfo info;
  info.stage = "splitter";
  info.version = options_.version;
  info.commit = options_.commit;
  info.ready = true;
  info.model.name = options_.tokenizer_name;
  info.model.digest = options_.tokenizer_digest;
  info.model.max_tokens = options_.model_max_tokens;
  info.limits = {
      {"max_tokens", options_.model_max_tokens},
      {"default_max_tokens", std::min(options_.default_max_tokens, options_.model_max_tokens)},
      {"max_block_bytes", static_cast<std::int64_t>(options_.max_block_bytes)}};
  info.features = {{"strategies", "recursive"},
                   {"token_counters", tokenizer_.ok() ? "embedder,estimate" : "estimate"}};
  return info;
}

}  // namespace ragmesh::chunking
