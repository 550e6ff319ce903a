#include "libs/model_store/catalogue.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/model_store/catalogue_text.h"

namespace ragmesh::model_store {
namespace {

using Json = nlohmann::json;

std::string Text(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::int64_t Number(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}

bool Flag(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

const Json& List(const Json& object, const char* key) {
  static const Json& empty = *new Json(Json::array());
  const auto found = object.find(key);
  return found != object.end() && found->is_array() ? *found : empty;
}

bool IsDigest(absl::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
         });
}

absl::StatusOr<Source> ParseSource(const Json& json, const std::string& where) {
  Source source;
  source.repo = Text(json, "repo");
  source.revision = Text(json, "revision");
  source.url = Text(json, "url");
  source.package = Text(json, "package");
  source.platform = Text(json, "platform");
  source.sha256 = Text(json, "sha256");
  source.size_bytes = Number(json, "size_bytes");
  source.path = Text(json, "path");
  const std::string type = Text(json, "type");
  bool complete = false;
  if (type == "hub") {
    source.kind = Source::Kind::kHub;
    complete = !source.repo.empty() && !source.revision.empty() && !source.path.empty();
  } else if (type == "url") {
    source.kind = Source::Kind::kUrl;
    complete = !source.url.empty();
  } else if (type == "package") {
    source.kind = Source::Kind::kPackage;
    // A name that begins with '-' would be read by pip as an option.
    complete = absl::StrContains(source.package, "==") && absl::ascii_isalnum(source.package[0]) &&
               !source.path.empty() && (source.sha256.empty() || IsDigest(source.sha256));
  } else if (type == "parts") {
    source.kind = Source::Kind::kParts;
    for (const Json& part : List(json, "parts")) {
      RAGMESH_ASSIGN_OR_RETURN(Source parsed, ParseSource(part, where));
      if (parsed.kind != Source::Kind::kPackage)
        return InvalidField(where, "may only join packages");
      source.parts.push_back(std::move(parsed));
    }
    complete = !source.parts.empty();
  }
  if (!complete)
    return InvalidField(where, absl::StrCat("has an incomplete source of type '", type, "'"));
  return source;
}

absl::StatusOr<File> ParseFile(const Json& json, const std::string& where) {
  File file;
  file.name = Text(json, "name");
  file.platform = Text(json, "platform");
  file.size_bytes = Number(json, "size_bytes");
  file.sha256 = Text(json, "sha256");
  if (file.name.empty()) return InvalidField(where, "has a file without a name");
  const std::string here = absl::StrCat(where, ".", file.name);
  if (!IsDigest(file.sha256))
    return InvalidField(here, "has no SHA-256 of 64 lower-case hexadecimal characters");
  if (file.size_bytes <= 0) return InvalidField(here, "has no size_bytes");
  for (const Json& source : List(json, "sources")) {
    RAGMESH_ASSIGN_OR_RETURN(Source parsed, ParseSource(source, here));
    file.sources.push_back(std::move(parsed));
  }
  if (file.sources.empty()) return InvalidField(here, "has no source");
  return file;
}

absl::StatusOr<Facts> ParseFacts(const Json& json, const std::string& where) {
  Facts facts;
  facts.architecture = Text(json, "architecture");
  facts.dimension = static_cast<std::uint32_t>(Number(json, "dimension"));
  facts.max_tokens = static_cast<std::uint32_t>(Number(json, "max_tokens"));
  facts.normalise = Flag(json, "normalise");
  facts.query_prefix = Text(json, "query_prefix");
  facts.passage_prefix = Text(json, "passage_prefix");
  facts.head_logits = static_cast<std::uint32_t>(Number(json, "head_logits"));
  const std::string pooling = Text(json, "pooling");
  if (pooling == "cls") {
    facts.pooling = Pooling::kCls;
  } else if (!pooling.empty() && pooling != "mean") {
    return InvalidField(absl::StrCat(where, ".pooling"), "must be mean or cls");
  }
  return facts;
}

absl::StatusOr<Role> ParseRole(const std::string& text, const std::string& where) {
  for (Role role : {Role::kEmbedder, Role::kReranker, Role::kGenerator, Role::kRuntime}) {
    if (text == RoleName(role)) return role;
  }
  return InvalidField(absl::StrCat(where, ".role"),
                      "must be embedder, reranker, generator or runtime");
}

absl::StatusOr<Model> ParseModel(const Json& json, absl::string_view platform) {
  Model model;
  model.name = Text(json, "name");
  if (model.name.empty()) return InvalidField("catalogue", "has a model without a name");
  RAGMESH_ASSIGN_OR_RETURN(model.role, ParseRole(Text(json, "role"), model.name));
  model.is_default = Flag(json, "default");
  model.summary = Text(json, "summary");
  model.licence = Text(json, "licence");
  if (model.licence.empty()) return InvalidField(model.name, "states no licence");
  model.digest_pulled = Text(json, "checked") == "pulled";
  RAGMESH_ASSIGN_OR_RETURN(model.facts,
                           ParseFacts(json.value("facts", Json::object()), model.name));
  for (const Json& file : List(json, "files")) {
    RAGMESH_ASSIGN_OR_RETURN(File parsed, ParseFile(file, model.name));
    if (parsed.platform.empty() || parsed.platform == platform)
      model.files.push_back(std::move(parsed));
  }
  return model;
}

}  // namespace

std::string Source::Label() const {
  switch (kind) {
    case Kind::kHub:
      return absl::StrCat("hub ", repo);
    case Kind::kUrl:
      return url;
    case Kind::kPackage:
      return absl::StrCat("package ", package);
    case Kind::kParts:
      return absl::StrCat("packages ", parts.front().package, " to ", parts.back().package);
  }
  return "";
}

absl::StatusOr<Catalogue> Catalogue::Parse(absl::string_view json, absl::string_view platform) {
  const Json root =
      Json::parse(json.begin(), json.end(), /*cb=*/nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) return InvalidField("catalogue", "is not a JSON object");
  if (Number(root, "format") != 1) return InvalidField("catalogue.format", "must be 1");
  Catalogue catalogue;
  std::set<std::string> names;
  for (const Json& entry : List(root, "models")) {
    if (!entry.is_object()) return InvalidField("catalogue.models", "must hold objects");
    RAGMESH_ASSIGN_OR_RETURN(Model model, ParseModel(entry, platform));
    if (!names.insert(model.name).second)
      return InvalidField(model.name, "is in the catalogue twice");
    catalogue.models_.push_back(std::move(model));
  }
  return catalogue;
}

const Catalogue& Catalogue::BuiltIn() {
  static const Catalogue& built_in = *[] {
    absl::StatusOr<Catalogue> parsed = Parse(kCatalogueText, ThisPlatform());
    RAGMESH_CHECK(parsed.ok(), "the catalogue in this program does not parse");
    return new Catalogue(*std::move(parsed));
  }();
  return built_in;
}

absl::StatusOr<const Model*> Catalogue::Find(absl::string_view name) const {
  for (const Model& model : models_) {
    if (model.name == name) return &model;
  }
  return NotFound(
      "model", name,
      absl::StrCat("Known models: ",
                   absl::StrJoin(models_, ", ", [](std::string* out, const Model& model) {
                     out->append(model.name);
                   })));
}

absl::string_view RoleName(Role role) {
  switch (role) {
    case Role::kEmbedder:
      return "embedder";
    case Role::kReranker:
      return "reranker";
    case Role::kGenerator:
      return "generator";
    case Role::kRuntime:
      return "runtime";
  }
  return "";
}

absl::string_view ThisPlatform() {
#if defined(__x86_64__)
  return "x86_64";
#elif defined(__aarch64__)
  return "aarch64";
#else
  return "other";
#endif
}

}  // namespace ragmesh::model_store
