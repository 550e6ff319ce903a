#include "libs/journal/record_codec.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::journal {
namespace {

using nlohmann::json;

// JSON holds UTF-8 only; paths are whatever the file system holds, so they are escaped.
std::string EscapeBytes(absl::string_view bytes) { return absl::CHexEscape(bytes); }
std::string UnescapeBytes(const std::string& text) {
  std::string bytes;
  return absl::CUnescape(text, &bytes) ? bytes : std::string();
}

template <typename T>
T Get(const json& from, const char* key, T fallback = T()) {
  const auto it = from.find(key);
  if (it == from.end()) return fallback;
  if constexpr (std::is_same_v<T, std::string>) {
    return it->is_string() ? it->get<std::string>() : fallback;
  } else if constexpr (std::is_same_v<T, bool>) {
    return it->is_boolean() ? it->get<bool>() : fallback;
  } else {
    return it->is_number() ? it->get<T>() : fallback;
  }
}

std::vector<std::string> GetStrings(const json& from, const char* key) {
  std::vector<std::string> strings;
  const auto it = from.find(key);
  if (it == from.end() || !it->is_array()) return strings;
  for (const json& item : *it) {
    if (item.is_string()) strings.push_back(item.get<std::string>());
  }
  return strings;
}

absl::Time GetTime(const json& from, const char* key) {
  return absl::FromUnixMicros(Get<std::int64_t>(from, key, 0));
}

template <typename Enum>
Enum GetEnum(const json& from, const char* key, Enum last) {
  const int value = Get<int>(from, key, 0);
  return value >= 0 && value <= static_cast<int>(last) ? static_cast<Enum>(value) : Enum{};
}

json StatusToJson(const absl::Status& status) {
  if (status.ok()) return nullptr;
  json out = {{"code", static_cast<int>(status.code())},
              {"message", std::string(status.message())}};
  const auto detail = GetErrorDetail(status);
  if (!detail.has_value()) return out;
  out["reason"] = detail->reason;
  out["field"] = detail->field;
  out["next_step"] = detail->next_step;
  if (detail->retry_after.has_value())
    out["retry_ms"] = absl::ToInt64Milliseconds(*detail->retry_after);
  out["metadata"] = detail->metadata;
  return out;
}

absl::Status StatusFromJson(const json& from, const char* key) {
  const auto it = from.find(key);
  if (it == from.end() || !it->is_object()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(
      Get<int>(*it, "code", static_cast<int>(absl::StatusCode::kUnknown)));
  if (code == absl::StatusCode::kOk) return absl::OkStatus();
  if (!it->contains("reason")) return absl::Status(code, Get<std::string>(*it, "message"));
  ErrorDetail detail;
  detail.reason = Get<std::string>(*it, "reason");
  detail.field = Get<std::string>(*it, "field");
  detail.next_step = Get<std::string>(*it, "next_step");
  if (it->contains("retry_ms"))
    detail.retry_after = absl::Milliseconds(Get<std::int64_t>(*it, "retry_ms"));
  const auto metadata = it->find("metadata");
  if (metadata != it->end() && metadata->is_object()) {
    for (const auto& [name, value] : metadata->items()) {
      if (value.is_string()) detail.metadata[name] = value.get<std::string>();
    }
  }
  return MakeError(code, Get<std::string>(*it, "message"), detail);
}

// A metadata value is a pair of its alternative's letter and the value.
json ValueToJson(const stages::MetadataValue& value) {
  struct Visitor {
    json operator()(const std::string& v) const { return json::array({"s", v}); }
    json operator()(std::int64_t v) const { return json::array({"i", v}); }
    json operator()(double v) const { return json::array({"d", v}); }
    json operator()(bool v) const { return json::array({"b", v}); }
    json operator()(absl::Time v) const { return json::array({"t", absl::ToUnixMicros(v)}); }
    json operator()(const std::vector<std::string>& v) const { return json::array({"l", v}); }
  };
  return std::visit(Visitor(), value);
}

bool ValueFromJson(const json& from, stages::MetadataValue* value) {
  if (!from.is_array() || from.size() != 2 || !from[0].is_string()) return false;
  const std::string kind = from[0].get<std::string>();
  const json& v = from[1];
  if (kind == "s" && v.is_string()) {
    *value = v.get<std::string>();
  } else if (kind == "i" && v.is_number_integer()) {
    *value = v.get<std::int64_t>();
  } else if (kind == "d" && v.is_number()) {
    *value = v.get<double>();
  } else if (kind == "b" && v.is_boolean()) {
    *value = v.get<bool>();
  } else if (kind == "t" && v.is_number_integer()) {
    *value = absl::FromUnixMicros(v.get<std::int64_t>());
  } else if (kind == "l" && v.is_array()) {
    std::vector<std::string> list;
    for (const json& item : v) {
      if (item.is_string()) list.push_back(item.get<std::string>());
    }
    *value = std::move(list);
  } else {
    return false;
  }
  return true;
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<json> Parse(absl::string_view text) {
  json value = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!value.is_object()) return Corrupt("journal record", "is not a JSON object");
  return value;
}

}  // namespace

std::string EncodeJob(const JobRecord& job) {
  json metadata = json::object();
  for (const auto& [name, value] : job.options.metadata) metadata[name] = ValueToJson(value);
  json paths = json::array();
  for (const std::string& path : job.paths) paths.push_back(EscapeBytes(path));
  json change;  // null without one
  if (job.change.has_value()) {
    change = {{"source", job.change->source},
              {"target", job.change->target},
              {"makes_target", job.change->makes_target},
              {"embedder_model", job.change->embedder_model},
              {"embedder_digest", job.change->embedder_digest},
              {"dimension", job.change->dimension},
              {"chunks_truncated", job.change->chunks_truncated}};
  }
  return Dump({{"id", job.id},
               {"tenant", job.tenant},
               {"collection", job.collection},
               {"state", static_cast<int>(job.state)},
               {"created_us", absl::ToUnixMicros(job.created)},
               {"updated_us", absl::ToUnixMicros(job.updated)},
               {"documents_total", job.documents_total},
               {"documents_done", job.documents_done},
               {"documents_unchanged", job.documents_unchanged},
               {"documents_failed", job.documents_failed},
               {"chunks_done", job.chunks_done},
               {"chunks_reused", job.chunks_reused},
               {"error", StatusToJson(job.error)},
               {"metadata", metadata},
               {"acl_labels", job.options.acl_labels},
               {"max_chunk_tokens", job.options.max_chunk_tokens},
               {"overlap_tokens", job.options.overlap_tokens},
               {"caller_labels", job.caller_labels},
               {"prune", job.prune},
               {"paths", paths},
               {"walked", job.walked},
               {"change", change}});
}

absl::StatusOr<JobRecord> DecodeJob(absl::string_view text) {
  const auto parsed = Parse(text);
  if (!parsed.ok()) return parsed.status();
  const json& from = *parsed;
  JobRecord job;
  job.id = Get<std::string>(from, "id");
  job.tenant = Get<std::string>(from, "tenant");
  job.collection = Get<std::string>(from, "collection");
  job.state = GetEnum(from, "state", State::kCancelled);
  job.created = GetTime(from, "created_us");
  job.updated = GetTime(from, "updated_us");
  job.documents_total = Get<std::uint32_t>(from, "documents_total");
  job.documents_done = Get<std::uint32_t>(from, "documents_done");
  job.documents_unchanged = Get<std::uint32_t>(from, "documents_unchanged");
  job.documents_failed = Get<std::uint32_t>(from, "documents_failed");
  job.chunks_done = Get<std::uint64_t>(from, "chunks_done");
  job.chunks_reused = Get<std::uint64_t>(from, "chunks_reused");
  job.error = StatusFromJson(from, "error");
  const auto metadata = from.find("metadata");
  if (metadata != from.end() && metadata->is_object()) {
    for (const auto& [name, value] : metadata->items()) {
      stages::MetadataValue decoded;
      if (ValueFromJson(value, &decoded)) job.options.metadata[name] = std::move(decoded);
    }
  }
  job.options.acl_labels = GetStrings(from, "acl_labels");
  job.options.max_chunk_tokens = Get<std::uint32_t>(from, "max_chunk_tokens");
  job.options.overlap_tokens = Get<std::uint32_t>(from, "overlap_tokens");
  job.caller_labels = GetStrings(from, "caller_labels");
  job.prune = Get<bool>(from, "prune");
  for (const std::string& path : GetStrings(from, "paths"))
    job.paths.push_back(UnescapeBytes(path));
  job.walked = Get<std::uint32_t>(from, "walked");
  if (const auto found = from.find("change"); found != from.end() && found->is_object()) {
    ModelChange change;
    change.source = Get<std::string>(*found, "source");
    change.target = Get<std::string>(*found, "target");
    change.makes_target = Get<bool>(*found, "makes_target");
    change.embedder_model = Get<std::string>(*found, "embedder_model");
    change.embedder_digest = Get<std::string>(*found, "embedder_digest");
    change.dimension = Get<std::uint32_t>(*found, "dimension");
    change.chunks_truncated = Get<std::uint64_t>(*found, "chunks_truncated");
    job.change = std::move(change);
  }
  if (job.id.empty()) return Corrupt("journal record", "is a job without an id");
  return job;
}

std::string EncodeDocument(const DocumentRecord& document) {
  return Dump({{"job_id", document.job_id},
               {"ordinal", document.ordinal},
               {"document_id", document.document_id},
               {"name", document.name},
               {"uri", document.uri},
               {"path", EscapeBytes(document.path)},
               {"spool_sha256", document.spool_sha256},
               {"root", EscapeBytes(document.root)},
               {"has_password", document.has_password},
               {"state", static_cast<int>(document.state)},
               {"step", static_cast<int>(document.step)},
               {"size_bytes", document.size_bytes},
               {"chunks_total", document.chunks_total},
               {"chunks_done", document.chunks_done},
               {"chunks_reused", document.chunks_reused},
               {"unchanged", document.unchanged},
               {"error", StatusToJson(document.error)},
               {"attempts", document.attempts}});
}

absl::StatusOr<DocumentRecord> DecodeDocument(absl::string_view text) {
  const auto parsed = Parse(text);
  if (!parsed.ok()) return parsed.status();
  const json& from = *parsed;
  DocumentRecord document;
  document.job_id = Get<std::string>(from, "job_id");
  document.ordinal = Get<std::uint32_t>(from, "ordinal");
  document.document_id = Get<std::string>(from, "document_id");
  document.name = Get<std::string>(from, "name");
  document.uri = Get<std::string>(from, "uri");
  document.path = UnescapeBytes(Get<std::string>(from, "path"));
  document.spool_sha256 = Get<std::string>(from, "spool_sha256");
  document.root = UnescapeBytes(Get<std::string>(from, "root"));
  document.has_password = Get<bool>(from, "has_password");
  document.state = GetEnum(from, "state", State::kCancelled);
  document.step = GetEnum(from, "step", Step::kIndex);
  document.size_bytes = Get<std::uint64_t>(from, "size_bytes");
  document.chunks_total = Get<std::uint32_t>(from, "chunks_total");
  document.chunks_done = Get<std::uint32_t>(from, "chunks_done");
  document.chunks_reused = Get<std::uint32_t>(from, "chunks_reused");
  document.unchanged = Get<bool>(from, "unchanged");
  document.error = StatusFromJson(from, "error");
  document.attempts = Get<std::uint32_t>(from, "attempts");
  if (document.job_id.empty()) return Corrupt("journal record", "is a document without a job");
  return document;
}

std::string EncodeFootprint(const Footprint& footprint) {
  return Dump({{"document_id", footprint.document_id},
               {"root", EscapeBytes(footprint.root)},
               {"fingerprint", footprint.fingerprint},
               {"version", footprint.version}});
}

absl::StatusOr<Footprint> DecodeFootprint(absl::string_view text) {
  const auto parsed = Parse(text);
  if (!parsed.ok()) return parsed.status();
  Footprint footprint;
  footprint.document_id = Get<std::string>(*parsed, "document_id");
  footprint.root = UnescapeBytes(Get<std::string>(*parsed, "root"));
  footprint.fingerprint = Get<std::string>(*parsed, "fingerprint");
  footprint.version = Get<std::uint64_t>(*parsed, "version");
  return footprint;
}

}  // namespace ragmesh::journal
