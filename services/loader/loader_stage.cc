#include "services/loader/loader_stage.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/document/sandboxed_loader.h"
#include "libs/version/version.h"

namespace ragmesh::services {

void LoaderConfig::Declare(flags::FlagSet& flags) {
  flags.Group("Documents");
  flags.Bytes("loader_max_document", &max_document_bytes, {1 << 10, std::int64_t{2} << 30},
              "Largest document that is read.");
  flags.Bytes("loader_max_memory", &max_parser_memory_bytes,
              {std::int64_t{128} << 20, std::int64_t{64} << 30},
              "Address space of the process that parses one document.");
  flags.Duration("loader_max_time", &max_parse_time, {absl::Seconds(1), absl::Hours(1)},
                 "Longest time one document may take to parse.");
  flags.StringList("loader_roots", &allowed_roots,
                   "Folders whose files may be named by path; none: paths are refused.");
}

absl::StatusOr<std::shared_ptr<stages::Loader>> MakeLoader(const LoaderConfig& config,
                                                           const ModelOptions& models,
                                                           const CallContext& call) {
  document::SandboxedLoader::Options options;
  options.max_document_bytes = static_cast<std::uint64_t>(config.max_document_bytes);
  options.max_memory_bytes = static_cast<std::uint64_t>(config.max_parser_memory_bytes);
  options.max_parse_time = config.max_parse_time;
  options.allowed_roots = config.allowed_roots;
  if (const auto pdfium = FindInstalled(models, "pdfium", call); pdfium.ok()) {
    options.pdfium_path = pdfium->path("libpdfium.so");
    options.pdfium_version = pdfium->model->summary;
  }
  options.version = Version();
  options.commit = Commit();
  RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<stages::Loader> loader,
                           document::SandboxedLoader::Create(std::move(options)));
  return loader;
}

}  // namespace ragmesh::services
