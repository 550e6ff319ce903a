# Builds for 64-bit ARM on another machine, with Debian's cross compiler against the libraries in CMAKE_SYSROOT.
#
#   cmake --toolchain libs/cmake/arm64-linux.cmake -DCMAKE_SYSROOT=... ...
#
# Tests run under qemu, which reads QEMU_LD_PREFIX (the same folder) and QEMU_CPU.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64)
set(RAGMESH_MOLD OFF)  # a cross compiler looks for a linker with its own prefix, and mold has none
# Programs come from this machine, everything else from there.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
