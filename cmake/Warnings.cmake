# Compiled into every target by add_module() and friends.
add_library(flags INTERFACE)
target_include_directories(flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_definitions(flags INTERFACE _GNU_SOURCE DROVER_VERSION="${PROJECT_VERSION}")
target_compile_options(flags INTERFACE
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wundef -Wvla -Walloca
	-Wimplicit-fallthrough -Wdouble-promotion -Wno-unused-parameter
	-fstack-protector-strong -fstack-clash-protection -fPIE)
target_link_options(flags INTERFACE -pie -Wl,-z,relro,-z,now)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
	target_compile_options(flags INTERFACE -Wduplicated-cond -Wduplicated-branches -Wlogical-op)
else()
	# Tables end with { NULL }; gcc knows that idiom, clang does not.
	target_compile_options(flags INTERFACE -Wno-missing-field-initializers
		-Wno-cast-qual) # protobuf-c's INIT macros cast; gcc lets system headers do so
endif()
if(WERROR)
	target_compile_options(flags INTERFACE -Werror)
endif()
if(WITH_FAULT_POINTS)
	target_compile_definitions(flags INTERFACE WITH_FAULT_POINTS=1)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
	target_compile_options(flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -Wnull-dereference)
endif()
