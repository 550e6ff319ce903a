#include "libs/bridge/static_files.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/sha256.h"

namespace ragmesh::bridge {
namespace {

std::string MediaType(absl::string_view path) {
  if (absl::EndsWith(path, ".html")) return "text/html; charset=utf-8";
  if (absl::EndsWith(path, ".js")) return "text/javascript; charset=utf-8";
  if (absl::EndsWith(path, ".css")) return "text/css; charset=utf-8";
  if (absl::EndsWith(path, ".svg")) return "image/svg+xml";
  return "application/octet-stream";
}

}  // namespace

StaticFiles::StaticFiles(std::vector<StaticFile> files) {
  for (const StaticFile& file : files) {
    entries_.push_back({file, absl::StrCat("\"", Sha256Hex(file.bytes).substr(0, 32), "\"")});
  }
}

const StaticFiles::Entry* StaticFiles::Find(absl::string_view path) const {
  if (path == "/") path = "/index.html";
  for (const Entry& entry : entries_) {
    if (entry.file.path == path) return &entry;
  }
  return nullptr;
}

http::Response StaticFiles::Serve(const http::RequestHead& head) const {
  if (head.method != "GET" && head.method != "HEAD") {
    return {.status = 405, .headers = {{"Allow", "GET, HEAD"}}, .body = ""};
  }
  const Entry* entry = Find(head.path);
  http::Headers headers = {
      {"Content-Type", MediaType(entry->file.path)},
      {"ETag", entry->etag},
      {"Cache-Control", "no-cache"}};  // kept, but asked about each time: upgrades show at once
  if (absl::StrContains(head.Find("If-None-Match"), entry->etag)) {
    return {.status = 304, .headers = std::move(headers), .body = ""};
  }
  return {.headers = std::move(headers), .body = std::string(entry->file.bytes)};
}

}  // namespace ragmesh::bridge
