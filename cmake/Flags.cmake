# Warnings, sanitizers and hardening for every target.

add_compile_definitions(_GNU_SOURCE)
add_compile_options(
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes -Wundef
    -Wvla -Wwrite-strings -Wcast-qual -Wformat=2 -Wswitch-enum -Wimplicit-fallthrough -Wnull-dereference)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wlogical-op -Wduplicated-cond -Wduplicated-branches)
endif()
if(TURNOUT_WERROR)
    add_compile_options(-Werror)
endif()

if(TURNOUT_SANITIZE)
    add_compile_options(-fsanitize=${TURNOUT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${TURNOUT_SANITIZE})
endif()
if(TURNOUT_FUZZ)
    # Edge counters in every library; the fuzzers themselves link libFuzzer's main().
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(TURNOUT_COVERAGE)
    add_compile_options(--coverage)
    add_link_options(--coverage)
endif()

if(TURNOUT_CRASH_POINTS)
    add_compile_definitions(TURNOUT_CRASH_POINTS)
endif()

if(TURNOUT_HARDENING)
    set(CMAKE_POSITION_INDEPENDENT_CODE ON)
    # Debian's compilers may define a lower level themselves.
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
        add_compile_options(-fcf-protection=full)
    endif()
    add_compile_options(-fPIE)
    add_link_options(-pie -Wl,-z,relro,-z,now)
endif()
