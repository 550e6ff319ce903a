#include "libs/remote_generation/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/remote_generation/server_error.h"

namespace ragmesh::remote_generation {
namespace {

constexpr std::size_t kMaxHeaderBytes = 64 << 10;
constexpr std::size_t kMaxErrorBytes = 64 << 10;
constexpr std::size_t kMaxKeyBytes = 8 << 10;
constexpr std::size_t kMaxIdleConnections = 16;
constexpr absl::Duration kMaxRetryAfter = absl::Minutes(10);
constexpr absl::Duration kTimeToEnd = absl::Milliseconds(100);

void InitialiseCurl() {
  static std::once_flag initialised;
  std::call_once(initialised, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

struct SlistDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, SlistDeleter>;

// The list stays as it was when there is no memory for one more.
void Append(HeaderList& list, const std::string& line) {
  if (curl_slist* longer = curl_slist_append(list.get(), line.c_str()); longer != nullptr) {
    (void)list.release();
    list.reset(longer);
  }
}

absl::Status KeyError(const std::string& path, absl::string_view problem) {
  return WrongState("REMOTE_KEY_UNREADABLE",
                    absl::StrCat("the key file ", path, " of --generator_key_file ", problem),
                    "Put the model server's key into it, on one line.");
}

absl::StatusOr<std::string> ReadKey(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                       &std::fclose);
  if (file == nullptr) return KeyError(path, "cannot be opened");
  std::string key(kMaxKeyBytes + 1, '\0');
  key.resize(std::fread(key.data(), 1, key.size(), file.get()));
  if (key.size() > kMaxKeyBytes) return KeyError(path, "holds over 8 KiB");
  const std::string trimmed(absl::StripAsciiWhitespace(key));
  if (trimmed.empty()) return KeyError(path, "is empty");
  const bool printable = std::all_of(trimmed.begin(), trimmed.end(),
                                     [](unsigned char c) { return c > ' ' && c < 0x7f; });
  if (!printable) return KeyError(path, "holds more than one word of printable ASCII");
  return trimmed;
}

absl::Status TransportError(CURLcode result, const char* problem, const std::string& ca_file) {
  const char* const text = problem[0] != '\0' ? problem : curl_easy_strerror(result);
  switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
      return Unavailable("REMOTE_UNREACHABLE",
                         absl::StrCat("the model server cannot be reached: ", text),
                         "Check --generator_url and that the server runs.");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
      return Unavailable(
          "REMOTE_TLS_FAILED", absl::StrCat("no TLS with the model server: ", text),
          ca_file.empty() ? "Name the authority that signed its certificate: --generator_ca_file."
                          : "Check --generator_ca_file and the server's certificate.");
    default:
      return Unavailable("REMOTE_CUT", absl::StrCat("the model server broke off: ", text),
                         "Check the model server's log.");
  }
}

}  // namespace

struct HttpClient::Connection {
  explicit Connection(CURLM* handle) : multi(handle) {}
  ~Connection() { curl_multi_cleanup(multi); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  CURLM* const multi;
};

// One request: what libcurl's callbacks share.
class HttpClient::Transfer {
 public:
  Transfer(const Options& options, OnBody on_body, const CallContext& call)
      : options_(options), on_body_(on_body), call_(call), easy_(curl_easy_init()) {}
  ~Transfer() {
    if (easy_ != nullptr) curl_easy_cleanup(easy_);
  }

  absl::Status Prepare(const std::string& url, const std::string* json) {
    if (easy_ == nullptr) return absl::InternalError("libcurl could not be initialised");
    Append(headers_, "Expect:");  // no round trip to ask whether a long prompt may come
    Append(headers_, "Accept: application/json, text/event-stream");
    if (!options_.key_file.empty()) {
      RAGMESH_ASSIGN_OR_RETURN(const std::string key, ReadKey(options_.key_file));
      Append(headers_, absl::StrCat("Authorization: Bearer ", key));
    }
    Set(CURLOPT_URL, url.c_str());
    if (json != nullptr) {
      Append(headers_, "Content-Type: application/json");
      Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json->size()));
      Set(CURLOPT_POSTFIELDS, json->c_str());  // not copied; outlives the transfer
    }
    Set(CURLOPT_HTTPHEADER, headers_.get());
    Set(CURLOPT_PROTOCOLS_STR, "http,https");
    Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    Set(CURLOPT_FOLLOWLOCATION, 0L);
    Set(CURLOPT_PROXY, "");
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_QUICK_EXIT, 1L);  // do not wait for a name that is still being looked up
    Set(CURLOPT_USERAGENT, "ragmesh");
    Set(CURLOPT_CONNECTTIMEOUT_MS,
        static_cast<long>(absl::ToInt64Milliseconds(options_.connect_timeout)));
    if (!options_.ca_file.empty()) Set(CURLOPT_CAINFO, options_.ca_file.c_str());
    Set(CURLOPT_HEADERFUNCTION, &Transfer::HeaderCallback);
    Set(CURLOPT_HEADERDATA, this);
    Set(CURLOPT_WRITEFUNCTION, &Transfer::BodyCallback);
    Set(CURLOPT_WRITEDATA, this);
    Set(CURLOPT_ERRORBUFFER, problem_);
    return absl::OkStatus();
  }

  // Returns once the transfer is over, whatever ended it; the connection is then fit for the next.
  absl::Status Run(CURLM* multi) {
    if (curl_multi_add_handle(multi, easy_) != CURLM_OK)
      return absl::InternalError("libcurl refused the request");
    const absl::Status status = Drive(multi);
    curl_multi_remove_handle(multi, easy_);  // closes a connection whose answer is not complete
    return status;
  }

  HttpReply TakeReply() { return std::move(reply_); }

 private:
  template <typename Value>
  void Set(CURLoption option, Value value) {
    curl_easy_setopt(easy_, option, value);
  }

  absl::Status Drive(CURLM* multi) {
    const auto wake = call_.OnCancel([multi] { curl_multi_wakeup(multi); });
    last_byte_ = absl::Now();
    while (true) {
      int running = 0;
      if (curl_multi_perform(multi, &running) != CURLM_OK)
        return absl::InternalError("libcurl failed");
      RAGMESH_RETURN_IF_ERROR(status_);
      if (cut_error_body_ || absl::Now() >= ends_by_) return Finish();
      if (running == 0) return Result(multi);
      RAGMESH_RETURN_IF_ERROR(call_.Check());
      const absl::Duration silence_left = last_byte_ + options_.silence_timeout - absl::Now();
      if (silence_left <= absl::ZeroDuration()) {
        return Unavailable("REMOTE_SILENT",
                           absl::StrCat("the model server has sent nothing for ",
                                        absl::FormatDuration(options_.silence_timeout)),
                           "Check its load, or raise --generator_silence_timeout.");
      }
      const absl::Duration wait =
          std::clamp(std::min({call_.Remaining(), silence_left, ends_by_ - absl::Now()}) +
                         absl::Milliseconds(1),
                     absl::Milliseconds(1), absl::Seconds(1));
      curl_multi_poll(multi, nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(wait)),
                      nullptr);
    }
  }

  absl::Status Result(CURLM* multi) {
    int left = 0;
    const CURLMsg* message = curl_multi_info_read(multi, &left);
    const CURLcode result = message == nullptr ? CURLE_FAILED_INIT : message->data.result;
    if (result != CURLE_OK) return TransportError(result, problem_, options_.ca_file);
    return Finish();
  }

  absl::Status Finish() {
    reply_.status = StatusCode();
    curl_off_t seconds = 0;
    if (curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0)
      reply_.retry_after = std::min(absl::Seconds(seconds), kMaxRetryAfter);
    return absl::OkStatus();
  }

  int StatusCode() const {
    long code = 0;
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &code);
    return static_cast<int>(code);
  }

  absl::Status TakeHeader(absl::string_view line) {
    header_bytes_ += line.size();
    if (header_bytes_ > kMaxHeaderBytes) return BadAnswer("has over 64 KiB of headers");
    if (absl::StartsWithIgnoreCase(line, "content-encoding:")) {
      const absl::string_view encoding = absl::StripAsciiWhitespace(line.substr(17));
      if (!absl::EqualsIgnoreCase(encoding, "identity"))
        return BadAnswer("is compressed, which was not asked for");
    }
    return absl::OkStatus();
  }

  absl::Status TakeBody(absl::string_view piece) {
    RAGMESH_RETURN_IF_ERROR(call_.Check());
    if (StatusCode() != 200) {
      const std::size_t room = kMaxErrorBytes - reply_.error_body.size();
      reply_.error_body.append(piece.data(), std::min(room, piece.size()));
      cut_error_body_ = piece.size() > room;
      return absl::OkStatus();
    }
    body_bytes_ += piece.size();
    if (body_bytes_ > options_.max_body_bytes)
      return BadAnswer(absl::StrCat("is longer than ", options_.max_body_bytes, " bytes"));
    if (ends_by_ != absl::InfiniteFuture()) return absl::OkStatus();  // what does not matter
    RAGMESH_ASSIGN_OR_RETURN(const bool go_on, on_body_(piece));
    if (!go_on) ends_by_ = absl::Now() + kTimeToEnd;
    return absl::OkStatus();
  }

  static std::size_t HeaderCallback(char* data, std::size_t, std::size_t size, void* user) {
    auto& transfer = *static_cast<Transfer*>(user);
    transfer.status_ = transfer.TakeHeader({data, size});
    transfer.last_byte_ = absl::Now();
    return transfer.status_.ok() ? size : 0;
  }

  static std::size_t BodyCallback(char* data, std::size_t, std::size_t size, void* user) {
    auto& transfer = *static_cast<Transfer*>(user);
    transfer.status_ = transfer.TakeBody({data, size});
    transfer.last_byte_ = absl::Now();  // the time that on_body took is not the server's silence
    return transfer.status_.ok() && !transfer.cut_error_body_ ? size : 0;
  }

  const Options& options_;
  const OnBody on_body_;
  const CallContext& call_;
  CURL* const easy_;
  HeaderList headers_;
  HttpReply reply_;
  absl::Status status_;  // why a callback stopped the transfer
  bool cut_error_body_ = false;
  absl::Time ends_by_ = absl::InfiniteFuture();  // sooner once what follows does not matter
  absl::Time last_byte_;
  std::size_t header_bytes_ = 0;
  std::size_t body_bytes_ = 0;
  char problem_[CURL_ERROR_SIZE] = "";
};

HttpClient::HttpClient(Options options) : options_(std::move(options)) { InitialiseCurl(); }

HttpClient::~HttpClient() = default;

std::unique_ptr<HttpClient::Connection> HttpClient::Take() {
  {
    absl::MutexLock lock(&mutex_);
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  CURLM* const multi = curl_multi_init();
  if (multi == nullptr) return nullptr;
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1L);
  return std::make_unique<Connection>(multi);
}

void HttpClient::GiveBack(std::unique_ptr<Connection> connection) {
  absl::MutexLock lock(&mutex_);
  if (idle_.size() < kMaxIdleConnections) idle_.push_back(std::move(connection));
}

absl::StatusOr<HttpReply> HttpClient::Send(const std::string& url, const std::string* json,
                                           OnBody on_body, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  std::unique_ptr<Connection> connection = Take();
  if (connection == nullptr) return absl::InternalError("libcurl could not be initialised");
  Transfer transfer(options_, on_body, call);
  absl::Status status = transfer.Prepare(url, json);
  if (status.ok()) status = transfer.Run(connection->multi);
  GiveBack(std::move(connection));
  RAGMESH_RETURN_IF_ERROR(status);
  return transfer.TakeReply();
}

absl::StatusOr<std::string> CheckServerUrl(absl::string_view field, const std::string& url) {
  InitialiseCurl();
  constexpr char kNextStep[] = "Give it as http://HOST:PORT or https://HOST:PORT.";
  const std::unique_ptr<CURLU, void (*)(CURLU*)> parsed(curl_url(), &curl_url_cleanup);
  if (parsed == nullptr || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK)
    return InvalidField(field, "must be a URL", kNextStep);
  const auto part = [&](CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), which, &text, 0) != CURLUE_OK) return std::string();
    std::string copy(text);
    curl_free(text);
    return copy;
  };
  const std::string scheme = part(CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https")
    return InvalidField(field, "must begin with http:// or https://", kNextStep);
  if (!part(CURLUPART_USER).empty() || !part(CURLUPART_PASSWORD).empty()) {
    return InvalidField(field, "must not hold a user or password",
                        "Put the key into a file: --generator_key_file.");
  }
  if (!part(CURLUPART_QUERY).empty() || !part(CURLUPART_FRAGMENT).empty())
    return InvalidField(field, "must not hold a query or fragment", kNextStep);
  absl::string_view trimmed = url;
  while (absl::ConsumeSuffix(&trimmed, "/")) {
  }
  return std::string(trimmed);
}

}  // namespace ragmesh::remote_generation
