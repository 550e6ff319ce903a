// Journal records as JSON, so that a journal can be read with common tools and fields can be added
// later. Unknown fields are ignored, absent ones keep their defaults; docs/formats/journal.md has
// the layout.
#ifndef RAGMESH_LIBS_JOURNAL_RECORD_CODEC_H_
#define RAGMESH_LIBS_JOURNAL_RECORD_CODEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/journal/records.h"

namespace ragmesh::journal {

std::string EncodeJob(const JobRecord& job);
absl::StatusOr<JobRecord> DecodeJob(absl::string_view json);

std::string EncodeDocument(const DocumentRecord& document);
absl::StatusOr<DocumentRecord> DecodeDocument(absl::string_view json);

std::string EncodeFootprint(const Footprint& footprint);
absl::StatusOr<Footprint> DecodeFootprint(absl::string_view json);

}  // namespace ragmesh::journal

#endif  // RAGMESH_LIBS_JOURNAL_RECORD_CODEC_H_
