// Values that records hold, in the language of binary_codec.h. What is taken from bytes that do not
// fit sets failed() of the reader.
#ifndef RAGMESH_LIBS_VECTOR_STORE_VALUE_CODEC_H_
#define RAGMESH_LIBS_VECTOR_STORE_VALUE_CODEC_H_

#include "absl/time/time.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/binary_codec.h"

namespace ragmesh::vector_store {

// Seconds since 1970 rounded down, then nanoseconds: every year a calendar can name, to the
// nanosecond.
void Put(absl::Time time, BinaryWriter* out);
absl::Time TakeTime(BinaryReader* in);

// Its kind, then the value.
void Put(const stages::MetadataValue& value, BinaryWriter* out);
stages::MetadataValue TakeValue(BinaryReader* in);

void Put(const stages::DocumentInfo& info, BinaryWriter* out);
stages::DocumentInfo TakeDocumentInfo(BinaryReader* in);

// To compare filters, so it is never taken back.
void Put(const stages::Filter& filter, BinaryWriter* out);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_VALUE_CODEC_H_
