// Which ragmesh this is.
#ifndef RAGMESH_LIBS_VERSION_VERSION_H_
#define RAGMESH_LIBS_VERSION_VERSION_H_

namespace ragmesh {

// For example "0.1.0".
const char* Version();

// Commit of the build, 12 digits; empty when built outside a repository.
const char* Commit();

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_VERSION_VERSION_H_
