# How every module of Cairn is built. A module lists its sources, the lower-ranked modules it uses and
# the libraries it is the door to; everything else (flags, headers, tests, fuzzers) is the same for all.

find_package(Threads REQUIRED)

set(CAIRN_WARNINGS -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Wno-missing-field-initializers
    -Wno-gnu-zero-variadic-macro-arguments)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  list(APPEND CAIRN_WARNINGS -Wthread-safety)
endif()

# Assertions stay on in release: NDEBUG is never defined for our code.
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
string(REPLACE "-O3" "-O2" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_CXX_FLAGS_RELWITHDEBINFO "${CMAKE_CXX_FLAGS_RELWITHDEBINFO}")

# A unit test takes seconds, with a sanitizer many times that.
set(CAIRN_UNIT_TIMEOUT 300)
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize=")
  set(CAIRN_UNIT_TIMEOUT 2400)
endif()

if(CAIRN_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_custom_target(fuzzers)  # all of them, and only what they need
endif()

# cairn_module(NAME SOURCES... [DEPS modules...] [LINK libraries...] [TESTS ...] [FUZZERS ...] [BENCHES ...])
#   DEPS      lower-ranked modules whose headers this module's own headers or sources include
#   TESTS     x_test.cpp files beside the code; one executable test_NAME
#   FUZZERS   x_fuzz.cpp files; one executable each, built with -DCAIRN_FUZZ=ON
function(cairn_module name)
  cmake_parse_arguments(M "" "" "SOURCES;DEPS;LINK;TESTS;TEST_LINK;FUZZERS;BENCHES" ${ARGN})
  add_library(cairn_${name} STATIC ${M_SOURCES})
  target_include_directories(cairn_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_compile_options(cairn_${name} PRIVATE ${CAIRN_WARNINGS})
  foreach(dep IN LISTS M_DEPS)
    target_link_libraries(cairn_${name} PUBLIC cairn_${dep})
  endforeach()
  target_link_libraries(cairn_${name} PUBLIC Threads::Threads PRIVATE ${M_LINK})
  if(name STREQUAL "base")
    target_precompile_headers(cairn_base PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
  else()
    target_precompile_headers(cairn_${name} REUSE_FROM cairn_base)
  endif()
  if(CAIRN_TESTS AND M_TESTS)
    find_package(GTest REQUIRED)
    add_executable(test_${name} ${M_TESTS})
    target_compile_options(test_${name} PRIVATE ${CAIRN_WARNINGS})
    target_precompile_headers(test_${name} REUSE_FROM cairn_base)
    target_link_libraries(test_${name} PRIVATE cairn_${name} ${M_TEST_LINK} ${M_LINK} GTest::gtest GTest::gmock
                                               GTest::gtest_main)
    add_test(NAME unit_${name} COMMAND test_${name})
    set_tests_properties(unit_${name} PROPERTIES TIMEOUT ${CAIRN_UNIT_TIMEOUT})
  endif()
  if(CAIRN_FUZZ)
    foreach(fuzzer IN LISTS M_FUZZERS)
      get_filename_component(stem ${fuzzer} NAME_WE)
      add_executable(${stem} ${fuzzer})
      target_link_libraries(${stem} PRIVATE cairn_${name} ${M_LINK} -fsanitize=fuzzer)
      add_dependencies(fuzzers ${stem})
    endforeach()
  endif()
endfunction()

add_custom_target(generated)  # every source made by protoc, without compiling anything: for tools that read sources

# cairn_protobuf(MODULE FILE.proto...): compiles the messages into the module, without our warnings.
function(cairn_protobuf module)
  find_package(Protobuf REQUIRED)
  foreach(proto IN LISTS ARGN)
    get_filename_component(stem ${proto} NAME_WE)
    set(out ${CMAKE_BINARY_DIR}/proto/${module})
    file(MAKE_DIRECTORY ${out})
    add_custom_command(
      OUTPUT ${out}/${stem}.pb.cc ${out}/${stem}.pb.h
      COMMAND protobuf::protoc --proto_path=${CMAKE_CURRENT_SOURCE_DIR} --cpp_out=${out} ${proto}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
      COMMENT "protoc ${module}/${proto}")
    add_custom_target(generated_${module}_${stem} DEPENDS ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
    add_dependencies(generated generated_${module}_${stem})
    target_sources(cairn_${module} PRIVATE ${out}/${stem}.pb.cc ${out}/${stem}.pb.h)
    set_source_files_properties(${out}/${stem}.pb.cc PROPERTIES COMPILE_OPTIONS -w SKIP_PRECOMPILE_HEADERS ON)
    target_include_directories(cairn_${module} SYSTEM PRIVATE ${CMAKE_BINARY_DIR}/proto)
    target_link_libraries(cairn_${module} PRIVATE protobuf::libprotobuf-lite)
  endforeach()
endfunction()
