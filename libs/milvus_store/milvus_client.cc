#include "libs/milvus_store/milvus_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::milvus_store {
namespace {

constexpr int kMaxMessageBytes = 256 << 20;
constexpr int kBoolExpression = 1;        // DslType
constexpr int kCollectionNotFound = 100;  // merr's
constexpr absl::Duration kLoadLook = absl::Milliseconds(100);

// How long the texts of each field may be; Milvus takes 65,535 bytes at most.
struct TextField {
  const char* name;
  int max_bytes;
  std::string Row::*value;
};
constexpr TextField kTextFields[] = {{"key", 2200, &Row::key},
                                     {"tenant", 64, &Row::tenant},
                                     {"document", 1024, &Row::document},
                                     {"chunk", 1024, &Row::chunk},
                                     {"record", 65535, &Row::record}};
struct NumberField {
  const char* name;
  std::int64_t Row::*value;
};
constexpr NumberField kNumberFields[] = {{"kind", &Row::kind}, {"live", &Row::live}};
constexpr TextField kJsonFields[] = {{"labels", 0, &Row::labels}, {"meta", 0, &Row::meta}};

template <typename Pairs>
void AddPair(const std::string& key, const std::string& value, Pairs* pairs) {
  auto* const pair = pairs->Add();
  pair->set_key(key);
  pair->set_value(value);
}

// One call's context, cancelled with it.
class Context {
 public:
  Context(const std::string& token, const CallContext& call) {
    context_.set_deadline(absl::ToChronoTime(std::min(call.deadline(), kLatest())));
    if (!token.empty()) context_.AddMetadata("authorization", absl::Base64Escape(token));
    registration_ = call.OnCancel([this] { context_.TryCancel(); });
  }
  grpc::ClientContext* get() { return &context_; }

 private:
  // Beyond it the clock of gRPC would overflow.
  static absl::Time kLatest() { return absl::Now() + absl::Hours(24); }
  grpc::ClientContext context_;
  CallContext::Registration registration_;  // ends before the context
};

// Writes a column into rows, or makes as many rows.
void ReadColumn(const api::FieldData& column, std::vector<Row>* rows) {
  const auto fit = [rows](int size) {
    if (rows->size() < static_cast<std::size_t>(size)) rows->resize(size);
  };
  for (const TextField& field : kTextFields) {
    if (column.field_name() != field.name) continue;
    const auto& data = column.scalars().string_data().data();
    fit(data.size());
    for (int i = 0; i < data.size(); ++i) (*rows)[i].*field.value = data[i];
  }
  for (const NumberField& field : kNumberFields) {
    if (column.field_name() != field.name) continue;
    const auto& data = column.scalars().long_data().data();
    fit(data.size());
    for (int i = 0; i < data.size(); ++i) (*rows)[i].*field.value = data[i];
  }
  for (const TextField& field : kJsonFields) {
    if (column.field_name() != field.name) continue;
    const auto& data = column.scalars().json_data().data();
    fit(data.size());
    for (int i = 0; i < data.size(); ++i) (*rows)[i].*field.value = data[i];
  }
  const std::int64_t dimension = column.vectors().dim();
  if (column.field_name() == "vector" && dimension > 0) {
    const auto& data = column.vectors().float_vector().data();
    fit(static_cast<int>(data.size() / dimension));
    for (int i = 0; i < data.size() / dimension; ++i) {
      (*rows)[i].vector.assign(data.begin() + i * dimension, data.begin() + (i + 1) * dimension);
    }
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<MilvusClient>> MilvusClient::Make(const std::string& url,
                                                                 const std::string& token) {
  absl::string_view host = url;
  const bool tls = absl::ConsumePrefix(&host, "https://");
  absl::ConsumePrefix(&host, "http://");
  host = absl::StripSuffix(host, "/");
  if (host.empty() || absl::StrContains(host, "/") || absl::StrContains(host, "@")) {
    return InvalidField("store_url", "is not the address of a Milvus server",
                        "Write for example http://milvus.example:19530.");
  }
  std::string target(host);
  if (!absl::StrContains(target, ":")) target += ":19530";
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // How long one attempt may take stays gRPC's 20 s: Milvus opens its port long before it answers,
  // and in a process without a gRPC server an attempt gets on only every 5 s.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  // A channel of its own: two stores do not share one that is broken.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  auto stub = api::MilvusService::NewStub(
      grpc::CreateCustomChannel(target,
                                tls ? grpc::SslCredentials(grpc::SslCredentialsOptions())
                                    : grpc::InsecureChannelCredentials(),
                                arguments));
  return std::unique_ptr<MilvusClient>(
      new MilvusClient(absl::StrCat("Milvus at ", target), token, std::move(stub)));
}

template <typename Request, typename Response>
absl::StatusOr<Response> MilvusClient::Call(Method<Request, Response> method,
                                            const Request& request, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  Context context(token_, call);
  Response response;
  const grpc::Status status = (stub_.get()->*method)(context.get(), request, &response);
  if (status.ok()) return response;
  RAGMESH_RETURN_IF_ERROR(Annotate(call.Check(), absl::StrCat("waiting for ", name_)));
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return Unavailable(
          "STORE_UNAVAILABLE",
          absl::StrCat(name_, " cannot be reached: ", status.error_message().substr(0, 200)),
          "Check that the server runs; the call may be repeated.");
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return absl::DeadlineExceededError(absl::StrCat("waiting for ", name_));
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED:
      return WrongState("STORE_LOGIN_REFUSED", absl::StrCat(name_, " refuses the login"),
                        "Write user:password into the file of --store_password_file.");
    default:
      return MakeError(absl::StatusCode::kInternal,
                       absl::StrCat(name_, ": ", status.error_message().substr(0, 300)),
                       {.reason = "STORE_ERROR",
                        .metadata = {{"grpc_code", absl::StrCat(status.error_code())}}});
  }
}

absl::Status MilvusClient::Check(const api::Status& status) const {
  if (status.error_code() == 0 && status.code() == 0) return absl::OkStatus();
  if (status.code() == kCollectionNotFound) {
    return MakeError(absl::StatusCode::kNotFound,
                     absl::StrCat(name_, ": ", status.reason().substr(0, 300)),
                     {.reason = "COLLECTION_NOT_FOUND",
                      .next_step = "It was deleted meanwhile; create it anew."});
  }
  return MakeError(absl::StatusCode::kInternal,
                   absl::StrCat(name_, ": ", status.reason().substr(0, 300)),
                   {.reason = "STORE_ERROR",
                    .metadata = {{"code", absl::StrCat(status.code())},
                                 {"error_code", absl::StrCat(status.error_code())}}});
}

absl::StatusOr<std::string> MilvusClient::Version(const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(
      const api::GetVersionResponse response,
      Call(&api::MilvusService::Stub::GetVersion, api::GetVersionRequest(), call));
  RAGMESH_RETURN_IF_ERROR(Check(response.status()));
  return response.version();
}

absl::StatusOr<bool> MilvusClient::HasCollection(const std::string& name, const CallContext& call) {
  api::HasCollectionRequest request;
  request.set_collection_name(name);
  RAGMESH_ASSIGN_OR_RETURN(const api::BoolResponse response,
                           Call(&api::MilvusService::Stub::HasCollection, request, call));
  RAGMESH_RETURN_IF_ERROR(Check(response.status()));
  return response.value();
}

absl::Status MilvusClient::MakeCollection(const std::string& name, std::uint32_t dimension,
                                          const std::string& index, const CallContext& call) {
  api::CollectionSchema schema;
  schema.set_name(name);
  const auto add = [&](const std::string& field, api::DataType type) {
    auto* const added = schema.add_fields();
    added->set_name(field);
    added->set_data_type(type);
    added->set_is_primary_key(field == "key");
    return added;
  };
  for (const TextField& field : kTextFields) {
    AddPair("max_length", absl::StrCat(field.max_bytes),
            add(field.name, api::VARCHAR)->mutable_type_params());
  }
  for (const NumberField& field : kNumberFields) add(field.name, api::INT64);
  for (const TextField& field : kJsonFields) add(field.name, api::JSON);
  AddPair("dim", absl::StrCat(dimension), add("vector", api::FLOAT_VECTOR)->mutable_type_params());
  api::CreateCollectionRequest request;
  request.set_collection_name(name);
  request.set_schema(schema.SerializeAsString());
  request.set_shards_num(1);  // so that all rows of a write are in one log
  request.set_consistency_level(api::SESSION);
  RAGMESH_ASSIGN_OR_RETURN(const api::Status made,
                           Call(&api::MilvusService::Stub::CreateCollection, request, call));
  RAGMESH_RETURN_IF_ERROR(Check(made));

  api::CreateIndexRequest indexed;
  indexed.set_collection_name(name);
  indexed.set_field_name("vector");
  AddPair("index_type", index, indexed.mutable_extra_params());
  AddPair("metric_type", "IP", indexed.mutable_extra_params());
  AddPair("params", index == "HNSW" ? R"({"M":16,"efConstruction":200})" : "{}",
          indexed.mutable_extra_params());
  RAGMESH_ASSIGN_OR_RETURN(const api::Status indexing,
                           Call(&api::MilvusService::Stub::CreateIndex, indexed, call));
  RAGMESH_RETURN_IF_ERROR(Check(indexing));

  api::LoadCollectionRequest load;
  load.set_collection_name(name);
  load.set_replica_number(1);
  RAGMESH_ASSIGN_OR_RETURN(const api::Status loading,
                           Call(&api::MilvusService::Stub::LoadCollection, load, call));
  RAGMESH_RETURN_IF_ERROR(Check(loading));
  api::GetLoadStateRequest look;
  look.set_collection_name(name);
  while (true) {
    RAGMESH_ASSIGN_OR_RETURN(const api::GetLoadStateResponse state,
                             Call(&api::MilvusService::Stub::GetLoadState, look, call));
    RAGMESH_RETURN_IF_ERROR(Check(state.status()));
    if (state.state() == api::LOAD_STATE_LOADED) return absl::OkStatus();
    absl::SleepFor(std::min(kLoadLook, call.Remaining()));
  }
}

absl::Status MilvusClient::DropCollection(const std::string& name, const CallContext& call) {
  api::DropCollectionRequest request;
  request.set_collection_name(name);
  RAGMESH_ASSIGN_OR_RETURN(const api::Status dropped,
                           Call(&api::MilvusService::Stub::DropCollection, request, call));
  return Check(dropped);
}

absl::StatusOr<std::uint64_t> MilvusClient::Upsert(const std::string& name, std::uint32_t dimension,
                                                   absl::Span<const Row> rows,
                                                   const CallContext& call) {
  api::UpsertRequest request;
  request.set_collection_name(name);
  request.set_num_rows(static_cast<std::uint32_t>(rows.size()));
  const auto add = [&](const char* field, api::DataType type) {
    auto* const column = request.add_fields_data();
    column->set_field_name(field);
    column->set_type(type);
    return column;
  };
  for (const TextField& field : kTextFields) {
    auto* const data =
        add(field.name, api::VARCHAR)->mutable_scalars()->mutable_string_data()->mutable_data();
    for (const Row& row : rows) *data->Add() = row.*field.value;
  }
  for (const NumberField& field : kNumberFields) {
    auto* const data =
        add(field.name, api::INT64)->mutable_scalars()->mutable_long_data()->mutable_data();
    for (const Row& row : rows) data->Add(row.*field.value);
  }
  for (const TextField& field : kJsonFields) {
    auto* const data =
        add(field.name, api::JSON)->mutable_scalars()->mutable_json_data()->mutable_data();
    for (const Row& row : rows) *data->Add() = row.*field.value;
  }
  auto* const vectors = add("vector", api::FLOAT_VECTOR)->mutable_vectors();
  vectors->set_dim(dimension);
  auto* const values = vectors->mutable_float_vector()->mutable_data();
  for (const Row& row : rows) {
    // Rows that are no chunks need a vector all the same.
    for (std::uint32_t i = 0; i < dimension; ++i)
      values->Add(i < row.vector.size() ? row.vector[i] : 0);
  }
  RAGMESH_ASSIGN_OR_RETURN(const api::MutationResult done,
                           Call(&api::MilvusService::Stub::Upsert, request, call));
  RAGMESH_RETURN_IF_ERROR(Check(done.status()));
  return done.timestamp();
}

absl::Status MilvusClient::Delete(const std::string& name, absl::Span<const std::string> keys,
                                  const CallContext& call) {
  api::DeleteRequest request;
  request.set_collection_name(name);
  request.set_expr(absl::StrCat("key in [\"", absl::StrJoin(keys, "\",\""), "\"]"));
  RAGMESH_ASSIGN_OR_RETURN(const api::MutationResult done,
                           Call(&api::MilvusService::Stub::Delete, request, call));
  return Check(done.status());
}

absl::StatusOr<std::vector<Row>> MilvusClient::Query(const std::string& name,
                                                     const std::string& expression,
                                                     const std::vector<std::string>& fields,
                                                     std::size_t limit, std::uint64_t seen,
                                                     const CallContext& call) {
  api::QueryRequest request;
  request.set_collection_name(name);
  request.set_expr(expression);
  for (const std::string& field : fields) request.add_output_fields(field);
  if (limit > 0) AddPair("limit", absl::StrCat(limit), request.mutable_query_params());
  request.set_consistency_level(seen == 0 ? api::STRONG : api::SESSION);
  request.set_guarantee_timestamp(seen);
  RAGMESH_ASSIGN_OR_RETURN(const api::QueryResults found,
                           Call(&api::MilvusService::Stub::Query, request, call));
  RAGMESH_RETURN_IF_ERROR(Check(found.status()));
  std::vector<Row> rows;
  for (const api::FieldData& column : found.fields_data()) ReadColumn(column, &rows);
  return rows;
}

absl::StatusOr<std::uint64_t> MilvusClient::Count(const std::string& name,
                                                  const std::string& expression, std::uint64_t seen,
                                                  const CallContext& call) {
  api::QueryRequest request;
  request.set_collection_name(name);
  request.set_expr(expression);
  request.add_output_fields("count(*)");
  request.set_consistency_level(seen == 0 ? api::STRONG : api::SESSION);
  request.set_guarantee_timestamp(seen);
  RAGMESH_ASSIGN_OR_RETURN(const api::QueryResults found,
                           Call(&api::MilvusService::Stub::Query, request, call));
  RAGMESH_RETURN_IF_ERROR(Check(found.status()));
  for (const api::FieldData& column : found.fields_data()) {
    const auto& data = column.scalars().long_data().data();
    if (!data.empty()) return static_cast<std::uint64_t>(data[0]);
  }
  return std::uint64_t{0};
}

absl::StatusOr<std::vector<Row>> MilvusClient::Search(const std::string& name,
                                                      const std::string& expression,
                                                      absl::Span<const float> vector,
                                                      std::size_t limit,
                                                      const std::vector<std::string>& fields,
                                                      std::uint64_t seen, const CallContext& call) {
  api::PlaceholderGroup group;
  auto* const query = group.add_placeholders();
  query->set_tag("$0");
  query->set_type(api::FLOAT_VECTOR);
  query->add_values(reinterpret_cast<const char*>(vector.data()), vector.size() * sizeof(float));
  api::SearchRequest request;
  request.set_collection_name(name);
  request.set_dsl(expression);
  request.set_dsl_type(kBoolExpression);
  request.set_placeholder_group(group.SerializeAsString());
  for (const std::string& field : fields) request.add_output_fields(field);
  AddPair("anns_field", "vector", request.mutable_search_params());
  AddPair("topk", absl::StrCat(limit), request.mutable_search_params());
  AddPair("metric_type", "IP", request.mutable_search_params());
  AddPair("params", absl::StrCat("{\"ef\":", std::max<std::size_t>(limit, 100), "}"),
          request.mutable_search_params());
  AddPair("round_decimal", "-1", request.mutable_search_params());
  request.set_nq(1);
  request.set_consistency_level(seen == 0 ? api::STRONG : api::SESSION);
  request.set_guarantee_timestamp(seen);
  RAGMESH_ASSIGN_OR_RETURN(const api::SearchResults found,
                           Call(&api::MilvusService::Stub::Search, request, call));
  RAGMESH_RETURN_IF_ERROR(Check(found.status()));
  std::vector<Row> rows;
  for (const api::FieldData& column : found.results().fields_data()) ReadColumn(column, &rows);
  const auto& scores = found.results().scores();
  if (rows.size() > static_cast<std::size_t>(scores.size())) rows.resize(scores.size());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].score = scores[static_cast<int>(i)];
  return rows;
}

}  // namespace ragmesh::milvus_store
