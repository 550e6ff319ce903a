// Settings of the loader stage and its core, without any transport.
#ifndef RAGMESH_SERVICES_LOADER_LOADER_STAGE_H_
#define RAGMESH_SERVICES_LOADER_LOADER_STAGE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/flags/flag_set.h"
#include "libs/stages/loader.h"
#include "services/common/model_options.h"

namespace ragmesh::services {

struct LoaderConfig {
  std::int64_t max_document_bytes = std::int64_t{256} << 20;
  std::int64_t max_parser_memory_bytes = std::int64_t{1} << 30;
  absl::Duration max_parse_time = absl::Seconds(60);
  std::vector<std::string> allowed_roots;

  void Declare(flags::FlagSet& flags);
};

// Without PDFium in the model cache PDF documents are refused with a typed error, and everything
// else is read. The program that calls this must begin main() with
// document::MaybeRunParserChild. FAILED_PRECONDITION / PARSER_NOT_STARTED.
absl::StatusOr<std::shared_ptr<stages::Loader>> MakeLoader(const LoaderConfig& config,
                                                           const ModelOptions& models,
                                                           const CallContext& call);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_LOADER_LOADER_STAGE_H_
