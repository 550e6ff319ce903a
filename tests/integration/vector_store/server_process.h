// A database server of the tests: a child with its own children on free loopback ports, which ends
// with the test program.
#ifndef RAGMESH_TESTS_INTEGRATION_VECTOR_STORE_SERVER_PROCESS_H_
#define RAGMESH_TESTS_INTEGRATION_VECTOR_STORE_SERVER_PROCESS_H_

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/testing/test_data.h"

namespace ragmesh::testing {

// A port that nothing listens on now.
int FreePort();

// One program with its children.
class ProcessGroup {
 public:
  ProcessGroup() = default;
  ~ProcessGroup() { Kill(); }
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  // `user` is what a root process becomes first; -1: nobody else. `environment` is added to ours.
  void Start(const std::vector<std::string>& command, const std::filesystem::path& log, int user,
             const std::vector<std::pair<std::string, std::string>>& environment = {});
  // All of them at once, as when the machine goes down.
  void Kill();
  void Freeze() const;
  void Thaw() const;
  bool running() const;

 private:
  pid_t pid_ = -1;
};

// Runs a program to its end; false when it fails.
bool RunProgram(const std::vector<std::string>& command, const std::filesystem::path& log,
                int user);

// PostgreSQL with pgvector, made anew, user "ragmesh" with a password. Where it is absent,
// Missing() says so and nothing else may be called.
class PostgresServer {
 public:
  PostgresServer();
  const std::string& missing() const { return missing_; }

  std::string url() const;
  const std::string& password() const { return password_; }
  void Start();  // waits until it answers; also after Kill
  void Kill() { process_.Kill(); }
  void Freeze() { process_.Freeze(); }
  void Thaw() { process_.Thaw(); }

 private:
  std::string Program(const char* name) const { return (programs_ / name).string(); }

  std::string missing_;
  std::filesystem::path programs_;
  TempDir folder_;
  const std::string password_ = "s3cret, with 'quotes'";
  int user_ = -1;
  int port_ = 0;
  ProcessGroup process_;
};

// Milvus, on data of its own. It takes some ten seconds to start and 350 MB of memory. As
// PostgresServer.
class MilvusServer {
 public:
  MilvusServer();
  const std::string& missing() const { return missing_; }

  std::string url() const;
  void Start();  // waits until its port answers; also after Kill
  void Kill() { process_.Kill(); }
  void Freeze() { process_.Freeze(); }
  void Thaw() { process_.Thaw(); }

 private:
  std::string missing_;
  std::filesystem::path program_;
  TempDir folder_;
  int port_ = 0;
  ProcessGroup process_;
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_TESTS_INTEGRATION_VECTOR_STORE_SERVER_PROCESS_H_
