#include "libs/document/language.h"

#include <gtest/gtest.h>

namespace ragmesh::document {
namespace {

TEST(LanguageTest, KnowsLanguagesByTheirWords) {
  EXPECT_EQ(DetectLanguage("The pump is started with the red switch, and it stops when the tank "
                           "that feeds it is empty."),
            "en");
  EXPECT_EQ(
      DetectLanguage(
          "Die Pumpe wird mit dem roten Schalter gestartet und sie ist nicht für den Dauerbetrieb "
          "gedacht, auch wenn das oft so gemacht wird."),
      "de");
  EXPECT_EQ(DetectLanguage("La pompe est mise en marche par un bouton et les filtres sont nettoyés "
                           "une fois par mois dans "
                           "le bac qui est sous la cuve."),
            "fr");
}

TEST(LanguageTest, KnowsLanguagesByTheirScript) {
  EXPECT_EQ(DetectLanguage("Насос запускается красной кнопкой и останавливается сам."), "ru");
  EXPECT_EQ(DetectLanguage("このポンプは赤いボタンで始動し、自動的に停止します。"), "ja");
  EXPECT_EQ(DetectLanguage("这个水泵用红色按钮启动，它会自动停止。请注意安全，谢谢。"), "zh");
}

TEST(LanguageTest, AdmitsThatItDoesNotKnow) {
  EXPECT_EQ(DetectLanguage("A12 B34 C56"), "");
  EXPECT_EQ(DetectLanguage("bolt nut washer gasket flange spanner torque sealant bearing shaft "
                           "pulley belt tensioner"),
            "");
}

}  // namespace
}  // namespace ragmesh::document
