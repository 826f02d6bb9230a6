# proto_sources(out hello.proto …): runs protoc-c into the build tree.
function(proto_sources out)
	set(made)
	foreach(p ${ARGN})
		get_filename_component(stem ${p} NAME_WE)
		set(c ${CMAKE_BINARY_DIR}/proto/${stem}.pb-c.c)
		set(h ${CMAKE_BINARY_DIR}/proto/${stem}.pb-c.h)
		add_custom_command(OUTPUT ${c} ${h}
			COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/proto
			COMMAND ${PROTOC_C} --proto_path=${CMAKE_SOURCE_DIR}/proto --c_out=${CMAKE_BINARY_DIR}/proto ${CMAKE_SOURCE_DIR}/proto/${p}
			DEPENDS ${CMAKE_SOURCE_DIR}/proto/${p})
		list(APPEND made ${c} ${h})
		set_source_files_properties(${c} PROPERTIES COMPILE_OPTIONS "-w")
	endforeach()
	set(${out} ${made} PARENT_SCOPE)
endfunction()
