#include "libs/model_store/http_fetch.h"

#include <curl/curl.h>

#include <memory>
#include <mutex>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::model_store {
namespace {

struct CurlDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};

// One transfer: what libcurl's callbacks share.
struct Transfer {
  CURL* handle;
  PartialFile* file;
  const ByteProgress& progress;
  const CallContext& call;
  std::int64_t asked_from = 0;  // first byte of the Range request, 0: none was made
  std::int64_t offered_from =
      -1;                // first byte that Content-Range of the current response names, -1: none
  bool started = false;  // the body of the final response has begun
  absl::Status status;   // why a callback stopped the transfer
};

std::size_t OnHeader(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const absl::string_view line(data, size);
  if (absl::StartsWith(line, "HTTP/"))
    transfer.offered_from = -1;  // the next response, after a redirect
  if (absl::StartsWithIgnoreCase(line, "content-range: bytes ")) {
    const absl::string_view range = line.substr(21);
    std::int64_t first = 0;
    if (absl::SimpleAtoi(range.substr(0, range.find('-')), &first)) transfer.offered_from = first;
  }
  return size;
}

// Before the first byte: does the response continue what is held, or begin anew?
absl::Status AlignWithResponse(Transfer& transfer) {
  long code = 0;
  curl_easy_getinfo(transfer.handle, CURLINFO_RESPONSE_CODE, &code);
  const bool continues = code == 206 && transfer.offered_from == transfer.file->held_bytes();
  if (continues || transfer.file->held_bytes() == 0) return absl::OkStatus();
  if (code == 206)
    return Unavailable("MODEL_SOURCE_FAILED",
                       "the server sent another range than the one asked for");
  return transfer.file->Restart();
}

std::size_t OnBody(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (!transfer.started) {
    transfer.started = true;
    transfer.status = AlignWithResponse(transfer);
  }
  if (transfer.status.ok()) transfer.status = transfer.file->Append({data, size});
  return transfer.status.ok() ? size : 0;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.status.ok()) transfer.status = transfer.call.Check();
  if (transfer.progress)
    transfer.progress(transfer.file->held_bytes(), transfer.file->size_bytes());
  return transfer.status.ok() ? 0 : 1;
}

void Configure(const std::string& url, const HttpOptions& options, Transfer& transfer) {
  CURL* const curl = transfer.handle;
  const char* const protocols = options.allow_plain_http ? "http,https" : "https";
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, protocols);
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, static_cast<long>(options.max_redirects));
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(options.connect_timeout)));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);  // bytes per second
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                   static_cast<long>(absl::ToInt64Seconds(options.silence_timeout)));
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "ragmesh");
  if (!options.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, options.ca_file.c_str());
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  if (transfer.asked_from > 0) {
    curl_easy_setopt(curl, CURLOPT_RANGE, absl::StrCat(transfer.asked_from, "-").c_str());
  }
}

// `refused_range` is set when the server answered 416 to a resumed request.
absl::Status FetchOnce(const std::string& url, const HttpOptions& options, PartialFile* file,
                       const ByteProgress& progress, const CallContext& call, bool* refused_range) {
  std::unique_ptr<CURL, CurlDeleter> handle(curl_easy_init());
  if (handle == nullptr) return absl::InternalError("libcurl could not be initialised");
  Transfer transfer{handle.get(), file, progress, call, file->held_bytes()};
  char problem[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(handle.get(), CURLOPT_ERRORBUFFER, problem);
  Configure(url, options, transfer);
  const CURLcode result = curl_easy_perform(handle.get());
  long code = 0;
  curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &code);
  *refused_range = transfer.asked_from > 0 && code == 416;
  RAGMESH_RETURN_IF_ERROR(transfer.status);
  if (result == CURLE_OK) return absl::OkStatus();
  const bool unreachable = result == CURLE_COULDNT_RESOLVE_HOST ||
                           result == CURLE_COULDNT_RESOLVE_PROXY ||
                           result == CURLE_COULDNT_CONNECT || result == CURLE_OPERATION_TIMEDOUT;
  return Unavailable(unreachable ? "MODEL_SOURCE_UNREACHABLE" : "MODEL_SOURCE_FAILED",
                     problem[0] != '\0' ? problem : curl_easy_strerror(result));
}

}  // namespace

absl::Status FetchUrl(const std::string& url, const HttpOptions& options, PartialFile* file,
                      const ByteProgress& progress, const CallContext& call) {
  static std::once_flag initialised;
  std::call_once(initialised, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  RAGMESH_RETURN_IF_ERROR(call.Check());
  if (file->held_bytes() == file->size_bytes()) return absl::OkStatus();
  bool refused_range = false;
  absl::Status status = FetchOnce(url, options, file, progress, call, &refused_range);
  if (refused_range) {
    RAGMESH_RETURN_IF_ERROR(file->Restart());
    status = FetchOnce(url, options, file, progress, call, &refused_range);
  }
  return status;
}

}  // namespace ragmesh::model_store
