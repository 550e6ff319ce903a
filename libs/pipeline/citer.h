// Numbers the sources of one answer, and lets only those through whose bytes are there.
#ifndef RAGMESH_LIBS_PIPELINE_CITER_H_
#define RAGMESH_LIBS_PIPELINE_CITER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/answer/evidence.h"
#include "libs/base/call_context.h"
#include "libs/pipeline/search.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::pipeline {

// A source, checked: `quote` stands at `range` in the stored document.
struct Citation {
  std::uint32_t number = 0;   // from 1, in order of first use
  std::uint32_t passage = 0;  // number of its passage
  std::string document_id;
  std::uint64_t document_version = 0;
  std::string document_name;
  std::uint32_t page = 0;
  stages::ByteRange range;
  std::string quote;
  double support = 0;
};

// Lives for one answer. Not thread-safe; what it is given is borrowed.
class Citer {
 public:
  struct Mark {
    std::uint32_t number = 0;       // 0: the stored document does not hold the sentence (any more)
    std::optional<Citation> fresh;  // set when the number is new
  };

  Citer(stages::VectorStore& store, const Caller& caller, const std::string& collection,
        const CallContext& call)
      : store_(store), caller_(caller), collection_(collection), call_(call) {}

  // The number of the evidence's sentence `index`, newly or again. Compares a new one with the
  // bytes in the store, reading each document once.
  absl::StatusOr<Mark> Cite(std::size_t index, const answer::Sentence& source,
                            const Passage& passage, double support);

 private:
  absl::StatusOr<bool> StandsInDocument(Citation* citation);

  stages::VectorStore& store_;
  const Caller& caller_;
  const std::string& collection_;
  const CallContext& call_;
  std::map<std::size_t, std::uint32_t> numbers_;  // by evidence sentence
  std::map<std::string, std::optional<stages::StoredDocument>>
      documents_;  // nullopt: the store did not answer
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_CITER_H_
