# turnout_embed(NAME PATTERN RET): a generated C file that defines `NAME_files` and `NAME_file_count` of
# server/base/embedded.h from the files that match PATTERN, in the order of their names. Its path goes to RET.
# A changed file runs the generator again; a new or removed one configures again.
function(turnout_embed name pattern ret)
    file(GLOB files LIST_DIRECTORIES false CONFIGURE_DEPENDS ${pattern})
    list(SORT files)
    set(output ${CMAKE_CURRENT_BINARY_DIR}/embedded/${name}_files.c)
    # The list goes through a file: a list does not survive as an argument, and a change of it must be seen too.
    set(names ${CMAKE_CURRENT_BINARY_DIR}/embedded/${name}_files.txt)
    list(JOIN files "\n" text)
    file(CONFIGURE OUTPUT ${names} CONTENT "${text}\n" @ONLY)
    set(script ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/EmbedScript.cmake)
    add_custom_command(
        OUTPUT ${output}
        COMMAND ${CMAKE_COMMAND} -DNAME=${name} -DLIST=${names} -DOUTPUT=${output} -P ${script}
        DEPENDS ${files} ${names} ${script}
        COMMENT "Embedding ${name} files"
        VERBATIM)
    set(${ret} ${output} PARENT_SCOPE)
endfunction()
