// What parser process and loader say to each other: frames of a type byte, a length and a payload,
// little-endian. The loader trusts no frame: a parser may be in the hands of the document it read.
#ifndef RAGMESH_LIBS_DOCUMENT_PARSER_FRAMES_H_
#define RAGMESH_LIBS_DOCUMENT_PARSER_FRAMES_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/document/parse_limits.h"
#include "libs/stages/document.h"

namespace ragmesh::document {

enum class FrameType : std::uint8_t { kHello = 1, kRequest, kBlock, kDone, kError };

// Type byte and length.
inline constexpr std::size_t kFrameHeaderBytes = 5;
inline constexpr std::size_t kMaxFrameBytes = 2 << 20;

// Child to loader, once, when it is locked in and before it reads the document.
struct Hello {
  std::string sandbox;  // SandboxLevel::ToString
  std::string
      pdfium_error;  // why PDFium could not be loaded; empty when it was, or was not asked for
};

// Loader to child, once, first.
struct ParserRequest {
  ParseLimits limits;
  std::string name;
  std::string password;
  std::string pdfium_path;  // empty: PDF cannot be read
  std::uint32_t max_cpu_seconds = 30;
  std::uint64_t max_address_space_bytes = 0;
  bool probe = false;  // say hello and end
};

// Appends one whole frame.
void AppendFrame(FrameType type, absl::string_view payload, std::string* out);

// Takes the first frame from the front of `buffer`. False when it is not complete yet; an error
// when it is longer than kMaxFrameBytes or of no known type.
absl::StatusOr<bool> TakeFrame(absl::string_view* buffer, FrameType* type,
                               absl::string_view* payload);

std::string EncodeHello(const Hello& hello);
std::string EncodeRequest(const ParserRequest& request);
std::string EncodeBlock(const stages::Block& block);
std::string EncodeInfo(const stages::DocumentInfo& info);
std::string EncodeError(const absl::Status& status);

// DATA_LOSS / CORRUPT_DATA for a payload that is cut short, has bytes left over, or text that is
// not UTF-8.
absl::StatusOr<Hello> DecodeHello(absl::string_view payload);
absl::StatusOr<ParserRequest> DecodeRequest(absl::string_view payload);
absl::StatusOr<stages::Block> DecodeBlock(absl::string_view payload);
absl::StatusOr<stages::DocumentInfo> DecodeInfo(absl::string_view payload);
// Never OK. Reasons that a parser has no business to give become PARSER_CRASHED.
absl::Status DecodeError(absl::string_view payload);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_PARSER_FRAMES_H_
