// generator_bench: our side of `./dev bench generator`. Reads one JSON request a line and answers
// with one JSON object a line; bench/peers/README.md describes the requests, bench/generator/run
// sends them.
#include <algorithm>
#include <atomic>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/datasets/divergence.h"
#include "bench/generator/loaded_model.h"
#include "bench/generator/passage_quality.h"
#include "bench/worker/bandwidth.h"
#include "bench/worker/json_lines.h"
#include "libs/base/status_macros.h"
#include "libs/generation/llama_generator.h"
#include "libs/testing/test_data.h"

namespace ragmesh::bench {
namespace {

using generation::BatchRow;
using generation::ComputeMode;
using generation::KvCache;
using nlohmann::json;

constexpr absl::string_view kText = "qa/rag-mini-wikipedia/passages.csv";
constexpr std::size_t kMaxTokens = 1024;  // that a request may add to a cache
constexpr std::size_t kStreams = 8;       // that a stage writes at a time

double Seconds(absl::FunctionRef<void()> work) {
  const absl::Time begin = absl::Now();
  work();
  return absl::ToDoubleSeconds(absl::Now() - begin);
}

absl::StatusOr<ComputeMode> ModeOf(const json& request) {
  const std::string mode = request.value("mode", "fast");
  if (mode == "fast") return ComputeMode::kFast;
  if (mode == "exact") return ComputeMode::kExact;
  return absl::InvalidArgumentError(absl::StrCat("unknown mode ", mode));
}

absl::StatusOr<std::size_t> CountOf(const json& request, const char* field, std::size_t otherwise) {
  const std::size_t count = request.value(field, otherwise);
  if (count >= 1 && count <= kMaxTokens) return count;
  return absl::InvalidArgumentError(absl::StrCat(field, " must be between 1 and ", kMaxTokens));
}

// {"seconds": [...]} of each of the request's runs.
json Time(const json& request, absl::FunctionRef<void()> work) {
  json seconds = json::array();
  for (int run = 0; run < request.value("runs", 1); ++run) seconds.push_back(Seconds(work));
  return json{{"seconds", seconds}};
}

class Worker {
 public:
  absl::StatusOr<json> Answer(const std::string& op, const json& request) {
    if (op == "info") return Info();
    if (op == "peak") return AnswerPeak(request);
    if (op == "bandwidth") return Bandwidth(request);
    if (op == "load") return Load(request);
    if (op == "start") return Start(request);
    if (op == "decode") return Decode(request);
    if (op == "prefill") return Prefill(request);
    if (op == "pass") return Pass(request);
    if (op == "streams") return Streams(request);
    if (op == "first_token") return FirstToken(request);
    if (op == "answers") return Answers(request);
    if (op == "greedy") return Greedy(request);
    if (op == "passages") return passages_.Compare(request);
    if (op == "text") return Text(request);
    if (op == "logits") return Logits(request);
    if (op == "divergence") return Diverge(request);
    return absl::InvalidArgumentError(absl::StrCat("op '", op, "' is not offered"));
  }

 private:
  // Model, mode and threads of a request.
  using Key = std::tuple<std::string, ComputeMode, int>;

  static absl::StatusOr<Key> KeyOf(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(const ComputeMode mode, ModeOf(request));
    return Key{request.at("model"), mode, request.value("threads", 1)};
  }

  // Models are loaded once for each key.
  absl::StatusOr<LoadedModel*> Open(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(const Key key, KeyOf(request));
    auto& slot = models_[key];
    if (slot == nullptr) {
      const auto& [path, mode, threads] = key;
      RAGMESH_ASSIGN_OR_RETURN(slot, LoadedModel::Load({.path = path,
                                                        .digest = request.value("digest", ""),
                                                        .packed_folder = request.value("packed", ""),
                                                        .mode = mode,
                                                        .threads = threads}));
    }
    return slot.get();
  }

  // The stage as a service runs it, with "guess", "blend" and "folder", of passages kept on disk,
  // as the request has them.
  absl::StatusOr<stages::Generator*> OpenStage(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(const Key key, KeyOf(request));
    const bool guess = request.value("guess", true), blend = request.value("blend", false);
    const std::string folder = request.value("folder", "");
    auto& slot = stages_[{key, guess, blend, folder}];
    if (slot == nullptr) {
      generation::GeneratorOptions options;
      std::tie(options.path, options.mode, options.threads) = key;
      options.digest = request.value("digest", "");
      options.packed_folder = request.value("packed", "");
      options.max_streams = kStreams;
      options.guess = guess;
      options.blend_passages = blend;
      options.passage_folder = folder;
      if (options.digest.empty()) options.digest = options.path;  // tells models apart as well
      RAGMESH_ASSIGN_OR_RETURN(slot, generation::LoadGenerator(options));
    }
    return slot.get();
  }

  static json Info() {
    return {{"name", "ragmesh"},
            {"version", linalg::FindQuantKernels("")->name},
            {"modes", {"fast", "exact"}}};
  }

  static json Bandwidth(const json& request) {
    const std::size_t bytes = request.at("bytes");
    return {{"gb_per_second", MeasureReadBandwidth(bytes, request.value("threads", 1))}};
  }

  absl::StatusOr<json> Load(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(LoadedModel* const model, Open(request));
    return json{{"seconds", model->load_seconds()},
                {"bytes", model->weights().bytes},
                {"products", model->weights().products}};
  }

  // Until the stage of a service would be ready; then one token, so that every weight was read.
  absl::StatusOr<json> Start(const json& request) {
    absl::StatusOr<stages::Generator*> stage;
    const double seconds = Seconds([&] { stage = OpenStage(request); });
    RAGMESH_RETURN_IF_ERROR(stage.status());
    RAGMESH_RETURN_IF_ERROR(Write(**stage, "Hello", 1).status());
    return json{{"seconds", seconds}};
  }

  // Tokens of one stream, one after another, each with its logits; nothing is sampled.
  absl::StatusOr<json> Decode(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(LoadedModel* const model, Open(request));
    RAGMESH_ASSIGN_OR_RETURN(const std::size_t tokens, CountOf(request, "tokens", 64));
    const std::size_t depth = request.value("depth", std::size_t{0});
    RAGMESH_ASSIGN_OR_RETURN(KvCache* const cache, model->Cache(depth, 0));
    const auto ids = RandomIds(tokens, model->vocabulary_size(), 1);
    const auto decode = [&](std::size_t count) {
      for (std::size_t i = 0; i < count; ++i)
        model->Pass({BatchRow{ids[i], static_cast<std::uint32_t>(depth + i), cache, true}});
    };
    decode(1);
    return Time(request, [&] { decode(tokens); });
  }

  // A prompt, with the logits of its last token.
  absl::StatusOr<json> Prefill(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(LoadedModel* const model, Open(request));
    RAGMESH_ASSIGN_OR_RETURN(const std::size_t tokens, CountOf(request, "tokens", 512));
    RAGMESH_ASSIGN_OR_RETURN(KvCache* const cache, model->Cache(0, 0));
    const auto ids = RandomIds(tokens, model->vocabulary_size(), 1);
    return Time(request, [&] {
      model->Read(cache, ids, 0, /*all=*/false, [](std::size_t, absl::Span<const float>) {});
    });
  }

  // One pass over `rows` rows with all their logits: the next token of as many streams, or as many
  // tokens of one stream.
  absl::StatusOr<json> Pass(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(LoadedModel* const model, Open(request));
    const std::size_t count = request.at("rows"), depth = request.value("depth", std::size_t{0});
    if (count < 1 || count > 16) return absl::InvalidArgumentError("rows must be between 1 and 16");
    const bool streams = request.value("of", "streams") == "streams";
    const auto ids = RandomIds(count, model->vocabulary_size(), 1);
    std::vector<BatchRow> rows;
    for (std::size_t i = 0; i < count; ++i) {
      RAGMESH_ASSIGN_OR_RETURN(KvCache* const cache, model->Cache(depth, streams ? i : 0));
      rows.push_back({ids[i], static_cast<std::uint32_t>(depth + (streams ? 0 : i)), cache, true});
    }
    model->Pass(rows);
    return Time(request, [&] { model->Pass(rows); });
  }

  // A greedy answer of `tokens` tokens to each of the prompts, all at the same time.
  absl::StatusOr<json> Streams(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(stages::Generator* const stage, OpenStage(request));
    RAGMESH_ASSIGN_OR_RETURN(const std::size_t tokens, CountOf(request, "tokens", 64));
    const std::vector<std::string> prompts = request.at("prompts");
    std::vector<absl::Status> statuses(prompts.size());
    json answer = Time(request, [&] {
      std::vector<std::thread> clients;
      for (std::size_t i = 0; i < prompts.size(); ++i)
        clients.emplace_back([&, i] { statuses[i] = Write(*stage, prompts[i], tokens).status(); });
      for (std::thread& client : clients) client.join();
    });
    for (const absl::Status& status : statuses) RAGMESH_RETURN_IF_ERROR(status);
    return answer;
  }

  // Of a raw prompt, or of a chat whose one message is "passages", blank lines between, and a
  // "question".
  absl::StatusOr<json> FirstToken(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(stages::Generator* const stage, OpenStage(request));
    stages::GenerateRequest wanted;
    wanted.ignore_eos = true;
    wanted.max_tokens = 1;
    if (request.contains("prompt")) {
      wanted.prompt = stages::RawPrompt{.text = request.at("prompt")};
    } else {
      stages::ChatMessage message;
      for (const std::string passage : request.at("passages")) {
        message.passages.push_back(
            {message.content.size(), message.content.size() + passage.size()});
        absl::StrAppend(&message.content, passage, "\n\n");
      }
      message.content += request.at("question").get<std::string>();
      wanted.prompt = stages::ChatMessages{message};
    }
    absl::StatusOr<stages::GenerateResult> result;
    const double seconds = Seconds([&] { result = Generate(*stage, wanted, nullptr); });
    RAGMESH_RETURN_IF_ERROR(result.status());
    return json{{"seconds", {seconds}},
                {"prompt_tokens", result->usage.prompt_tokens},
                {"cached_tokens", result->usage.cached_prompt_tokens}};
  }

  // Answers of at most `tokens` tokens to chats of one message, one after another; with "schema",
  // in JSON under it.
  absl::StatusOr<json> Answers(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(stages::Generator* const stage, OpenStage(request));
    RAGMESH_ASSIGN_OR_RETURN(const std::size_t tokens, CountOf(request, "tokens", 64));
    json answer = {{"decode_seconds", 0.0}, {"tokens", 0}, {"texts", json::array()}};
    for (const std::string message : request.at("messages")) {
      stages::GenerateRequest wanted;
      wanted.prompt = stages::ChatMessages{{stages::ChatRole::kUser, message}};
      wanted.max_tokens = static_cast<std::uint32_t>(tokens);
      wanted.sampling.temperature = request.value("temperature", 0.0);
      wanted.sampling.seed = 1;
      if (request.contains("schema"))
        wanted.format = {stages::OutputFormat::Kind::kJsonSchema, request["schema"].dump()};
      std::string text;
      RAGMESH_ASSIGN_OR_RETURN(const auto result, Generate(*stage, wanted, &text));
      answer["decode_seconds"] = answer["decode_seconds"].get<double>() + result.decode_seconds;
      answer["tokens"] =
          answer["tokens"].get<int>() + static_cast<int>(result.usage.completion_tokens);
      answer["texts"].push_back(text);
    }
    return answer;
  }

  // What is written greedily, at most `tokens` tokens, after each of the raw prompts, in which
  // special tokens are spelled out. Eight are written at a time.
  absl::StatusOr<json> Greedy(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(stages::Generator* const stage, OpenStage(request));
    RAGMESH_ASSIGN_OR_RETURN(const std::size_t tokens, CountOf(request, "tokens", 64));
    const std::vector<std::string> prompts = request.at("prompts");
    std::vector<std::vector<std::uint32_t>> written(prompts.size());
    std::vector<std::uint32_t> lengths(prompts.size());
    std::vector<absl::Status> statuses(prompts.size());
    std::atomic<std::size_t> next = 0;
    const auto write_some = [&] {
      for (std::size_t i = next++; i < prompts.size(); i = next++) {
        stages::GenerateRequest wanted;
        wanted.prompt = stages::RawPrompt{.text = prompts[i], .parse_special = true};
        wanted.max_tokens = static_cast<std::uint32_t>(tokens);
        const auto result = stage->Generate(
            wanted,
            [&ids = written[i]](const stages::TokenEvent& event) {
              ids.insert(ids.end(), event.token_ids.begin(), event.token_ids.end());
              return absl::OkStatus();
            },
            call_);
        statuses[i] = result.status();
        if (result.ok()) lengths[i] = result->usage.prompt_tokens;
      }
    };
    std::vector<std::thread> clients;
    for (std::size_t i = 0; i < kStreams; ++i) clients.emplace_back(write_some);
    for (std::thread& client : clients) client.join();
    for (const absl::Status& status : statuses) RAGMESH_RETURN_IF_ERROR(status);
    return json{{"prompt_tokens", lengths}, {"written", written}};
  }

  absl::StatusOr<stages::GenerateResult> Write(stages::Generator& stage, const std::string& prompt,
                                               std::size_t tokens) {
    stages::GenerateRequest request;
    request.prompt = stages::RawPrompt{.text = prompt};
    request.max_tokens = static_cast<std::uint32_t>(tokens);
    request.ignore_eos = true;
    return Generate(stage, request, nullptr);
  }

  // `text`, unless null, gets what was written.
  absl::StatusOr<stages::GenerateResult> Generate(stages::Generator& stage,
                                                  const stages::GenerateRequest& request,
                                                  std::string* text) {
    return stage.Generate(
        request,
        [text](const stages::TokenEvent& event) {
          if (text != nullptr) *text += event.text;
          return absl::OkStatus();
        },
        call_);
  }

  // The first `count` tokens of a fixed text, as ids and as pieces of `piece` tokens.
  absl::StatusOr<json> Text(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(LoadedModel* const model, Open(request));
    const auto path = testing::TestData(std::string(kText));
    if (!path.has_value())
      return absl::NotFoundError(absl::StrCat("RAGMESH_TESTDATA has no ", kText));
    const std::size_t count = request.at("count"), piece = request.value("piece", count);
    // No token of these vocabularies has more bytes than this in running text.
    const std::string text = testing::ReadFileOrDie(*path).substr(0, 16 * count);
    std::vector<text::Token> tokens;
    model->vocabulary().tokenizer->Encode(text, &tokens);
    if (tokens.size() < count) return absl::OutOfRangeError("the text has fewer tokens");
    json ids = json::array(), pieces = json::array();
    for (std::size_t i = 0; i < count; ++i) ids.push_back(tokens[i].id);
    for (std::size_t i = 0; i + piece <= count; i += piece) {
      const std::size_t begin = tokens[i].begin, end = tokens[i + piece - 1].end;
      pieces.push_back(text.substr(begin, end - begin));
    }
    return json{{"ids", ids}, {"pieces", pieces}};
  }

  // The likeliest tokens after `ids`, as [id, logit].
  absl::StatusOr<json> Logits(const json& request) {
    const std::vector<std::uint32_t> ids = request.at("ids");
    RAGMESH_ASSIGN_OR_RETURN(const auto logits, AllLogits(request, ids));
    const std::vector<float>& last = logits.back();
    std::vector<std::size_t> order(last.size());
    for (std::size_t id = 0; id < order.size(); ++id) order[id] = id;
    const std::size_t top = std::min(request.value("top", std::size_t{8}), order.size());
    std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
                      [&](std::size_t a, std::size_t b) { return last[a] > last[b]; });
    json best = json::array();
    for (std::size_t i = 0; i < top; ++i) best.push_back({order[i], last[order[i]]});
    return json{{"top", best}};
  }

  absl::StatusOr<std::vector<std::vector<float>>> AllLogits(const json& request,
                                                            const std::vector<std::uint32_t>& ids) {
    RAGMESH_ASSIGN_OR_RETURN(LoadedModel* const model, Open(request));
    if (ids.empty() || ids.size() > kMaxTokens)
      return absl::InvalidArgumentError("ids must be between 1 and 1024");
    for (const std::uint32_t id : ids)
      if (id >= model->vocabulary_size()) return absl::OutOfRangeError("an id is no token");
    RAGMESH_ASSIGN_OR_RETURN(KvCache* const cache, model->Cache(0, 0));
    std::vector<std::vector<float>> rows(ids.size());
    model->Read(cache, ids, 0, /*all=*/true, [&](std::size_t i, absl::Span<const float> logits) {
      rows[i].assign(logits.begin(), logits.end());
    });
    return rows;
  }

  // How far the next-token distributions over `ids` are from those of the exact mode: ours in the
  // fast mode, or, with "logits", those in that file: f32, a row for each token.
  absl::StatusOr<json> Diverge(const json& request) {
    const std::vector<std::uint32_t> ids = request.at("ids");
    json exact = request;
    exact["mode"] = "exact";
    // A window is asked for once for each of those that are compared.
    if (const auto key = std::pair(request.at("model").get<std::string>(), ids);
        key != reference_) {
      RAGMESH_ASSIGN_OR_RETURN(reference_logits_, AllLogits(exact, ids));
      reference_ = key;
    }
    std::vector<std::vector<float>> other;
    if (request.contains("logits")) {
      RAGMESH_ASSIGN_OR_RETURN(
          other, ReadRows(request["logits"], ids.size(), reference_logits_[0].size()));
    } else {
      RAGMESH_ASSIGN_OR_RETURN(other, AllLogits(request, ids));
    }
    Divergence sum;
    for (std::size_t i = 0; i + 1 < ids.size(); ++i)
      sum.Add(reference_logits_[i], other[i], ids[i + 1]);
    return json{{"tokens", sum.tokens},
                {"reference_loss", sum.reference_loss},
                {"loss", sum.loss},
                {"kl", sum.kl},
                {"same_best", sum.same_best}};
  }

  static absl::StatusOr<std::vector<std::vector<float>>> ReadRows(const std::string& path,
                                                                  std::size_t rows,
                                                                  std::size_t columns) {
    std::ifstream file(path, std::ios::binary);
    std::vector<std::vector<float>> read(rows, std::vector<float>(columns));
    for (std::vector<float>& row : read)
      file.read(reinterpret_cast<char*>(row.data()),
                static_cast<std::streamsize>(columns * sizeof(float)));
    if (!file || file.peek() != std::ifstream::traits_type::eof())
      return absl::DataLossError(
          absl::StrCat(path, " does not hold ", rows, " rows of ", columns, " values"));
    return read;
  }

  std::map<Key, std::unique_ptr<LoadedModel>> models_;
  std::map<std::tuple<Key, bool, bool, std::string>, std::unique_ptr<stages::Generator>> stages_;
  PassageQuality passages_;
  std::pair<std::string, std::vector<std::uint32_t>> reference_;
  std::vector<std::vector<float>> reference_logits_;
  CallContext call_{absl::InfiniteFuture()};
};

int Main() {
  Worker worker;
  return AnswerLines(
      [&](const std::string& op, const json& request) { return worker.Answer(op, request); });
}

}  // namespace
}  // namespace ragmesh::bench

int main() { return ragmesh::bench::Main(); }
