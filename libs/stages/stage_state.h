// StageInfo::features["state"] is "starting" while a stage loads what it needs: it is not ready,
// but will be.
#ifndef RAGMESH_LIBS_STAGES_STAGE_STATE_H_
#define RAGMESH_LIBS_STAGES_STAGE_STATE_H_

namespace ragmesh::stages {

inline constexpr char kStateFeature[] = "state";
inline constexpr char kStateStarting[] = "starting";

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_STAGE_STATE_H_
