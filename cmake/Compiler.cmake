# C++20 everywhere, warnings as one interface target, and floating point that is the same on every
# machine: no contraction into fused multiply-add unless the source says fma.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

find_program(TOLLGATE_CCACHE ccache)
if(TOLLGATE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${TOLLGATE_CCACHE})
endif()

add_library(tollgate_options INTERFACE)
target_compile_options(tollgate_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor
                            -ffp-contract=off>
  # False positives of g++ 12 (GCC bug 105651).
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>)

option(TOLLGATE_FUZZ "Link the fuzz targets against libFuzzer (clang)" OFF)
if(TOLLGATE_FUZZ)
  target_compile_options(tollgate_options INTERFACE -fsanitize=fuzzer-no-link)
endif()

if(TOLLGATE_SANITIZE)
  target_compile_options(tollgate_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${TOLLGATE_SANITIZE} -fno-sanitize-recover=all
                              -fno-omit-frame-pointer -g>)
  target_link_options(tollgate_options INTERFACE -fsanitize=${TOLLGATE_SANITIZE})
endif()

# CMake 3.25 predates nvcc's C++20: without these two lines CMAKE_CUDA_STANDARD 20 means C++17.
set(TOLLGATE_CUDA_FOUND OFF)
if(TOLLGATE_CUDA)
  include(CheckLanguage)
  if(NOT CMAKE_CUDA_COMPILER AND EXISTS /usr/local/cuda/bin/nvcc)
    set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc)
  endif()
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 90-real)
    endif()
    enable_language(CUDA)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
    endif()
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
    set(TOLLGATE_CUDA_FOUND ON)
  endif()
endif()
# Thrust for host code (TBB device system): CCCL from the toolkit, else a system-wide one.
find_path(TOLLGATE_CCCL thrust/version.h
  HINTS ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES} /usr/local/cuda/include PATH_SUFFIXES cccl)
if(TOLLGATE_CCCL)
  add_library(tollgate_thrust INTERFACE)
  target_include_directories(tollgate_thrust SYSTEM INTERFACE ${TOLLGATE_CCCL})
  target_compile_definitions(tollgate_thrust INTERFACE
    TOLLGATE_HAVE_THRUST=1 THRUST_DEVICE_SYSTEM=THRUST_DEVICE_SYSTEM_TBB)
endif()
message(STATUS "Tollgate CUDA backend: ${TOLLGATE_CUDA_FOUND}")
