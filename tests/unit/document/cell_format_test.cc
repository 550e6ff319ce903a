#include "libs/document/cell_format.h"

#include <gtest/gtest.h>

namespace ragmesh::document {
namespace {

TEST(CellFormatTest, ReadsFormatCodes) {
  EXPECT_EQ(CellFormatOf("yyyy\\-mm\\-dd"), CellFormat::kDate);
  EXPECT_EQ(CellFormatOf("dd/mm/yyyy hh:mm"), CellFormat::kDateTime);
  EXPECT_EQ(CellFormatOf("[h]:mm:ss"), CellFormat::kTime);
  EXPECT_EQ(CellFormatOf("0.00%"), CellFormat::kPercent);
  EXPECT_EQ(CellFormatOf("#,##0.00\" days\""), CellFormat::kPlain);
  EXPECT_EQ(CellFormatOf("[Red]0.0"), CellFormat::kPlain);
}

TEST(CellFormatTest, ShowsNumbersAsTheirFormatSays) {
  EXPECT_EQ(FormatNumber("45443", CellFormat::kDate, false), "2024-05-31");
  EXPECT_EQ(FormatNumber("43981", CellFormat::kDate, true), "2024-05-31");
  EXPECT_EQ(FormatNumber("1", CellFormat::kDate, false), "1900-01-01");
  EXPECT_EQ(FormatNumber("61", CellFormat::kDate, false), "1900-03-01");
  EXPECT_EQ(FormatNumber("45443.573611111111", CellFormat::kDateTime, false), "2024-05-31 13:46");
  EXPECT_EQ(FormatNumber("0.5", CellFormat::kTime, false), "12:00");
  EXPECT_EQ(FormatNumber("0.125", CellFormat::kPercent, false), "12.5%");
  EXPECT_EQ(FormatNumber("0.10000000000000001", CellFormat::kPlain, false), "0.1");
  EXPECT_EQ(FormatNumber("1234567", CellFormat::kPlain, false), "1234567");
  EXPECT_EQ(FormatNumber("n/a", CellFormat::kDate, false), "n/a");
  EXPECT_EQ(FormatNumber("1e300", CellFormat::kDate, false), "1e+300");
}

}  // namespace
}  // namespace ragmesh::document
