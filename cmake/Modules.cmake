# add_module(inv SRCS a.c b.c DEPS base task): one static library for one folder.
function(add_module name)
	cmake_parse_arguments(M "" "" "SRCS;DEPS" ${ARGN})
	add_library(${name} STATIC ${M_SRCS})
	target_link_libraries(${name} PUBLIC flags ${M_DEPS})
endfunction()

# add_program(droverd SRCS main.c DEPS server): one binary in bin/.
function(add_program name)
	cmake_parse_arguments(M "" "" "SRCS;DEPS" ${ARGN})
	add_executable(${name} ${M_SRCS})
	target_link_libraries(${name} PRIVATE flags ${M_DEPS})
endfunction()

# add_unit_test(flow DEPS loop [SRCS more.c] [LABELS unit threads] [TIMEOUT s]): tests/unit/test_flow.c with cmocka.
function(add_unit_test name)
	cmake_parse_arguments(M "" "TIMEOUT" "SRCS;DEPS;LABELS" ${ARGN})
	add_executable(test_${name} ${CMAKE_SOURCE_DIR}/tests/unit/test_${name}.c ${M_SRCS})
	target_link_libraries(test_${name} PRIVATE flags ${M_DEPS} PkgConfig::CMOCKA)
	add_test(NAME unit.${name} COMMAND test_${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
	if(NOT M_LABELS)
		set(M_LABELS unit)
	endif()
	if(NOT M_TIMEOUT)
		set(M_TIMEOUT 60)
	endif()
	set_tests_properties(unit.${name} PROPERTIES LABELS "${M_LABELS}" TIMEOUT ${M_TIMEOUT})
endfunction()

# add_fuzz(frame DEPS loop): tests/fuzz/fuzz_frame.c. With WITH_FUZZ a libFuzzer binary; otherwise a
# replayer that runs the corpus of tests/fuzz/corpus/frame under ctest.
function(add_fuzz name)
	cmake_parse_arguments(M "" "" "DEPS" ${ARGN})
	set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
	if(WITH_FUZZ)
		add_executable(fuzz_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_${name}.c)
		target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
	else()
		add_executable(fuzz_${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_${name}.c
			${CMAKE_SOURCE_DIR}/tests/fuzz/replay.c)
		add_test(NAME fuzz.${name} COMMAND fuzz_${name} ${corpus})
		set_tests_properties(fuzz.${name} PROPERTIES LABELS "fuzz" TIMEOUT 60)
	endif()
	target_link_libraries(fuzz_${name} PRIVATE flags ${M_DEPS})
endfunction()

# add_golden(place scheduler/place DEPS scheduler): tests/golden/golden_place.c, which says what becomes of a
# case, run over tests/golden/scheduler/place/*.in and compared with the .out beside each.
function(add_golden name dir)
	cmake_parse_arguments(M "" "" "DEPS" ${ARGN})
	add_executable(golden_${name} ${CMAKE_SOURCE_DIR}/tests/golden/golden_${name}.c
		${CMAKE_SOURCE_DIR}/tests/golden/run_golden.c)
	target_link_libraries(golden_${name} PRIVATE flags ${M_DEPS})
	add_test(NAME golden.${name} COMMAND golden_${name} ${CMAKE_SOURCE_DIR}/tests/golden/${dir})
	set_tests_properties(golden.${name} PROPERTIES LABELS "golden" TIMEOUT 60)
endfunction()
