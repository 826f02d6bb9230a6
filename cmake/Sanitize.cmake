if(SANITIZE)
	target_compile_options(flags INTERFACE -fsanitize=${SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
	target_link_options(flags INTERFACE -fsanitize=${SANITIZE})
endif()
