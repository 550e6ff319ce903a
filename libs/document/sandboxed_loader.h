// Core of the loader stage: every document is parsed in a process of its own that can reach
// nothing.
#ifndef RAGMESH_LIBS_DOCUMENT_SANDBOXED_LOADER_H_
#define RAGMESH_LIBS_DOCUMENT_SANDBOXED_LOADER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/document/parse_limits.h"
#include "libs/stages/loader.h"

namespace ragmesh::sandbox {
class ChildProcess;
}

namespace ragmesh::document {

// A crash, a bomb or a hang is a typed error on that document alone. The child gets the bytes in a
// sealed memory file and answers on one socket; every frame is checked before it is believed
// (sizes, UTF-8, order of blocks, limits). It is killed when the call is cancelled or late, and
// when this process goes.
//
// Thread-safe. Each Load holds one child and a copy of the document; bound the number of concurrent
// calls by the executor that makes them.
class SandboxedLoader final : public stages::Loader {
 public:
  struct Options {
    std::uint64_t max_document_bytes = 256 << 20;
    ParseLimits limits;
    absl::Duration max_cpu_time = absl::Seconds(30);  // per document
    absl::Duration max_parse_time =
        absl::Seconds(60);  // waiting for the child; the consumer's own time is not counted
    std::uint64_t max_memory_bytes = 1ULL << 30;  // address space of the child
    std::vector<std::string> allowed_roots;       // for LoadRequest::Path; none: paths are refused
    std::string pdfium_path;     // verified libpdfium.so; empty: PDF is PARSER_NOT_INSTALLED
    std::string pdfium_version;  // for people: "7869"
    // Program that calls MaybeRunParserChild first in its main(); the default is the running
    // program.
    std::string parser_program = "/proc/self/exe";
    std::string version;
    std::string commit;
  };

  // Starts a child once to learn what sandbox the kernel gives and whether PDFium loads; that is
  // what Info reports. FAILED_PRECONDITION / PARSER_NOT_STARTED when no child can be started.
  static absl::StatusOr<std::unique_ptr<SandboxedLoader>> Create(Options options);

  absl::StatusOr<stages::DocumentInfo> Load(const stages::LoadRequest& request,
                                            absl::FunctionRef<absl::Status(stages::Block)> on_block,
                                            const CallContext& call) override;

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override;

 private:
  explicit SandboxedLoader(Options options) : options_(std::move(options)) {}
  absl::Status Probe();

  const Options options_;
  std::string sandbox_;
  std::string pdfium_error_;
};

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_SANDBOXED_LOADER_H_
