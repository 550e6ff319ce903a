// Passages as a person reads them.
#ifndef RAGMESH_SERVICES_RAGMESH_PASSAGE_PRINTER_H_
#define RAGMESH_SERVICES_RAGMESH_PASSAGE_PRINTER_H_

#include "ragmesh/gateway/v1/gateway.pb.h"

namespace ragmesh::cli {

// Each passage with its place and scores, the chunks around it, and, where the response has them,
// the explanations; then what did not work as asked. On standard output.
void PrintPassages(const ragmesh::gateway::v1::SearchResponse& response);

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_PASSAGE_PRINTER_H_
