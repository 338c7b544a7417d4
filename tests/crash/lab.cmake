# Real processes, and what an operating system may do to them. Each program is one test.
file(GLOB laboratory CONFIGURE_DEPENDS lab_*.c)
foreach(source IN LISTS laboratory)
    cmake_path(GET source STEM name)
    ringpost_test(crash ${name} ${source} queue)
    target_include_directories(test_crash_${name} PRIVATE ${PROJECT_SOURCE_DIR}/tests/support)
    set_tests_properties(crash.${name} PROPERTIES SKIP_RETURN_CODE 77)
endforeach()
# Time that the test makes.
target_link_options(test_crash_lab_clock PRIVATE LINKER:--wrap=clock_gettime)
