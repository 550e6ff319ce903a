#include "libs/document/pdfium_library.h"

#include <dlfcn.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::document {
namespace {

// Finds one function; keeps the name of the first that is missing.
template <typename F>
void Find(void* library, const char* name, F** function, std::string* missing) {
  *function = reinterpret_cast<F*>(dlsym(library, name));
  if (*function == nullptr && missing->empty()) *missing = name;
}

}  // namespace

absl::Status PdfiumNotInstalled(absl::string_view problem) {
  return Unavailable(
      "PARSER_NOT_INSTALLED", absl::StrCat("PDF needs PDFium: ", problem),
      "Run `ragmesh models pull pdfium`, or start the loader with the path of libpdfium.so.",
      absl::Seconds(60));
}

absl::StatusOr<std::unique_ptr<const PdfiumLibrary>> PdfiumLibrary::Load(const std::string& path) {
  if (path.empty()) return PdfiumNotInstalled("no path to libpdfium.so is set");
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return PdfiumNotInstalled("libpdfium.so cannot be loaded");
  std::unique_ptr<PdfiumLibrary> loaded(new PdfiumLibrary());
  PdfiumFunctions& f = loaded->functions_;
  std::string missing;
#define RAGMESH_FIND_PDFIUM(name) Find(library, #name, &f.name, &missing)
  RAGMESH_FIND_PDFIUM(FPDF_InitLibraryWithConfig);
  RAGMESH_FIND_PDFIUM(FPDF_LoadMemDocument64);
  RAGMESH_FIND_PDFIUM(FPDF_GetLastError);
  RAGMESH_FIND_PDFIUM(FPDF_CloseDocument);
  RAGMESH_FIND_PDFIUM(FPDF_GetPageCount);
  RAGMESH_FIND_PDFIUM(FPDF_GetMetaText);
  RAGMESH_FIND_PDFIUM(FPDF_LoadPage);
  RAGMESH_FIND_PDFIUM(FPDF_ClosePage);
  RAGMESH_FIND_PDFIUM(FPDFText_LoadPage);
  RAGMESH_FIND_PDFIUM(FPDFText_ClosePage);
  RAGMESH_FIND_PDFIUM(FPDFText_CountChars);
  RAGMESH_FIND_PDFIUM(FPDFText_GetUnicode);
  RAGMESH_FIND_PDFIUM(FPDFText_IsGenerated);
  RAGMESH_FIND_PDFIUM(FPDFText_IsHyphen);
  RAGMESH_FIND_PDFIUM(FPDFText_HasUnicodeMapError);
  RAGMESH_FIND_PDFIUM(FPDFText_GetFontSize);
  RAGMESH_FIND_PDFIUM(FPDFText_GetFontWeight);
  RAGMESH_FIND_PDFIUM(FPDFText_GetCharAngle);
  RAGMESH_FIND_PDFIUM(FPDFText_GetCharBox);
#undef RAGMESH_FIND_PDFIUM
  if (!missing.empty()) {
    dlclose(library);
    return PdfiumNotInstalled(absl::StrCat("the library has no function ", missing));
  }
  static const char* no_fonts[] = {nullptr};
  const PdfiumFunctions::Config config = {2, no_fonts, nullptr, 0};
  f.FPDF_InitLibraryWithConfig(&config);
  return std::unique_ptr<const PdfiumLibrary>(std::move(loaded));
}

}  // namespace ragmesh::document
