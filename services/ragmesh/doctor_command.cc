// ragmesh doctor: what on this machine helps or hinders ragmesh, and what to do about it.
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/linalg/cpu_features.h"
#include "libs/model_store/installed_model.h"
#include "libs/model_store/model_cache.h"
#include "libs/version/version.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/gateway_connection.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

namespace v1 = ragmesh::gateway::v1;

struct Finding {
  std::string what;
  bool good = true;
  std::string detail;
  std::string next_step;  // when not good
};

constexpr double kGiB = 1024.0 * 1024 * 1024;

Finding Version() {
  utsname system{};
  uname(&system);
  return {"version", true,
          absl::StrCat("ragmesh ", ragmesh::Version(), " ", ragmesh::Commit(), " on ",
                       system.sysname, " ", system.release, " ", system.machine)};
}

Finding Processor() {
  const auto& features = linalg::GetCpuFeatures();
  Finding finding{"processor", true,
                  absl::StrCat(AvailableCpus(), " cores, ", linalg::ToString(features))};
#if defined(__x86_64__)
  if (!features.avx2) {
    finding.good = false;
    finding.next_step = "Without AVX2 models run several times slower; prefer a newer machine.";
  }
#endif
  return finding;
}

Finding Memory() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  std::int64_t value = 0, available = 0;
  while (file >> key >> value >> unit) {
    if (key == "MemAvailable:") available = value;
  }
  const double gib = static_cast<double>(available) / (1024 * 1024);
  return {"memory", gib >= 1, absl::StrFormat("%.1f GiB available", gib),
          "The default models and a small collection need about 1 GiB."};
}

Finding Disk(const std::string& folder) {
  struct statvfs info {};
  if (statvfs(folder.c_str(), &info) != 0) {
    return {"disk", false, absl::StrCat(folder, " cannot be read"),
            "Make the folder, or name another with --data_dir."};
  }
  const double gib = static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize) / kGiB;
  return {"disk", gib >= 1, absl::StrFormat("%.1f GiB free at %s", gib, folder),
          "Free at least 1 GiB; the store stops taking writes when the disk is full."};
}

Finding OpenFiles() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return {"open files", limit.rlim_cur >= 1024, absl::StrCat("limit ", limit.rlim_cur),
          "Raise it: ulimit -n 4096."};
}

Finding Sandbox() {
  // LANDLOCK_CREATE_RULESET_VERSION; the number is the same on every architecture.
  const long version = syscall(444, nullptr, 0, 1U);
  if (version >= 1) return {"sandbox", true, absl::StrCat("Landlock ABI ", version)};
  return {
      "sandbox", false, "this kernel has no Landlock",
      "Documents are still parsed in a limited child process; Linux 5.13 or newer adds Landlock."};
}

Finding Clock() {
  const absl::Time now = absl::Now();
  return {"clock", now > absl::FromUnixSeconds(1'735'689'600),
          absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", now, absl::UTCTimeZone()),
          "The clock is years behind; set it, or certificates will be refused."};
}

void AddModels(const std::string& root, std::vector<Finding>* findings) {
  const model_store::ModelCache cache(root);
  for (const auto& state : model_store::ListModels(model_store::Catalogue::BuiltIn(), cache)) {
    if (!state.model->is_default && !state.installed) continue;
    findings->push_back({absl::StrCat("model ", state.model->name), state.installed,
                         state.installed ? "here" : "absent",
                         absl::StrCat("ragmesh models pull ", state.model->name)});
  }
}

class DoctorCommand final : public Command {
 public:
  std::string Name() const override { return "doctor"; }

  void Declare(flags::FlagSet& root) override {
    flags::FlagSet& flags = root.Subcommand(
        "doctor", "Checks this machine, the models and the server, and says what to do.",
        "ragmesh doctor");
    flags.String("model_cache", &models_, "Model cache; default as for `ragmesh models`.");
    flags.String("data_dir", &data_dir_, "Folder whose disk is checked.");
    connection_.Declare(flags);
  }

  int Run(const std::string&) override {
    std::vector<Finding> findings = {Version(),   Processor(), Memory(), Disk(data_dir_),
                                     OpenFiles(), Sandbox(),   Clock()};
    AddModels(models_.empty() ? model_store::ModelCache::DefaultRoot() : models_, &findings);
    findings.push_back(Server());
    bool good = true;
    for (const Finding& finding : findings) {
      good = good && finding.good;
      Print(finding);
    }
    return good ? kOk : kRefused;
  }

 private:
  Finding Server() {
    Finding finding{"server", false, absl::StrCat("none at ", connection_.server), "ragmesh serve"};
    auto gateway = GatewayConnection::Open(connection_);
    if (!gateway.ok()) return finding;
    v1::GetStatusResponse response;
    const auto context = (*gateway)->NewContext();
    if (!(*gateway)->stub().GetStatus(context.get(), {}, &response).ok()) return finding;
    int ready = 0;
    for (const auto& stage : response.stages()) ready += stage.reachable() && stage.info().ready();
    finding.good = ready == response.stages_size();
    finding.detail = absl::StrCat(ready, " of ", response.stages_size(), " stages ready at ",
                                  connection_.server);
    finding.next_step = "ragmesh status";
    return finding;
  }

  void Print(const Finding& finding) const {
    if (connection_.json) {
      nlohmann::json object = {
          {"check", finding.what}, {"good", finding.good}, {"detail", finding.detail}};
      if (!finding.good) object["next_step"] = finding.next_step;
      std::printf("%s\n", object.dump().c_str());
      return;
    }
    const Terminal terminal = Terminal::Of(STDOUT_FILENO);
    std::printf("%s %-30s %s\n",
                (finding.good ? terminal.Good("ok  ") : terminal.Bad("look")).c_str(),
                finding.what.c_str(), finding.detail.c_str());
    if (!finding.good) std::printf("     next: %s\n", finding.next_step.c_str());
  }

  std::string models_, data_dir_ = ".";
  ConnectionOptions connection_;
};

}  // namespace

std::unique_ptr<Command> MakeDoctorCommand() { return std::make_unique<DoctorCommand>(); }

}  // namespace ragmesh::cli
