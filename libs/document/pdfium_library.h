// PDFium, loaded at run time from a file that the caller has verified. Its C interface is declared
// here, function by function, because packages of the library carry no header; the interface has
// been stable for many years.
#ifndef RAGMESH_LIBS_DOCUMENT_PDFIUM_LIBRARY_H_
#define RAGMESH_LIBS_DOCUMENT_PDFIUM_LIBRARY_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace ragmesh::document {

// Opaque handles of PDFium.
struct PdfiumDocument;
struct PdfiumPage;
struct PdfiumTextPage;

// Functions of libpdfium, in its own types: coordinates are points (1/72 inch) from the lower left
// corner of the page.
struct PdfiumFunctions {
  struct Config {
    int version;  // 2
    const char**
        user_font_paths;  // ends with null; an empty list keeps it from reading the machine's fonts
    void* isolate;        // unused
    unsigned int v8_embedder_slot;  // unused
  };

  void (*FPDF_InitLibraryWithConfig)(const Config*);
  PdfiumDocument* (*FPDF_LoadMemDocument64)(const void* data, std::size_t size,
                                            const char* password);
  unsigned long (*FPDF_GetLastError)();  // 3: no PDF, 4: password, 5: unknown encryption
  void (*FPDF_CloseDocument)(PdfiumDocument*);
  int (*FPDF_GetPageCount)(PdfiumDocument*);
  // Writes UTF-16LE with a terminator; returns the bytes needed.
  unsigned long (*FPDF_GetMetaText)(PdfiumDocument*, const char* tag, void* buffer,
                                    unsigned long size);
  PdfiumPage* (*FPDF_LoadPage)(PdfiumDocument*, int index);
  void (*FPDF_ClosePage)(PdfiumPage*);
  PdfiumTextPage* (*FPDFText_LoadPage)(PdfiumPage*);
  void (*FPDFText_ClosePage)(PdfiumTextPage*);
  int (*FPDFText_CountChars)(PdfiumTextPage*);
  unsigned int (*FPDFText_GetUnicode)(PdfiumTextPage*, int index);
  int (*FPDFText_IsGenerated)(PdfiumTextPage*,
                              int index);                // 1: blank or line break made up by PDFium
  int (*FPDFText_IsHyphen)(PdfiumTextPage*, int index);  // 1: hyphen at a line end
  int (*FPDFText_HasUnicodeMapError)(PdfiumTextPage*,
                                     int index);  // 1: the font says not which character it is
  double (*FPDFText_GetFontSize)(PdfiumTextPage*, int index);
  int (*FPDFText_GetFontWeight)(PdfiumTextPage*, int index);   // 400 regular, 700 bold, -1 unknown
  float (*FPDFText_GetCharAngle)(PdfiumTextPage*, int index);  // radians
  int (*FPDFText_GetCharBox)(PdfiumTextPage*, int index, double* left, double* right,
                             double* bottom, double* top);
};

// Initialised once per process; PDFium itself is not thread-safe, so neither is anything done with
// it.
class PdfiumLibrary {
 public:
  // UNAVAILABLE / PARSER_NOT_INSTALLED when the file cannot be loaded or lacks a function.
  static absl::StatusOr<std::unique_ptr<const PdfiumLibrary>> Load(const std::string& path);

  const PdfiumFunctions& functions() const { return functions_; }

 private:
  PdfiumLibrary() = default;
  PdfiumFunctions functions_ = {};
};

// How to get it, said wherever it is missing.
absl::Status PdfiumNotInstalled(absl::string_view problem);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_PDFIUM_LIBRARY_H_
