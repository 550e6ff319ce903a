// ragmesh store check|snapshot|snapshots|verify|restore: looks after the files of a vector store.
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "libs/base/call_context.h"
#include "libs/vector_store/migrate.h"
#include "libs/vector_store/records.h"
#include "libs/vector_store/store_check.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/data_folder.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/json_output.h"
#include "services/ragmesh/store_backups.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

namespace store = ragmesh::vector_store;

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
    backups_.Declare(flags);
    flags::FlagSet& migrate = flags.Subcommand(
        "migrate",
        "Brings a store that is stopped to another format: up for this release, down for an older "
        "one, when nothing would be lost.",
        "ragmesh store migrate --data_dir=/var/lib/ragmesh/vector-store --to=2");
    migrate.String("data_dir", &data_dir_, "Folder of the store, or of `ragmesh serve`.");
    migrate.Int("to", &to_, {1, store::kFormatVersion}, "", "The format.");
    migrate.Bool("discard", &discard_, "Lose what the older format has no place for.");
    migrate.Bool("json", &json_, "Print one JSON object, and errors as JSON on stderr.");
  }

  int Run(const std::string& chosen) override {
    if (StoreBackups::Has(chosen)) return backups_.Run(chosen);
    if (data_dir_.empty()) {
      std::fprintf(stderr, "ragmesh %s: --data_dir is missing\n", chosen.c_str());
      return kUsage;
    }
    if (chosen == "store migrate") return Migrate();
    const CallContext call(absl::InfiniteFuture());
    const auto report = store::CheckStore(
        {.path = StoreFolder(data_dir_), .repair = repair_},
        [this](const store::Finding& finding) { Print(finding); }, call);
    if (!report.ok()) return Fail(report.status(), json_);
    Print(*report);
    return report->findings == report->repaired ? kOk : kDamaged;
  }

 private:
  int Migrate() const {
    const auto report = store::MigrateStore(StoreFolder(data_dir_), static_cast<std::uint32_t>(to_),
                                            discard_, CallContext(absl::InfiniteFuture()));
    if (!report.ok()) return Fail(report.status(), json_);
    if (json_) {
      PrintLine({{"migrated",
                  {{"from", report->from},
                   {"to", report->to},
                   {"values", report->values},
                   {"lost", report->lost}}}});
      return kOk;
    }
    std::printf("The store was of format %u and is of format %u.\n", report->from, report->to);
    for (const std::string& lost : report->lost) std::printf("Lost: %s\n", lost.c_str());
    return kOk;
  }

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

  StoreBackups backups_;
  std::string data_dir_;
  std::int64_t to_ = store::kFormatVersion;
  bool repair_ = false, json_ = false, discard_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeStoreCommand() { return std::make_unique<StoreCommand>(); }

}  // namespace ragmesh::cli
