# Why each dependency is here: docs/architecture.md, section "Packages".
find_package(Eigen3 REQUIRED NO_MODULE)
find_package(TBB REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(ZLIB REQUIRED)  # traces and operator tables are published compressed
if(TOLLGATE_TESTS)
  find_package(GTest REQUIRED)
endif()
if(TOLLGATE_BENCH)
  find_package(benchmark REQUIRED)
endif()
