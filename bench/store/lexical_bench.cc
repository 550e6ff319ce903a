// lexical_bench: our side of the lexical part of `./dev bench store`. Reads one JSON request a line
// and answers with one JSON object a line; bench/store/lexical.py sends the requests, and
// bench/peers/README.md describes them.
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "bench/store/lexical_corpus.h"
#include "bench/worker/json_lines.h"
#include "libs/base/status_macros.h"
#include "libs/lexical/analyzer.h"
#include "libs/lexical/index_search.h"
#include "libs/lexical/postings_writer.h"

namespace ragmesh::bench {
namespace {

using namespace lexical;  // NOLINT: this file is about it
using nlohmann::json;

double Now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// tantivy keeps a length in one byte (Lucene's SmallFloat with 4 significant bits): this is what
// comes back.
std::uint32_t RoundedLength(std::uint32_t length) {
  if (length < 40) return length;
  std::uint32_t shift = 0;
  for (std::uint32_t rest = (length - 24) >> 4; rest != 0; rest >>= 1) ++shift;
  return 24 + ((length - 24) >> shift << shift);
}

class Worker {
 public:
  absl::StatusOr<json> Answer(const std::string& op, const json& request) {
    if (op == "info") return json{{"name", "ragmesh"}, {"version", KernelName()}};
    if (op == "corpus") return Corpus(request);
    if (op == "build") return Build(request);
    if (op == "search") return Search(request);
    if (op == "top") return Top(request);
    return absl::InvalidArgumentError("unknown op " + op);
  }

 private:
  static std::string KernelName() { return linalg::DefaultPostingsKernels().name; }

  // Analyses texts once for both sides: a chunk or a question a line, its terms joined by spaces.
  absl::StatusOr<json> Corpus(const json& request) {
    RAGMESH_ASSIGN_OR_RETURN(const LexicalCorpus corpus,
                             MakeLexicalCorpus(request.at("chunks"), request.at("questions"),
                                               request.value("shuffled", false)));
    const Analyzer analyzer("en");
    const auto write = [&](const std::string& path, const std::vector<std::string>& texts) {
      std::ofstream file(path, std::ios::binary);
      std::uint64_t terms = 0;
      for (const std::string& text : texts) {
        const auto of_text = analyzer.Terms(text);
        terms += of_text.size();
        file << absl::StrJoin(of_text, " ") << '\n';
      }
      return file.good() ? terms : 0;
    };
    const std::uint64_t terms = write(request.at("chunks_path"), corpus.chunks);
    const std::uint64_t asked = write(request.at("questions_path"), corpus.questions);
    return json{{"chunks", corpus.chunks.size()},
                {"terms", terms},
                {"questions", corpus.questions.size()},
                {"question_terms", asked}};
  }

  // Of files that "corpus" wrote. With "round_lengths" as the peer rounds them.
  absl::StatusOr<json> Build(const json& request) {
    const bool round = request.value("round_lengths", false);
    std::ifstream chunks(request.at("chunks_path").get<std::string>());
    std::ifstream questions(request.at("questions_path").get<std::string>());
    if (!chunks || !questions) return absl::NotFoundError("the files of 'corpus' are not there");
    InvertedIndex index;
    CorpusStatistics exact;
    std::string line;
    std::uint32_t slots = 0;
    const double begin = Now(CLOCK_PROCESS_CPUTIME_ID);
    for (; std::getline(chunks, line); ++slots) {
      ChunkTerms terms = Terms(line);
      exact.Add(Lengths::Of(terms.lengths));
      if (round) terms.lengths[2] = RoundedLength(terms.lengths[2]);
      const auto document = index.Intern(terms);
      index.Append(slots, document);
      index.Activate(document);
    }
    const double indexed = Now(CLOCK_PROCESS_CPUTIME_ID);
    std::vector<std::uint32_t> same(slots);
    std::iota(same.begin(), same.end(), 0u);
    const PostingsSource source{nullptr, &index, same};
    const PostingsLayout layout{slots, request.value("positions", false)};
    image_.reset();
    RAGMESH_ASSIGN_OR_RETURN(bytes_, WritePostings({&source, 1}, layout));
    const double written = Now(CLOCK_PROCESS_CPUTIME_ID);
    RAGMESH_ASSIGN_OR_RETURN(PostingsImage image, PostingsImage::Open(bytes_));
    image_ = std::make_unique<PostingsImage>(std::move(image));
    allowed_.assign(slots / 64 + 1, ~std::uint64_t{0});
    questions_.clear();
    while (std::getline(questions, line)) {
      Query& query = questions_.emplace_back();
      query.clauses.emplace_back();
      for (const auto term : absl::StrSplit(line, ' ', absl::SkipEmpty()))
        query.clauses.back().terms.push_back({std::string(term), 0});
    }
    exact_ = exact;
    const PostingsSizes& sizes = image_->sizes();
    return json{{"chunks", slots},
                {"terms", image_->terms()},
                {"postings", image_->postings()},
                {"bytes", image_->size_bytes()},
                {"posting_bytes", sizes.postings},
                {"position_bytes", sizes.positions},
                {"dictionary_bytes", sizes.dictionary},
                {"length_bytes", sizes.lengths},
                {"index_memory_bytes", index.memory_bytes()},
                {"index_seconds", indexed - begin},
                {"write_seconds", written - indexed}};
  }

  static ChunkTerms Terms(const std::string& line) {
    ChunkTerms result;
    std::vector<std::pair<std::string, std::uint32_t>> placed;
    for (const auto term : absl::StrSplit(line, ' ', absl::SkipEmpty()))
      placed.emplace_back(std::string(term), static_cast<std::uint32_t>(placed.size()));
    std::sort(placed.begin(), placed.end());
    for (auto& [term, position] : placed) {
      if (result.terms.empty() || result.terms.back().term != term)
        result.terms.push_back({term, {}});
      ++result.terms.back().counts[2];
      result.positions.push_back(position);
    }
    result.lengths[2] = static_cast<std::uint32_t>(placed.size());
    return result;
  }

  absl::StatusOr<FoundSlots> One(const Query& query, std::size_t k, const Bm25& bm25) const {
    const SearchPart part{image_.get(), 0, allowed_, nullptr};
    return SearchIndex({&part, 1}, query, bm25, k,
                       [](std::uint32_t a, std::uint32_t b) { return a < b; });
  }

  // Microseconds of each question, wall and processor time of all.
  absl::StatusOr<json> Search(const json& request) {
    if (image_ == nullptr) return absl::FailedPreconditionError("nothing was built");
    const std::size_t k = request.value("k", 10);
    Bm25 bm25;
    if (request.contains("weights")) bm25.weights = request.at("weights").get<PerField<double>>();
    std::vector<double> micros(questions_.size(), 1e18);
    const double cpu = Now(CLOCK_PROCESS_CPUTIME_ID);
    for (int run = 0; run < request.value("runs", 1); ++run) {
      for (std::size_t i = 0; i < questions_.size(); ++i) {
        const double begin = Now(CLOCK_MONOTONIC);
        RAGMESH_RETURN_IF_ERROR(One(questions_[i], k, bm25).status());
        micros[i] = std::min(micros[i], 1e6 * (Now(CLOCK_MONOTONIC) - begin));
      }
    }
    return json{{"micros", micros}, {"cpu_seconds", Now(CLOCK_PROCESS_CPUTIME_ID) - cpu}};
  }

  absl::StatusOr<json> Top(const json& request) {
    if (image_ == nullptr) return absl::FailedPreconditionError("nothing was built");
    json all = json::array();
    // With the mean of exact lengths, which is the peer's.
    const Scorer scorer({}, exact_);
    for (const Query& query : questions_) {
      std::vector<std::string> words;
      for (const PlacedTerm& term : query.clauses[0].terms) words.push_back(term.term);
      std::vector<QueryTerm> terms = DistinctTerms(words);
      for (QueryTerm& term : terms) {
        const std::uint32_t documents = image_->DocumentFrequency(term.term);
        if (documents > 0) term.weight = term.times * scorer.Idf(documents);
      }
      TopSlots best(request.value("k", std::size_t{10}),
                    [](std::uint32_t a, std::uint32_t b) { return a < b; });
      RAGMESH_RETURN_IF_ERROR(image_->Search(terms, scorer, allowed_, 0, &best));
      json hits = json::array();
      for (const ScoredSlot& hit : best.Take()) hits.push_back({hit.slot, hit.score});
      all.push_back(hits);
    }
    return json{{"hits", all}};
  }

  std::string bytes_;
  std::unique_ptr<PostingsImage> image_;
  CorpusStatistics exact_;  // with lengths that are not rounded
  std::vector<std::uint64_t> allowed_;
  std::vector<Query> questions_;
};

int Main() {
  Worker worker;
  return AnswerLines(
      [&](const std::string& op, const json& request) { return worker.Answer(op, request); });
}

}  // namespace
}  // namespace ragmesh::bench

int main() { return ragmesh::bench::Main(); }
