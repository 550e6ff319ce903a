// Calls to one Milvus server.
#ifndef RAGMESH_LIBS_MILVUS_STORE_MILVUS_CLIENT_H_
#define RAGMESH_LIBS_MILVUS_STORE_MILVUS_CLIENT_H_

#include <milvus/milvus.grpc.pb.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"

namespace ragmesh::milvus_store {

namespace api = ::milvus::proto::milvus;

// One row of a collection; which fields of it are there is up to who asks.
struct Row {
  std::string key;  // primary: see rows.h
  std::int64_t kind = 0;
  std::int64_t live = 1;
  std::string tenant;
  std::string document;       // hexadecimal
  std::string chunk;          // hexadecimal
  std::string labels = "{}";  // JSON
  std::string meta = "{}";    // JSON
  std::string record;         // base 64
  std::vector<float> vector;
  double score = 0;  // of a search
};

// Thread-safe. One channel, which connects anew by itself, from 100 ms to 5 s apart. Errors are
// UNAVAILABLE / STORE_UNAVAILABLE naming the server, DEADLINE_EXCEEDED, CANCELLED,
// NOT_FOUND / COLLECTION_NOT_FOUND, and INTERNAL / STORE_ERROR with what Milvus says.
class MilvusClient {
 public:
  // `url`: "milvus.example:19530", or with http:// or https:// in front. `token`: "user:password",
  // empty when the server asks for none.
  static absl::StatusOr<std::unique_ptr<MilvusClient>> Make(const std::string& url,
                                                            const std::string& token);

  const std::string& name() const { return name_; }  // "Milvus at host:port"

  absl::StatusOr<std::string> Version(const CallContext& call);
  absl::StatusOr<bool> HasCollection(const std::string& name, const CallContext& call);
  // A collection with the fields of Row, its index, loaded. `index` is "FLAT" or "HNSW".
  absl::Status MakeCollection(const std::string& name, std::uint32_t dimension,
                              const std::string& index, const CallContext& call);
  absl::Status DropCollection(const std::string& name, const CallContext& call);

  // All rows in one request, which Milvus stamps with one time: that is returned. What a row of the
  // same key held is gone.
  absl::StatusOr<std::uint64_t> Upsert(const std::string& name, std::uint32_t dimension,
                                       absl::Span<const Row> rows, const CallContext& call);
  // Milvus does not say (2.3.5) from when on they are unseen: some tenths of a second later.
  absl::Status Delete(const std::string& name, absl::Span<const std::string> keys,
                      const CallContext& call);

  // Rows that match, by their keys, at most `limit` (0: all). `fields` are names of Row's fields.
  // `seen`: everything up to that time is; 0: everything up to now, which takes longer.
  absl::StatusOr<std::vector<Row>> Query(const std::string& name, const std::string& expression,
                                         const std::vector<std::string>& fields, std::size_t limit,
                                         std::uint64_t seen, const CallContext& call);
  absl::StatusOr<std::uint64_t> Count(const std::string& name, const std::string& expression,
                                      std::uint64_t seen, const CallContext& call);
  // The best rows by inner product, best first.
  absl::StatusOr<std::vector<Row>> Search(const std::string& name, const std::string& expression,
                                          absl::Span<const float> vector, std::size_t limit,
                                          const std::vector<std::string>& fields,
                                          std::uint64_t seen, const CallContext& call);

 private:
  MilvusClient(std::string name, std::string token, std::unique_ptr<api::MilvusService::Stub> stub)
      : name_(std::move(name)), token_(std::move(token)), stub_(std::move(stub)) {}

  template <typename Request, typename Response>
  using Method = grpc::Status (api::MilvusService::Stub::*)(grpc::ClientContext*, const Request&,
                                                            Response*);
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(Method<Request, Response> method, const Request& request,
                                const CallContext& call);
  absl::Status Check(const api::Status& status) const;

  const std::string name_;
  const std::string token_;
  const std::unique_ptr<api::MilvusService::Stub> stub_;
};

}  // namespace ragmesh::milvus_store

#endif  // RAGMESH_LIBS_MILVUS_STORE_MILVUS_CLIENT_H_
