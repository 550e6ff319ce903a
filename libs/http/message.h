// What an HTTP exchange is made of, in plain types: a request's head, a response, a header.
#ifndef RAGMESH_LIBS_HTTP_MESSAGE_H_
#define RAGMESH_LIBS_HTTP_MESSAGE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::http {

struct Header {
  std::string name;
  std::string value;
};
using Headers = std::vector<Header>;

// Value of the first header with this name, in any case; empty when there is none.
absl::string_view FindHeader(const Headers& headers, absl::string_view name);

// A request without its body. Everything here was sent by the client and is untrusted, except `id`
// and `remote`.
struct RequestHead {
  std::string method;  // "GET", upper case as sent
  std::string path;    // before '?', still percent-encoded, begins with '/'
  std::string query;   // after '?', still percent-encoded
  Headers headers;     // in order; names as sent
  std::optional<std::uint64_t> content_length;  // absent when chunked or without a body
  std::string remote;                           // address of the peer, without port
  std::string id;  // the client's X-Request-Id when it is well-formed, else drawn by the server

  absl::string_view Find(absl::string_view name) const { return FindHeader(headers, name); }
};

struct Response {
  int status = 200;
  Headers headers;  // Content-Length, Date, Connection and X-Request-Id are added by the server
  std::string body;
};

// The head of a response whose body comes piece by piece.
struct StreamHead {
  int status = 200;
  Headers headers;
  // Sent whenever nothing else was for the server's keep-alive interval (15 s); empty: nothing is
  // sent.
  std::string keep_alive;
};

// "Not Found" for 404; "Unknown" for codes that have no name.
absl::string_view ReasonPhrase(int status);

// Undoes percent-encoding. nullopt when a '%' is not followed by two hexadecimal digits. '+'
// becomes a space when `plus_is_space`, as in query strings.
std::optional<std::string> PercentDecode(absl::string_view text, bool plus_is_space = false);

// Splits "a=1&b=2" and decodes both sides. nullopt when the encoding is broken or there are more
// than `max_parameters`.
std::optional<std::vector<Header>> ParseQuery(absl::string_view query, std::size_t max_parameters);

}  // namespace ragmesh::http

#endif  // RAGMESH_LIBS_HTTP_MESSAGE_H_
