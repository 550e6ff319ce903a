// What kind of answer a question wants, and what to search for.
#ifndef RAGMESH_LIBS_ANSWER_QUESTION_H_
#define RAGMESH_LIBS_ANSWER_QUESTION_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/answer/evidence.h"

namespace ragmesh::answer {

enum class QuestionKind { kOther, kYesNo, kPerson, kTime, kPlace, kCount };

QuestionKind KindOf(absl::string_view question);

struct Turn {
  std::string question;
  std::string answer;
};

// The question with the last turn before it when it cannot be understood alone ("And how heavy is
// it?"); else as it is. At most 4,096 bytes.
std::string RetrievalQuery(absl::string_view question, absl::Span<const Turn> history);

// The short answer that `sentence` gives: "Yes", "1943", "Kawann Short". Empty when none can be
// told. All of it but "Yes" and "No" stands in the sentence.
std::string ShortAnswer(absl::string_view question, const Sentence& sentence,
                        const Evidence& evidence);

}  // namespace ragmesh::answer

#endif  // RAGMESH_LIBS_ANSWER_QUESTION_H_
