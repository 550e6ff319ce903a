// ragmesh store check: looks at the files of a vector store that nothing has open.
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/call_context.h"
#include "libs/vector_store/store_check.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

namespace fs = std::filesystem;
namespace store = ragmesh::vector_store;

// The folder of `ragmesh serve` has the store in a folder of its own.
std::string StoreFolder(const std::string& data_dir) {
  const std::string inner = absl::StrCat(data_dir, "/vector-store");
  std::error_code error;
  return !fs::exists(data_dir + "/CURRENT", error) && fs::exists(inner, error) ? inner : data_dir;
}

void PrintLine(const nlohmann::json& object) {
  std::printf("%s\n",
              object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  std::fflush(stdout);
}

class StoreCommand final : public Command {
 public:
  std::string Name() const override { return "store"; }

  void Declare(flags::FlagSet& root) override {
    flags::FlagSet& flags = root.Subcommand("store", "Looks after the files of a vector store.");
    flags::FlagSet& check = flags.Subcommand(
        "check",
        "Reads every file and value of a store that is not running, and what must hold between "
        "them. Ends with 0 when all is well or was mended, 9 when damage is left.",
        "ragmesh store check --data_dir=/var/lib/ragmesh/vector-store");
    check.String("data_dir", &data_dir_,
                 "Folder of the store, or of `ragmesh serve`, which has it inside.");
    check.Bool("repair", &repair_,
               "Make anew what follows from other records, and take out what belongs to nothing; "
               "what is taken out is kept in a file.");
    check.Bool("json", &json_, "One JSON object a line: each finding, then the report.");
  }

  int Run(const std::string&) override {
    if (data_dir_.empty()) {
      std::fprintf(stderr, "ragmesh store check: --data_dir is missing\n");
      return kUsage;
    }
    const CallContext call(absl::InfiniteFuture());
    const auto report = store::CheckStore(
        {.path = StoreFolder(data_dir_), .repair = repair_},
        [this](const store::Finding& finding) { Print(finding); }, call);
    if (!report.ok()) return Fail(report.status(), json_);
    Print(*report);
    return report->findings == report->repaired ? kOk : kDamaged;
  }

 private:
  void Print(const store::Finding& finding) const {
    if (json_) {
      PrintLine({{"finding",
                  {{"collection", finding.collection},
                   {"family", finding.family},
                   {"key", finding.key},
                   {"problem", finding.problem},
                   {"action", finding.action},
                   {"repairable", finding.repairable},
                   {"repaired", finding.repaired}}}});
      return;
    }
    std::printf("%s%s%s%s%s: %s\n  %s\n", Printable(finding.collection).c_str(),
                finding.collection.empty() ? "" : ", ", finding.family.c_str(),
                finding.key.empty() ? "" : " ", finding.key.c_str(),
                Printable(finding.problem).c_str(), Printable(finding.action).c_str());
  }

  void Print(const store::StoreCheckReport& report) const {
    if (json_) {
      PrintLine({{"report",
                  {{"collections", report.collections},
                   {"documents", report.documents},
                   {"chunks", report.chunks},
                   {"values", report.values},
                   {"findings", report.findings},
                   {"repaired", report.repaired},
                   {"removed_file", report.removed_file}}}});
      return;
    }
    const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    std::printf("%llu collections, %llu documents, %llu chunks; %llu values read\n",
                number(report.collections), number(report.documents), number(report.chunks),
                number(report.values));
    if (report.findings == 0) {
      std::printf("The store is sound.\n");
    } else {
      std::printf("%llu findings, %llu repaired.\n", number(report.findings),
                  number(report.repaired));
    }
    if (!report.removed_file.empty())
      std::printf("What was taken out is in %s\n", report.removed_file.c_str());
  }

  std::string data_dir_;
  bool repair_ = false, json_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeStoreCommand() { return std::make_unique<StoreCommand>(); }

}  // namespace ragmesh::cli
