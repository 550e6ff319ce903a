#include "libs/pipeline/observer.h"

namespace ragmesh::pipeline {

Observer& Observer::None() {
  static Observer& none = *new Observer();
  return none;
}

}  // namespace ragmesh::pipeline
