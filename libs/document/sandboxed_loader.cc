#include "libs/document/sandboxed_loader.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/document/allowed_path.h"
#include "libs/document/block_sequence.h"
#include "libs/document/normalise.h"
#include "libs/document/parser_child.h"
#include "libs/document/parser_frames.h"
#include "libs/sandbox/child_process.h"
#include "libs/text/utf8.h"

namespace ragmesh::document {
namespace {

using sandbox::ChildExit;
using sandbox::ChildProcess;

constexpr std::size_t kReadBytes = 256 << 10;
constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::size_t kMaxPasswordBytes = 1024;
constexpr absl::Duration kPollStep =
    absl::Milliseconds(200);  // how soon a clock of a test is looked at again

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

absl::Status ParserTimeout(absl::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("parsing took more than ", what),
                   {.reason = "PARSER_TIMEOUT",
                    .field = "document",
                    .next_step = "Split the document, or raise the loader's time limit."});
}

absl::Status ParserCrashed(absl::string_view how) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, absl::StrCat("the parser process ended: ", how),
      {.reason = "PARSER_CRASHED",
       .field = "document",
       .next_step = "The document may be damaged or hostile; other documents are not affected."});
}

absl::Status ExitStatus(const ChildExit& exit, absl::Duration max_cpu_time) {
  if (exit.signal == SIGXCPU)
    return ParserTimeout(absl::StrCat(absl::FormatDuration(max_cpu_time), " of processor time"));
  if (exit.signal == SIGSYS)
    return ParserCrashed("it made a system call that a parser may not make");
  if (exit.signal != 0) return ParserCrashed(absl::StrCat("signal ", exit.signal));
  return ParserCrashed(absl::StrCat("exit code ", exit.exit_code));
}

absl::Status DocumentTooLarge(std::uint64_t size, std::uint64_t limit) {
  return LimitExceeded("document.bytes", static_cast<long long>(size),
                       static_cast<long long>(limit), "bytes",
                       "Split the document, or raise the loader's limit.");
}

// The document's bytes in a sealed memory file, with their digest.
struct Document {
  ScopedFd file;
  std::string sha256;
  std::uint64_t size = 0;
};

absl::StatusOr<Document> TakeBytes(absl::string_view bytes, std::uint64_t max_bytes) {
  if (bytes.size() > max_bytes) return DocumentTooLarge(bytes.size(), max_bytes);
  Document document;
  RAGMESH_ASSIGN_OR_RETURN(document.file, sandbox::NewMemoryFile());
  RAGMESH_RETURN_IF_ERROR(sandbox::Append(document.file, bytes));
  RAGMESH_RETURN_IF_ERROR(sandbox::Seal(document.file));
  document.sha256 = Sha256Hex(bytes);
  document.size = bytes.size();
  return document;
}

absl::StatusOr<Document> TakeFile(const ScopedFd& source, std::uint64_t max_bytes,
                                  const CallContext& call) {
  Document document;
  RAGMESH_ASSIGN_OR_RETURN(document.file, sandbox::NewMemoryFile());
  Sha256 digest;
  std::string buffer(1 << 20, '\0');
  for (;;) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    const ssize_t got = read(source.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError("reading the document", errno);
    if (got == 0) break;
    const absl::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
    document.size += bytes.size();
    if (document.size > max_bytes) return DocumentTooLarge(document.size, max_bytes);
    digest.Update(bytes);
    RAGMESH_RETURN_IF_ERROR(sandbox::Append(document.file, bytes));
  }
  RAGMESH_RETURN_IF_ERROR(sandbox::Seal(document.file));
  document.sha256 = digest.HexDigest();
  return document;
}

// One conversation with one child.
class Conversation {
 public:
  Conversation(const SandboxedLoader::Options& options, const CallContext& call)
      : options_(options), call_(call) {}

  absl::Status Start(const ScopedFd& document, const ParserRequest& request) {
    RAGMESH_ASSIGN_OR_RETURN(
        child_, ChildProcess::Spawn(options_.parser_program, {kParserChildArgument}, document,
                                    /*keep_stderr=*/kSanitized));
    // The callback only signals; it cannot run any more once the registration is gone, which is
    // before the child is reaped, so the signal never goes to another process with the same number.
    kill_on_cancel_ = call_.OnCancel([child = child_.get()] { child->Kill(); });
    std::string frame;
    AppendFrame(FrameType::kRequest, EncodeRequest(request), &frame);
    absl::string_view rest = frame;
    while (!rest.empty()) {
      const ssize_t sent = send(child_->channel(), rest.data(), rest.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return End();
      rest.remove_prefix(static_cast<std::size_t>(sent));
    }
    return absl::OkStatus();
  }

  // The next frame, valid until the next call. An error when the child ended, hung or lied, or the
  // call is over.
  absl::Status Next(FrameType* type, absl::string_view* payload) {
    for (;;) {
      absl::string_view view = absl::string_view(buffer_).substr(taken_);
      const std::size_t before = view.size();
      const auto whole = TakeFrame(&view, type, payload);
      if (!whole.ok()) return Lied(whole.status());
      if (*whole) {
        taken_ += before - view.size();
        return absl::OkStatus();
      }
      buffer_.erase(0, taken_);
      taken_ = 0;
      RAGMESH_RETURN_IF_ERROR(WaitAndRead());
    }
  }

  absl::Status Lied(const absl::Status& status) {
    child_->Kill();
    return ParserCrashed(status.message());
  }

 private:
  absl::Status WaitAndRead() {
    for (;;) {
      RAGMESH_RETURN_IF_ERROR(call_.Check());
      if (waited_ >= options_.max_parse_time) {
        child_->Kill();
        return ParserTimeout(absl::FormatDuration(options_.max_parse_time));
      }
      const absl::Duration wait =
          std::min({call_.Remaining(), options_.max_parse_time - waited_, kPollStep});
      pollfd ready = {child_->channel(), POLLIN, 0};
      const absl::Time begin = absl::Now();
      const int count = poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(wait)) + 1);
      waited_ += absl::Now() - begin;
      if (count < 0 && errno != EINTR) return ErrnoError("poll", errno);
      if (count <= 0) continue;
      const std::size_t size = buffer_.size();
      buffer_.resize(size + kReadBytes);
      const ssize_t got = read(child_->channel(), buffer_.data() + size, kReadBytes);
      buffer_.resize(size + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return End();
      return absl::OkStatus();
    }
  }

  // The child closed its end: why?
  absl::Status End() {
    kill_on_cancel_ = {};
    const ChildExit exit = child_->Wait();
    RAGMESH_RETURN_IF_ERROR(call_.Check());
    return ExitStatus(exit, options_.max_cpu_time);
  }

  const SandboxedLoader::Options& options_;
  const CallContext& call_;
  std::unique_ptr<ChildProcess> child_;
  CallContext::Registration kill_on_cancel_;  // destroyed before the child
  std::string buffer_;
  std::size_t taken_ = 0;
  absl::Duration waited_;
};

ParserRequest RequestFor(const SandboxedLoader::Options& options) {
  ParserRequest request;
  request.limits = options.limits;
  request.pdfium_path = options.pdfium_path;
  request.max_cpu_seconds = static_cast<std::uint32_t>(
      absl::ToInt64Seconds(absl::Ceil(options.max_cpu_time, absl::Seconds(1))));
  request.max_address_space_bytes = kSanitized ? 0 : options.max_memory_bytes;
  return request;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SandboxedLoader>> SandboxedLoader::Create(Options options) {
  const auto not_started = [](absl::string_view problem) {
    return WrongState(
        "PARSER_NOT_STARTED", absl::StrCat("the parser process cannot be started: ", problem),
        "Check that the program may start itself again and that memory files are allowed.");
  };
  // A program that does not call MaybeRunParserChild would come by here again in its own child.
  if (std::getenv(sandbox::kChildVariable) != nullptr) return not_started("this is one already");
  std::unique_ptr<SandboxedLoader> loader(new SandboxedLoader(std::move(options)));
  if (const absl::Status status = loader->Probe(); !status.ok())
    return not_started(status.message());
  return loader;
}

absl::Status SandboxedLoader::Probe() {
  // Starting may be slow on a busy machine, whatever a parse may take.
  Options patient = options_;
  patient.max_parse_time = absl::Seconds(20);
  const CallContext call(absl::Now() + patient.max_parse_time);
  RAGMESH_ASSIGN_OR_RETURN(const Document nothing, TakeBytes("", 0));
  ParserRequest request = RequestFor(options_);
  request.probe = true;
  Conversation conversation(patient, call);
  RAGMESH_RETURN_IF_ERROR(conversation.Start(nothing.file, request));
  FrameType type;
  absl::string_view payload;
  RAGMESH_RETURN_IF_ERROR(conversation.Next(&type, &payload));
  if (type != FrameType::kHello) return absl::InternalError("it did not say hello");
  RAGMESH_ASSIGN_OR_RETURN(const Hello hello, DecodeHello(payload));
  sandbox_ = hello.sandbox;
  pdfium_error_ = hello.pdfium_error;
  return absl::OkStatus();
}

absl::StatusOr<stages::DocumentInfo> SandboxedLoader::Load(
    const stages::LoadRequest& load, absl::FunctionRef<absl::Status(stages::Block)> on_block,
    const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  if (load.name.size() > kMaxNameBytes) return InvalidField("name", "is longer than 4096 bytes");
  if (load.password.size() > kMaxPasswordBytes)
    return InvalidField("password", "is longer than 1024 bytes");
  if (!text::IsValidUtf8(load.password)) return InvalidField("password", "is not UTF-8");
  ParserRequest request = RequestFor(options_);
  // A file name may be any bytes; messages to the parser are UTF-8.
  request.name = Normalise(load.name, TextForm::kLine);
  request.password = load.password;
  Document document;
  if (const auto* path = std::get_if<stages::LoadRequest::Path>(&load.source)) {
    RAGMESH_ASSIGN_OR_RETURN(const ScopedFd file, OpenAllowed(path->path, options_.allowed_roots));
    RAGMESH_ASSIGN_OR_RETURN(document, TakeFile(file, options_.max_document_bytes, call));
    if (request.name.empty())
      request.name = Normalise(path->path.substr(path->path.rfind('/') + 1), TextForm::kLine);
  } else {
    RAGMESH_ASSIGN_OR_RETURN(
        document, TakeBytes(std::get<std::string>(load.source), options_.max_document_bytes));
  }

  Conversation conversation(options_, call);
  RAGMESH_RETURN_IF_ERROR(conversation.Start(document.file, request));
  BlockSequence sequence;
  std::uint64_t blocks = 0;
  for (;;) {
    FrameType type;
    absl::string_view payload;
    RAGMESH_RETURN_IF_ERROR(conversation.Next(&type, &payload));
    if (type == FrameType::kBlock) {
      auto block = DecodeBlock(payload);
      absl::Status valid = block.ok() ? sequence.Check(*block) : block.status();
      if (valid.ok() && (++blocks > options_.limits.max_blocks ||
                         block->range.end > options_.limits.max_text_bytes)) {
        valid = absl::InternalError("more text than allowed");
      }
      if (!valid.ok()) return conversation.Lied(valid);
      RAGMESH_RETURN_IF_ERROR(on_block(*std::move(block)));
      RAGMESH_RETURN_IF_ERROR(call.Check());
    } else if (type == FrameType::kDone) {
      auto info = DecodeInfo(payload);
      if (!info.ok()) return conversation.Lied(info.status());
      info->sha256 = document.sha256;
      info->coverage.bytes_in = document.size;
      if (info->media_type == "application/pdf")
        info->parser = absl::StrCat("pdfium ", options_.pdfium_version);
      return *std::move(info);
    } else if (type == FrameType::kError) {
      return DecodeError(payload);
    } else if (type != FrameType::kHello) {
      return conversation.Lied(absl::InternalError("an unexpected message"));
    }
  }
}

absl::StatusOr<stages::StageInfo> SandboxedLoader::Info(const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  stages::StageInfo info;
  info.stage = "loader";
  info.version = options_.version;
  info.commit = options_.commit;
  info.ready = true;
  info.limits = {{"max_document_bytes", static_cast<std::int64_t>(options_.max_document_bytes)},
                 {"max_text_bytes", static_cast<std::int64_t>(options_.limits.max_text_bytes)},
                 {"max_block_bytes", static_cast<std::int64_t>(kMaxBlockBytes)},
                 {"max_pages", options_.limits.max_pages},
                 {"max_blocks", options_.limits.max_blocks},
                 {"max_cpu_seconds", absl::ToInt64Seconds(options_.max_cpu_time)},
                 {"max_memory_bytes", static_cast<std::int64_t>(options_.max_memory_bytes)}};
  info.features = {{"sandbox", sandbox_},
                   {"normalisation", kNormalisationName},
                   {"formats", "txt,md,html,csv,json,jsonl,docx,pptx,xlsx,pdf"},
                   {"pdf", pdfium_error_.empty() ? absl::StrCat("PDFium ", options_.pdfium_version)
                                                 : pdfium_error_}};
  return info;
}

}  // namespace ragmesh::document
