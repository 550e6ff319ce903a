// RAGMESH_CHECK(condition, reason): ends the process when an invariant of ours is broken. Input and
// environment never reach a check: they produce a status.
#ifndef RAGMESH_LIBS_BASE_CHECK_H_
#define RAGMESH_LIBS_BASE_CHECK_H_

#include <cstdio>
#include <cstdlib>

#define RAGMESH_CHECK(condition, reason)                                                       \
  do {                                                                                         \
    if (!(condition)) {                                                                        \
      std::fprintf(stderr, "%s:%d: broken invariant: %s (%s)\n", __FILE__, __LINE__, (reason), \
                   #condition);                                                                \
      std::abort();                                                                            \
    }                                                                                          \
  } while (false)

#endif  // RAGMESH_LIBS_BASE_CHECK_H_
