// Shows an answer on the terminal as its events arrive.
#ifndef RAGMESH_SERVICES_RAGMESH_ANSWER_PRINTER_H_
#define RAGMESH_SERVICES_RAGMESH_ANSWER_PRINTER_H_

#include <string>
#include <vector>

#include "ragmesh/gateway/v1/gateway.pb.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {

// Text goes to stdout as it streams; sources, degradations and timings follow it.
class AnswerPrinter {
 public:
  AnswerPrinter(bool json, bool verbose);

  void Show(const ragmesh::gateway::v1::AskResponse& event);

  // After the last event: sources and notes. Returns whether an answer was found.
  bool Finish();

  const std::string& text() const { return text_; }

 private:
  const bool json_, verbose_;
  const Terminal terminal_;
  std::string text_;
  std::vector<ragmesh::gateway::v1::Citation> citations_;
  std::vector<ragmesh::gateway::v1::Degradation> degraded_;
  ragmesh::gateway::v1::Timings timings_;
  ragmesh::gateway::v1::Answer answer_;
};

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_ANSWER_PRINTER_H_
