// The public contracts keep the house rules, and do not change in ways that break a client.
//
// contracts.txt lists every field, enumerator and method with its number and type. A line that
// disappears or changes breaks somebody; new lines are fine. After a deliberate change:
// contracts_test --update_goldens, and read the diff.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/testing/test_data.h"

namespace {

namespace pb = google::protobuf;

bool update_goldens = false;

class ContractsTest : public ::testing::Test {
 protected:
  ContractsTest() {
    pb::FileDescriptorSet set;
    set.ParseFromString(ragmesh::testing::ReadFileOrDie(CONTRACT_DESCRIPTORS));
    for (const pb::FileDescriptorProto& file : set.file()) {
      const pb::FileDescriptor* built = pool_.BuildFile(file);
      if (built != nullptr && absl::StartsWith(built->package(), "ragmesh.")) {
        files_.push_back(built);
      }
    }
  }

  // Calls `visit` with each message of our files, nested ones included; map entries are left out.
  template <typename Visit>
  void ForEachMessage(Visit visit) const {
    std::vector<const pb::Descriptor*> open;
    for (const pb::FileDescriptor* file : files_) {
      for (int i = 0; i < file->message_type_count(); ++i) open.push_back(file->message_type(i));
    }
    while (!open.empty()) {
      const pb::Descriptor* message = open.back();
      open.pop_back();
      if (message->options().map_entry()) continue;
      visit(*message);
      for (int i = 0; i < message->nested_type_count(); ++i)
        open.push_back(message->nested_type(i));
    }
  }

  template <typename Visit>
  void ForEachEnum(Visit visit) const {
    for (const pb::FileDescriptor* file : files_) {
      for (int i = 0; i < file->enum_type_count(); ++i) visit(*file->enum_type(i));
    }
    ForEachMessage([&](const pb::Descriptor& message) {
      for (int i = 0; i < message.enum_type_count(); ++i) visit(*message.enum_type(i));
    });
  }

  template <typename Visit>
  void ForEachService(Visit visit) const {
    for (const pb::FileDescriptor* file : files_) {
      for (int i = 0; i < file->service_count(); ++i) visit(*file->service(i));
    }
  }

  pb::DescriptorPool pool_;
  std::vector<const pb::FileDescriptor*> files_;
};

template <typename Descriptor>
bool HasComment(const Descriptor& descriptor) {
  pb::SourceLocation location;
  return descriptor.GetSourceLocation(&location) &&
         !absl::StripAsciiWhitespace(location.leading_comments).empty();
}

// EnumName -> ENUM_NAME.
std::string UpperSnake(const std::string& name) {
  std::string out;
  for (const char c : name) {
    if (absl::ascii_isupper(c) && !out.empty()) out += '_';
    out += absl::ascii_toupper(c);
  }
  return out;
}

TEST_F(ContractsTest, EveryContractIsRead) { EXPECT_EQ(files_.size(), 12u); }

TEST_F(ContractsTest, EveryElementIsCommented) {
  ForEachMessage([](const pb::Descriptor& message) {
    EXPECT_TRUE(HasComment(message)) << message.full_name();
    for (int i = 0; i < message.field_count(); ++i) {
      EXPECT_TRUE(HasComment(*message.field(i))) << message.field(i)->full_name();
    }
  });
  ForEachEnum([](const pb::EnumDescriptor& type) {
    EXPECT_TRUE(HasComment(type)) << type.full_name();
    for (int i = 0; i < type.value_count(); ++i) {
      EXPECT_TRUE(HasComment(*type.value(i))) << type.value(i)->full_name();
    }
  });
  ForEachService([](const pb::ServiceDescriptor& service) {
    EXPECT_TRUE(HasComment(service)) << service.full_name();
    for (int i = 0; i < service.method_count(); ++i) {
      EXPECT_TRUE(HasComment(*service.method(i))) << service.method(i)->full_name();
    }
  });
}

TEST_F(ContractsTest, EveryMethodHasItsOwnRequestAndResponse) {
  std::set<std::string> seen;
  ForEachService([&seen](const pb::ServiceDescriptor& service) {
    for (int i = 0; i < service.method_count(); ++i) {
      const pb::MethodDescriptor& method = *service.method(i);
      EXPECT_EQ(method.input_type()->name(), absl::StrCat(method.name(), "Request"));
      EXPECT_EQ(method.output_type()->name(), absl::StrCat(method.name(), "Response"));
      EXPECT_TRUE(seen.insert(method.input_type()->full_name()).second) << method.full_name();
    }
  });
}

TEST_F(ContractsTest, EnumeratorsArePrefixedAndZeroIsUnspecified) {
  ForEachEnum([](const pb::EnumDescriptor& type) {
    const std::string prefix = absl::StrCat(UpperSnake(type.name()), "_");
    EXPECT_EQ(type.value(0)->name(), absl::StrCat(prefix, "UNSPECIFIED"));
    EXPECT_EQ(type.value(0)->number(), 0);
    for (int i = 0; i < type.value_count(); ++i) {
      EXPECT_TRUE(absl::StartsWith(type.value(i)->name(), prefix)) << type.value(i)->full_name();
    }
  });
}

TEST_F(ContractsTest, FilesLieWherePackagesSay) {
  for (const pb::FileDescriptor* file : files_) {
    const std::string folder = absl::StrReplaceAll(file->package(), {{".", "/"}});
    EXPECT_TRUE(absl::StartsWith(file->name(), absl::StrCat(folder, "/"))) << file->name();
  }
}

std::string TypeOf(const pb::FieldDescriptor& field) {
  const std::string label = field.is_map()        ? "map "
                            : field.is_repeated() ? "repeated "
                            : field.has_presence() && field.message_type() == nullptr &&
                                    field.real_containing_oneof() == nullptr
                                ? "optional "
                                : "";
  if (field.message_type() != nullptr) {
    return absl::StrCat(label, field.is_map() ? "" : field.message_type()->full_name());
  }
  if (field.enum_type() != nullptr) return absl::StrCat(label, field.enum_type()->full_name());
  return absl::StrCat(label, field.type_name());
}

TEST_F(ContractsTest, NothingPublishedChangesOrDisappears) {
  std::set<std::string> lines;
  ForEachMessage([&lines](const pb::Descriptor& message) {
    for (int i = 0; i < message.field_count(); ++i) {
      const pb::FieldDescriptor& field = *message.field(i);
      lines.insert(
          absl::StrCat("field ", field.full_name(), " = ", field.number(), " ", TypeOf(field)));
    }
  });
  ForEachEnum([&lines](const pb::EnumDescriptor& type) {
    for (int i = 0; i < type.value_count(); ++i) {
      lines.insert(absl::StrCat("value ", type.full_name(), ".", type.value(i)->name(), " = ",
                                type.value(i)->number()));
    }
  });
  ForEachService([&lines](const pb::ServiceDescriptor& service) {
    for (int i = 0; i < service.method_count(); ++i) {
      const pb::MethodDescriptor& method = *service.method(i);
      lines.insert(absl::StrCat("method ", method.full_name(),
                                method.client_streaming() ? " (stream) -> " : " (one) -> ",
                                method.server_streaming() ? "stream" : "one"));
    }
  });
  const std::string path =
      absl::StrCat(std::getenv("RAGMESH_SOURCE_DIR"), "/tests/golden/protos/contracts.txt");
  if (update_goldens) {
    std::ofstream out(path);
    for (const std::string& line : lines) out << line << "\n";
  }
  const std::string golden = ragmesh::testing::ReadFileOrDie(path);
  for (const auto line : absl::StrSplit(golden, '\n', absl::SkipEmpty())) {
    EXPECT_TRUE(lines.count(std::string(line)) > 0)
        << "published and now gone or changed: " << line;
  }
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleMock(&argc, argv);
  for (int i = 1; i < argc; ++i) update_goldens |= std::string(argv[i]) == "--update_goldens";
  return RUN_ALL_TESTS();
}
