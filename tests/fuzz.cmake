# SPDX-License-Identifier: MIT
# Each tests/fuzz/<target>_fuzz.cpp is a libFuzzer program. Its committed inputs are tests/corpus/<room>/<target>/, and
# that folder names its room.

if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "The kind fuzz needs clang: libFuzzer is part of its runtime")
endif()
find_package(Python3 QUIET COMPONENTS Interpreter)
if(NOT Python3_FOUND)
    message(STATUS "tests/fuzz: skipped, python3 was not found")
    return()
endif()

math(EXPR plateau_fuzz_timeout "120 * ${PLATEAU_TEST_TIMEOUT_SCALE}")
file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/*_fuzz.cpp")
list(REMOVE_ITEM sources ${plateau_nightly_sources})
foreach(source IN LISTS sources)
    cmake_path(GET source STEM name)
    string(REGEX REPLACE "_fuzz$" "" name "${name}")
    file(GLOB corpus CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/corpus/*/${name}")
    list(LENGTH corpus folders)
    if(NOT folders EQUAL 1)
        message(FATAL_ERROR "tests/fuzz/${name}_fuzz.cpp needs one corpus, tests/corpus/<room>/${name}; "
                            "found: ${corpus}")
    endif()
    cmake_path(GET corpus PARENT_PATH room)
    cmake_path(GET room FILENAME room)

    add_executable(plateau_fuzz_${name} "${source}")
    target_include_directories(plateau_fuzz_${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
    target_compile_options(plateau_fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(plateau_fuzz_${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(plateau_fuzz_${name} PRIVATE plateau_own_flags)
    plateau_needed_by(plateau_fuzz_${name} fuzz ${room})
    add_test(
        NAME fuzz.${name}
        COMMAND
            "${Python3_EXECUTABLE}" -B "${CMAKE_CURRENT_SOURCE_DIR}/fuzz_target.py" --room ${room} --corpus "${corpus}"
            --scratch "${CMAKE_CURRENT_BINARY_DIR}/fuzz/${name}" $<TARGET_FILE:plateau_fuzz_${name}>)
    set_tests_properties(
        fuzz.${name} PROPERTIES LABELS "fuzz;${room}" TIMEOUT ${plateau_fuzz_timeout} ENVIRONMENT
                                "${plateau_sanitizer_environment}")
endforeach()
