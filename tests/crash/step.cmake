# What a process killed at instruction k leaves behind, for every k (step_*), and creators killed at each step (create_*).
# Under a sanitizer most instructions that are stepped would be the sanitizer's.
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize")
    foreach(part step create)
        file(GLOB sources CONFIGURE_DEPENDS ${part}_*.c)
        add_executable(crash_${part} ${sources})
        ringpost_layer_includes(crash_${part} queue)
        foreach(layer IN LISTS RINGPOST_LAYERS)
            target_link_libraries(crash_${part} PRIVATE rp_${layer})
        endforeach()
        target_link_libraries(crash_${part} PRIVATE Threads::Threads m)
    endforeach()
    if(NOT CMAKE_BUILD_TYPE STREQUAL Debug) # there are two or three times as many instructions, and none that anybody ships
        add_test(NAME crash.step COMMAND crash_step)
        set_tests_properties(crash.step PROPERTIES LABELS crash TIMEOUT 600 PROCESSORS 2 SKIP_RETURN_CODE 77)
    endif()
    add_test(NAME crash.create COMMAND crash_create)
    set_tests_properties(crash.create PROPERTIES LABELS crash TIMEOUT 300 SKIP_RETURN_CODE 77)
endif()
