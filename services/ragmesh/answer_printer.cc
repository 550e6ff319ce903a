#include "services/ragmesh/answer_printer.h"

#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "services/ragmesh/json_output.h"

namespace ragmesh::cli {
namespace v1 = ragmesh::gateway::v1;

namespace {

double Seconds(const google::protobuf::Duration& duration) {
  return static_cast<double>(duration.seconds()) + duration.nanos() * 1e-9;
}

std::string Place(const v1::Citation& citation) {
  return absl::StrCat(citation.document_name(),
                      citation.page() > 0 ? absl::StrCat(", page ", citation.page()) : "");
}

}  // namespace

AnswerPrinter::AnswerPrinter(bool json, bool verbose)
    : json_(json), verbose_(verbose), terminal_(Terminal::Of(STDOUT_FILENO)) {}

void AnswerPrinter::Show(const v1::AskResponse& event) {
  if (json_) PrintJson(event);
  switch (event.event_case()) {
    case v1::AskResponse::kToken:
      text_ += event.token().text();
      if (!json_) {
        std::fputs(Printable(event.token().text()).c_str(), stdout);
        std::fflush(stdout);
      }
      break;
    case v1::AskResponse::kCitation:
      citations_.push_back(event.citation());
      break;
    case v1::AskResponse::kDegraded:
      degraded_.push_back(event.degraded());
      break;
    case v1::AskResponse::kTimings:
      timings_ = event.timings();
      break;
    case v1::AskResponse::kAnswer:
      answer_ = event.answer();
      break;
    default:
      break;
  }
}

bool AnswerPrinter::Finish() {
  const bool found = answer_.kind() != v1::ANSWER_KIND_NOT_FOUND;
  if (json_) return found;
  std::printf("\n");
  for (const v1::Citation& citation : citations_) {
    std::printf("\n%s %s\n", terminal_.Bold(absl::StrCat("[", citation.number(), "]")).c_str(),
                terminal_.Bold(Printable(Place(citation))).c_str());
    std::printf("%s\n",
                terminal_.Dim(Wrap(Printable(citation.quote()), terminal_.columns, 4)).c_str());
  }
  std::size_t unsupported = 0;
  for (const auto& sentence : answer_.sentences()) unsupported += !sentence.supported();
  if (unsupported > 0 && found) {
    std::printf("\n%s\n", terminal_
                              .Bad(absl::StrCat(unsupported, " of ", answer_.sentences_size(),
                                                " sentences are not supported by the documents."))
                              .c_str());
  }
  for (const v1::Degradation& degradation : degraded_) {
    std::printf("\n%s %s\n", terminal_.Bad("note:").c_str(),
                Printable(degradation.message()).c_str());
  }
  if (verbose_) {
    std::vector<std::string> parts;
    for (const v1::StageTiming& timing : timings_.stages()) {
      parts.push_back(
          absl::StrFormat("%s %.0f ms", timing.stage(), 1000 * Seconds(timing.duration())));
    }
    std::printf("\n%s\n", terminal_.Dim(absl::StrJoin(parts, ", ")).c_str());
  }
  return found;
}

}  // namespace ragmesh::cli
