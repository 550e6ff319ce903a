# Everything a person may switch. CMakePresets.json holds the combinations in daily use.
option(RAGMESH_TESTS "Build the tests" ON)
option(RAGMESH_BENCH "Build the benchmarks" OFF)
option(RAGMESH_FUZZ "Build the fuzz targets with libFuzzer (needs clang); without it their corpora are replayed" OFF)
option(RAGMESH_WERROR "Turn warnings into errors" ON)
set(RAGMESH_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them: address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")

find_program(RAGMESH_CCACHE ccache)
if(RAGMESH_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${RAGMESH_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER "${RAGMESH_CCACHE}")
endif()
find_program(RAGMESH_MOLD mold)
if(RAGMESH_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

# Linked by every target of ours: warnings, and sanitizers when asked for.
add_library(ragmesh_compile_options INTERFACE)
target_include_directories(ragmesh_compile_options INTERFACE "${CMAKE_SOURCE_DIR}")
target_compile_options(ragmesh_compile_options INTERFACE -Wall -Wextra -Wno-missing-field-initializers
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Werror=thread-safety>
  $<$<BOOL:${RAGMESH_WERROR}>:-Werror>)
if(RAGMESH_SANITIZE)
  target_compile_options(ragmesh_compile_options INTERFACE "-fsanitize=${RAGMESH_SANITIZE}" -fno-omit-frame-pointer)
  target_link_options(ragmesh_compile_options INTERFACE "-fsanitize=${RAGMESH_SANITIZE}")
endif()
if(RAGMESH_FUZZ)
  # libFuzzer sees only code that is compiled for it: without this, its own harness and nothing of ours. Undefined
  # behaviour that is merely printed would not make it keep the input.
  target_compile_options(ragmesh_compile_options INTERFACE -fsanitize=fuzzer-no-link -fno-sanitize-recover=all)
endif()

# Public material the tests read; they say so and skip when it is absent.
set(RAGMESH_TESTDATA_DIR "${CMAKE_SOURCE_DIR}/../shared/testdata" CACHE PATH "Test data folder")
if(DEFINED ENV{RAGMESH_TESTDATA})
  set(RAGMESH_TESTDATA_DIR "$ENV{RAGMESH_TESTDATA}")
endif()
