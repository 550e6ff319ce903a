// What a mask costs while texts are written: time of each Mask call over a real vocabulary.
//
//   grammar_bench VOCABULARY.gguf [TEXTS]
//
// For JSON mode and for a schema, writes TEXTS (default 50) texts by picking allowed tokens at
// random, weighted so that texts look like answers: strings of some words, objects that end. "first
// texts" is a constraint that nobody has used yet, "later texts" one that has seen as many other
// texts. Also tokens of a real text under the same grammars, as a model writes them.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "libs/generation/vocabulary.h"
#include "libs/gguf/gguf.h"
#include "libs/grammar/constraint.h"

namespace ragmesh::grammar {
namespace {

constexpr std::size_t kMaxTokens = 300;  // of a text

constexpr char kSchema[] = R"({
  "type": "object",
  "properties": {
    "title": {"type": "string", "minLength": 1, "maxLength": 200},
    "summary": {"type": "string"},
    "language": {"enum": ["en", "de", "fr", "es", "ja", "zh"]},
    "published": {"type": "string", "format": "date"},
    "pages": {"type": "integer", "minimum": 1, "maximum": 5000},
    "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    "tags": {"type": "array", "items": {"type": "string", "maxLength": 40}, "maxItems": 8},
    "authors": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/person"}},
    "sections": {"type": "array", "items": {"$ref": "#/$defs/section"}}
  },
  "required": ["title", "summary", "language", "pages", "authors"],
  "additionalProperties": false,
  "$defs": {
    "person": {
      "type": "object",
      "properties": {"name": {"type": "string"}, "email": {"type": ["string", "null"]}},
      "required": ["name"]
    },
    "section": {
      "type": "object",
      "properties": {
        "heading": {"type": "string"},
        "kind": {"enum": ["introduction", "method", "result", "conclusion"]},
        "children": {"type": "array", "items": {"$ref": "#/$defs/section"}}
      },
      "required": ["heading", "kind"]
    }
  }
})";

constexpr char kText[] = R"({
  "title": "Measuring the cost of token masks",
  "summary": "A grammar decides which tokens may come next. We measure how long that takes, and \"cached\" masks turn out to be nearly free \u2014 Größe und Übersicht inbegriffen.",
  "language": "en",
  "published": "2024-11-05",
  "pages": 12,
  "confidence": 0.93,
  "tags": ["grammars", "constrained decoding", "json"],
  "authors": [
    {"name": "Ada Lovelace", "email": "ada@example.org"},
    {"name": "Charles Babbage", "email": null}
  ],
  "sections": [
    {
      "heading": "Introduction",
      "kind": "introduction",
      "children": [
        {"heading": "Why masks", "kind": "method", "children": []},
        {"heading": "Related work", "kind": "result"}
      ]
    },
    {"heading": "Results and discussion", "kind": "result"}
  ]
})";

struct Times {
  std::vector<double> masks, accepts;  // microseconds

  void Print(const char* grammar, const char* what) {
    std::sort(masks.begin(), masks.end());
    std::sort(accepts.begin(), accepts.end());
    const auto at = [](const std::vector<double>& sorted, double part) {
      return sorted[static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1))];
    };
    double total = 0;
    for (const double mask : masks) total += mask;
    std::printf(
        "%-8s %-13s %7zu masks  median %7.1f us  p99 %7.1f us  max %7.1f us  mean %7.1f us"
        "  accept median %5.2f us\n",
        grammar, what, masks.size(), at(masks, 0.5), at(masks, 0.99), masks.back(),
        total / static_cast<double>(masks.size()), at(accepts, 0.5));
  }
};

double Microseconds(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin)
      .count();
}

void Die(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

// Measures the mask before each token that `pick` chooses from it; kNoToken ends the text.
template <typename Pick>
void Write(const std::shared_ptr<Constraint>& constraint, Times* times, Pick pick) {
  std::vector<std::uint32_t> words(constraint->tokens().mask_words());
  Matcher matcher(constraint);
  for (std::size_t i = 0; i < kMaxTokens; ++i) {
    auto begin = std::chrono::steady_clock::now();
    if (const absl::Status status = matcher.Mask(absl::MakeSpan(words)); !status.ok()) Die(status);
    times->masks.push_back(Microseconds(begin));
    const std::uint32_t token = pick(matcher, words);
    if (token == TokenTable::kNoToken) return;
    begin = std::chrono::steady_clock::now();
    if (!matcher.Accept(token)) Die(absl::InternalError("an allowed token was refused"));
    times->accepts.push_back(Microseconds(begin));
  }
}

// Any allowed token, but rather one that closes what is open.
void WriteAtRandom(const std::shared_ptr<Constraint>& constraint, std::mt19937* random,
                   Times* times) {
  Write(constraint, times, [&](const Matcher& matcher, const std::vector<std::uint32_t>& words) {
    if (matcher.CanEnd()) return TokenTable::kNoToken;
    std::vector<std::uint32_t> allowed, closing;
    for (std::uint32_t id = 0; id < constraint->tokens().size(); ++id) {
      if ((words[id / 32] >> id % 32 & 1) == 0) continue;
      allowed.push_back(id);
      const absl::string_view bytes = constraint->tokens().Bytes(id);
      if (bytes.find_first_of("\"]}") != absl::string_view::npos) closing.push_back(id);
    }
    if (allowed.empty()) return TokenTable::kNoToken;
    const auto& from = closing.empty() || (*random)() % 8 != 0 ? allowed : closing;
    return from[(*random)() % from.size()];
  });
}

void WriteText(const std::shared_ptr<Constraint>& constraint,
               const std::vector<text::Token>& tokens, Times* times) {
  std::size_t next = 0;
  Write(constraint, times, [&](const Matcher&, const std::vector<std::uint32_t>&) {
    return next < tokens.size() ? tokens[next++].id : TokenTable::kNoToken;
  });
}

void Measure(const char* name, const Grammar::Ptr& grammar,
             const std::shared_ptr<const TokenTable>& tokens, const std::vector<text::Token>& text,
             int texts) {
  Times real, first, later;
  WriteText(*Constraint::Create(grammar, tokens), text, &real);
  real.Print(name, "a real text");
  const auto constraint = *Constraint::Create(grammar, tokens);
  std::mt19937 random(1);
  for (int i = 0; i < texts; ++i) WriteAtRandom(constraint, &random, &first);
  first.Print(name, "first texts");
  for (int i = 0; i < texts; ++i) WriteAtRandom(constraint, &random, &later);
  later.Print(name, "later texts");
  Times again;
  WriteText(constraint, text, &again);
  again.Print(name, "a real text 2");
  const Constraint::Counts counts = constraint->counts();
  std::printf(
      "%-8s masks copied %zu, adapted %zu, walked %zu; %zu KiB of configurations, %zu KiB of "
      "masks\n",
      name, counts.copied, counts.adapted, counts.walked, counts.configuration_bytes >> 10,
      counts.mask_bytes >> 10);
}

int Main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: grammar_bench VOCABULARY.gguf [TEXTS]\n");
    return 2;
  }
  const auto file = gguf::File::Open(argv[1]);
  if (!file.ok()) Die(file.status());
  const auto vocabulary = generation::ReadVocabulary(**file);
  if (!vocabulary.ok()) Die(vocabulary.status());
  const text::DecoderTokenizer& tokenizer = *vocabulary->tokenizer;
  std::vector<absl::string_view> bytes;
  std::vector<bool> never;
  for (std::uint32_t id = 0; id < tokenizer.size(); ++id) {
    bytes.push_back(tokenizer.Bytes(id));
    never.push_back(tokenizer.kind(id) == text::TokenKind::kControl);
  }
  auto begin = std::chrono::steady_clock::now();
  const auto tokens = TokenTable::Create(bytes, never);
  if (!tokens.ok()) Die(tokens.status());
  std::printf("%zu tokens, a trie of %zu nodes made in %.1f ms\n", (*tokens)->size(),
              (*tokens)->nodes().size(), Microseconds(begin) / 1000);
  begin = std::chrono::steady_clock::now();
  const auto schema = Grammar::FromJsonSchema(kSchema);
  if (!schema.ok()) Die(schema.status());
  std::printf("the schema has %zu states, compiled in %.2f ms\n",
              (*schema)->automaton().states.size(), Microseconds(begin) / 1000);
  std::vector<text::Token> text;
  tokenizer.Encode(kText, &text);
  const int texts = argc > 2 ? std::atoi(argv[2]) : 50;
  Measure("JSON", Grammar::AnyJson(), *tokens, text, texts);
  Measure("schema", *schema, *tokens, text, texts);
  return 0;
}

}  // namespace
}  // namespace ragmesh::grammar

int main(int argc, char** argv) { return ragmesh::grammar::Main(argc, argv); }
