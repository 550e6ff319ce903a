#include "libs/version/version.h"

namespace ragmesh {

const char* Version() { return RAGMESH_VERSION; }
const char* Commit() { return RAGMESH_COMMIT; }

}  // namespace ragmesh
