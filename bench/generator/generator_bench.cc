// generator_bench: our side of `./dev bench generator`. Reads one JSON request a line and answers
// with one JSON object a line; bench/peers/README.md describes the requests, bench/generator/run
// sends them.
#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/datasets/divergence.h"
#include "bench/generator/loaded_model.h"
#include "bench/generator/passage_quality.h"
#include "bench/generator/requests.h"
#include "bench/generator/stage_work.h"
#include "bench/worker/bandwidth.h"
#include "bench/worker/json_lines.h"
#include "libs/base/status_macros.h"
#include "libs/testing/test_data.h"

namespace ragmesh::bench {
namespace {

using generation::BatchRow;
using generation::KvCache;
using nlohmann::json;

constexpr absl::string_view kText = "qa/rag-mini-wikipedia/passages.csv";

class Worker {
 public:
  absl::StatusOr<json> Answer(const std::string& op, const json& request) {
    if (op == "info") return Info();
    if (op == "peak") return AnswerPeak(request);
    if (op == "bandwidth") return Bandwidth(request);
    if (op == "load") return Load(request);
    if (op == "start") return stage_.Start(request);
    if (op == "decode") return Decode(request);
    if (op == "prefill") return Prefill(request);
    if (op == "pass") return Pass(request);
    if (op == "streams") return stage_.Streams(request);
    if (op == "first_token") return stage_.FirstToken(request);
    if (op == "answers") return stage_.Answers(request);
    if (op == "greedy") return stage_.Greedy(request);
    if (op == "passages") return passages_.Compare(request);
    if (op == "text") return Text(request);
    if (op == "logits") return Logits(request);
    if (op == "divergence") return Diverge(request);
    return absl::InvalidArgumentError(absl::StrCat("op '", op, "' is not offered"));
  }

 private:
  // Models are loaded once for each key.
  absl::StatusOr<LoadedModel*> Open(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(const ModelKey key, ModelKeyOf(request));
    auto& slot = models_[key];
    if (slot == nullptr) {
      const auto& [path, mode, threads] = key;
      RAGMESH_ASSIGN_OR_RETURN(slot,
                               LoadedModel::Load({.path = path,
                                                  .digest = request.value("digest", ""),
                                                  .packed_folder = request.value("packed", ""),
                                                  .mode = mode,
                                                  .threads = threads}));
    }
    return slot.get();
  }

  static json Info() {
    return {{"name", "ragmesh"},
            {"version", quant::FindQuantKernels("")->name},
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

  std::map<ModelKey, std::unique_ptr<LoadedModel>> models_;
  StageWork stage_;
  PassageQuality passages_;
  std::pair<std::string, std::vector<std::uint32_t>> reference_;
  std::vector<std::vector<float>> reference_logits_;
};

int Main() {
  Worker worker;
  return AnswerLines(
      [&](const std::string& op, const json& request) { return worker.Answer(op, request); });
}

}  // namespace
}  // namespace ragmesh::bench

int main() { return ragmesh::bench::Main(); }
