#include "libs/document/parser_child.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/document/parse_document.h"
#include "libs/document/parser_frames.h"
#include "libs/document/pdfium_library.h"
#include "libs/sandbox/child_process.h"
#include "libs/sandbox/sandbox.h"

namespace ragmesh::document {
namespace {

constexpr std::size_t kWriteBytes = 64 << 10;

// Frames to the loader, gathered into large writes. Ends the process when the loader is gone.
class Channel {
 public:
  void Send(FrameType type, absl::string_view payload) {
    AppendFrame(type, payload, &pending_);
    if (pending_.size() >= kWriteBytes) Flush();
  }
  void Flush() {
    absl::string_view rest = pending_;
    while (!rest.empty()) {
      const ssize_t written = write(sandbox::kChannelFd, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) _exit(1);
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
    pending_.clear();
  }
  absl::StatusOr<ParserRequest> ReadRequest() {
    std::string buffer;
    char bytes[4096];
    for (;;) {
      const ssize_t got = read(sandbox::kChannelFd, bytes, sizeof(bytes));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return absl::UnavailableError("the loader is gone");
      buffer.append(bytes, static_cast<std::size_t>(got));
      absl::string_view view = buffer;
      FrameType type;
      absl::string_view payload;
      RAGMESH_ASSIGN_OR_RETURN(const bool whole, TakeFrame(&view, &type, &payload));
      if (whole) return DecodeRequest(payload);
    }
  }

 private:
  std::string pending_;
};

// Sent when memory is spent, so it must not need any.
std::string& OutOfMemoryFrame() {
  static std::string frame;
  return frame;
}

[[noreturn]] void EndOutOfMemory() {
  const std::string& frame = OutOfMemoryFrame();
  // What was pending is lost, and may have been half written only if a write failed, which ends the
  // process.
  if (write(sandbox::kChannelFd, frame.data(), frame.size()) < 0) _exit(1);
  _exit(0);
}

absl::string_view MapInput() {
  struct stat info;
  if (fstat(sandbox::kInputFd, &info) != 0 || info.st_size == 0) return {};
  void* data = mmap(nullptr, static_cast<std::size_t>(info.st_size), PROT_READ, MAP_PRIVATE,
                    sandbox::kInputFd, 0);
  if (data == MAP_FAILED) return {};
  return {static_cast<const char*>(data), static_cast<std::size_t>(info.st_size)};
}

absl::Status Parse(absl::string_view bytes, const ParseOptions& options, Sniffer& sniffer,
                   Channel& channel) {
  try {
    RAGMESH_ASSIGN_OR_RETURN(
        const stages::DocumentInfo info,
        ParseDocument(bytes, options, sniffer, [&channel](stages::Block block) {
          channel.Send(FrameType::kBlock, EncodeBlock(block));
          return absl::OkStatus();
        }));
    channel.Send(FrameType::kDone, EncodeInfo(info));
    return absl::OkStatus();
  } catch (const std::exception&) {
    return MakeError(absl::StatusCode::kInvalidArgument, "the parser failed on the document",
                     {.reason = "PARSER_CRASHED", .field = "document"});
  }
}

[[noreturn]] void RunParserChild(ParserChildHook hook) {
  Channel channel;
  const auto request = channel.ReadRequest();
  if (!request.ok()) _exit(1);
  const absl::string_view bytes = MapInput();
  Sniffer sniffer;
  Hello hello;
  ParseOptions options{
      .limits = request->limits, .name = request->name, .password = request->password};
  std::unique_ptr<const PdfiumLibrary> pdfium;
  if (LooksLikePdf(bytes) || request->probe) {
    auto loaded = PdfiumLibrary::Load(request->pdfium_path);
    if (loaded.ok()) {
      pdfium = *std::move(loaded);
      options.pdfium = pdfium.get();
    } else {
      hello.pdfium_error = std::string(loaded.status().message());
    }
  }
  AppendFrame(
      FrameType::kError,
      EncodeError(MakeError(
          absl::StatusCode::kResourceExhausted, "parsing needs more memory than a document may",
          {.reason = "LIMIT_EXCEEDED",
           .field = "document.memory",
           .next_step = "Split the document, or raise the loader's memory limit."})),
      &OutOfMemoryFrame());
  std::set_new_handler(&EndOutOfMemory);
  const auto level =
      sandbox::EnterSandbox({.max_cpu_time = absl::Seconds(request->max_cpu_seconds),
                             .max_address_space_bytes = request->max_address_space_bytes});
  if (!level.ok()) _exit(1);
  hello.sandbox = level->ToString();
  channel.Send(FrameType::kHello, EncodeHello(hello));
  channel.Flush();
  if (request->probe) _exit(0);
  if (hook != nullptr) hook(bytes);
  if (const absl::Status status = Parse(bytes, options, sniffer, channel); !status.ok()) {
    channel.Send(FrameType::kError, EncodeError(status));
  }
  channel.Flush();
  // Destructors have nothing to save, and those of hostile documents may take long.
  _exit(0);
}

}  // namespace

void MaybeRunParserChild(int argc, char** argv, ParserChildHook hook) {
  if (argc == 2 && absl::string_view(argv[1]) == kParserChildArgument) RunParserChild(hook);
}

}  // namespace ragmesh::document
