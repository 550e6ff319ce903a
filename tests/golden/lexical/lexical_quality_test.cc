// How well BM25 finds what people judged relevant: nDCG@10 with linear gain (as trec_eval computes
// it) on the SciFact test queries and on Cranfield, a document being its title and text as one
// chunk. The bounds are the goals of the lexical search; the figures themselves are printed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "libs/lexical/analyzer.h"
#include "libs/lexical/index_search.h"
#include "libs/lexical/inverted_index.h"
#include "libs/testing/test_data.h"

namespace ragmesh::lexical {
namespace {

using Judgements =
    std::map<std::string, std::map<std::string, double>>;  // query -> document -> gain

struct Corpus {
  std::vector<std::pair<std::string, std::string>> documents;  // id, text
  std::vector<std::pair<std::string, std::string>> queries;
  Judgements judgements;
};

double Ndcg10(const std::vector<std::string>& ranking, const std::map<std::string, double>& gains) {
  double dcg = 0, ideal = 0;
  for (std::size_t i = 0; i < std::min<std::size_t>(10, ranking.size()); ++i) {
    const auto it = gains.find(ranking[i]);
    if (it != gains.end()) dcg += it->second / std::log2(i + 2.0);
  }
  std::vector<double> sorted;
  for (const auto& [id, gain] : gains) sorted.push_back(gain);
  std::sort(sorted.rbegin(), sorted.rend());
  for (std::size_t i = 0; i < std::min<std::size_t>(10, sorted.size()); ++i)
    ideal += sorted[i] / std::log2(i + 2.0);
  return ideal > 0 ? dcg / ideal : 0;
}

double MeanNdcg10(const Corpus& corpus) {
  const Analyzer analyzer("en");
  InvertedIndex index;
  for (std::size_t slot = 0; slot < corpus.documents.size(); ++slot) {
    const ChunkTerms terms = analyzer.Analyze("", "", corpus.documents[slot].second);
    const auto document = index.Intern(terms);
    index.Append(static_cast<std::uint32_t>(slot), document);
    index.Activate(document);
  }
  const std::vector<std::uint64_t> all(corpus.documents.size() / 64 + 1, ~0ull);
  const auto by_id = [&](std::uint32_t a, std::uint32_t b) {
    return corpus.documents[a].first < corpus.documents[b].first;
  };
  double sum = 0;
  int judged = 0;
  for (const auto& [id, text] : corpus.queries) {
    const auto gains = corpus.judgements.find(id);
    if (gains == corpus.judgements.end()) continue;
    std::vector<std::pair<double, std::string>> found;
    const SearchPart part{&index, 0, all, nullptr};
    const auto slots =
        SearchIndex({&part, 1}, PlainQuery(analyzer, text), {}, corpus.documents.size(), by_id);
    for (const ScoredSlot& hit : slots->best)
      found.emplace_back(-hit.score, corpus.documents[hit.slot].first);
    std::vector<std::string> ranking;
    for (const auto& [score, document] : found) ranking.push_back(document);
    sum += Ndcg10(ranking, gains->second);
    ++judged;
  }
  return sum / judged;
}

Corpus ReadSciFact(const std::filesystem::path& root) {
  Corpus corpus;
  std::string line;
  std::ifstream documents(root / "corpus.jsonl"), queries(root / "queries.jsonl"),
      qrels(root / "qrels/test.tsv");
  while (std::getline(documents, line)) {
    const auto json = nlohmann::json::parse(line);
    corpus.documents.emplace_back(
        json["_id"], json["title"].get<std::string>() + " " + json["text"].get<std::string>());
  }
  while (std::getline(queries, line)) {
    const auto json = nlohmann::json::parse(line);
    corpus.queries.emplace_back(json["_id"], json["text"]);
  }
  std::getline(qrels, line);  // header
  std::string query, document;
  double gain = 0;
  while (qrels >> query >> document >> gain) corpus.judgements[query][document] = gain;
  return corpus;
}

// SMART format: ".I n" starts a record, ".T" ".A" ".B" ".W" its parts.
std::vector<std::pair<std::string, std::string>> ReadSmart(const std::filesystem::path& path,
                                                           bool number_in_order) {
  std::vector<std::pair<std::string, std::string>> records;
  std::ifstream file(path);
  std::string line;
  char part = ' ';
  while (std::getline(file, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.rfind(".I ", 0) == 0) {
      records.emplace_back(number_in_order ? std::to_string(records.size() + 1) : line.substr(3),
                           "");
      part = ' ';
    } else if (line.size() == 2 && line[0] == '.') {
      part = line[1];
    } else if (part == 'T' || part == 'W') {
      records.back().second += line + "\n";
    }
  }
  for (auto& [id, text] : records) id = std::to_string(std::stoi(id));
  return records;
}

Corpus ReadCranfield(const std::filesystem::path& root) {
  Corpus corpus;
  corpus.documents = ReadSmart(root / "cran.all.1400", false);
  corpus.queries =
      ReadSmart(root / "cran.qry", true);  // judgements number the queries from 1 in order
  std::ifstream qrels(root / "QRelsCorrectedforTRECeval");
  std::string query, zero, document;
  double grade = 0;
  while (qrels >> query >> zero >> document >> grade) {
    if (grade > 0) corpus.judgements[query][document] = grade;
  }
  return corpus;
}

TEST(LexicalQualityTest, SciFactIsAtLeast68) {
  const auto root = testing::TestData("ir/scifact");
  RAGMESH_SKIP_WITHOUT(root, "ir/scifact");
  const double ndcg = MeanNdcg10(ReadSciFact(*root));
  std::printf("SciFact test nDCG@10 %.4f\n", ndcg);
  EXPECT_GE(ndcg, 0.68);
}

TEST(LexicalQualityTest, CranfieldIsAtLeast52) {
  const auto root = testing::TestData("ir/cranfield");
  RAGMESH_SKIP_WITHOUT(root, "ir/cranfield");
  const double ndcg = MeanNdcg10(ReadCranfield(*root));
  std::printf("Cranfield nDCG@10 %.4f\n", ndcg);
  EXPECT_GE(ndcg, 0.52);
}

}  // namespace
}  // namespace ragmesh::lexical
