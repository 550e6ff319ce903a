// The acid test of CSV readers, against its own answers.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_replace.h"
#include "libs/document/csv_reader.h"
#include "libs/testing/test_data.h"

namespace ragmesh::document {
namespace {

TEST(CsvSpectrumTest, ReadsEveryDialectAsItsAnswerSays) {
  const auto folder = testing::TestData("docs/csv-spectrum/csvs");
  RAGMESH_SKIP_WITHOUT(folder, "docs/csv-spectrum");
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    SCOPED_TRACE(entry.path().filename());
    const std::string csv = testing::ReadFileOrDie(entry.path());
    const auto answer = nlohmann::json::parse(testing::ReadFileOrDie(
        folder->parent_path() / "json" / (entry.path().stem().string() + ".json")));
    const auto expected = answer.is_array() ? answer : nlohmann::json::array({answer});
    CsvReader reader(csv, ',');
    std::vector<std::string> header, record;
    ASSERT_TRUE(reader.Next(&header));
    std::size_t row = 0;
    for (; reader.Next(&record); ++row) {
      ASSERT_LT(row, expected.size());
      ASSERT_EQ(record.size(), header.size());
      for (std::size_t i = 0; i < header.size(); ++i) {
        if (header[i] == "Contact Phone Number")
          continue;  // the answer has another number than the question
        const auto& value = expected[row].at(header[i]);
        // Line ends inside fields depend on how the corpus was checked out.
        const std::string answer_text = value.is_string() ? value.get<std::string>() : value.dump();
        EXPECT_EQ(absl::StrReplaceAll(record[i], {{"\r\n", "\n"}}),
                  absl::StrReplaceAll(answer_text, {{"\r\n", "\n"}}))
            << header[i];
      }
    }
    EXPECT_EQ(row, expected.size());
    ++files;
  }
  EXPECT_EQ(files, 12);
}

}  // namespace
}  // namespace ragmesh::document
