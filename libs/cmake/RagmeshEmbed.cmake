# Puts files into a library as they are.
# ragmesh_embed_source(OUT file.cc FILES path...) writes a C++ file that defines, for each FILE, the symbols
# ragmesh_embedded_<n>_begin and _end in the order given. The assembler copies the bytes, so that even large
# files compile at once.
function(ragmesh_embed_source out)
  set(text "// Generated. Bytes of files built into the binary.\n")
  set(n 0)
  foreach(file IN LISTS ARGN)
    string(APPEND text
      "asm(\".section .rodata\\n.balign 16\\n.global ragmesh_embedded_${n}_begin\\nragmesh_embedded_${n}_begin:\\n\"\n"
      "    \".incbin \\\"${file}\\\"\\n.global ragmesh_embedded_${n}_end\\nragmesh_embedded_${n}_end:\\n.byte 0\\n.previous\\n\");\n")
    math(EXPR n "${n} + 1")
  endforeach()
  file(CONFIGURE OUTPUT "${out}" CONTENT "${text}" @ONLY)
  set_source_files_properties("${out}" PROPERTIES OBJECT_DEPENDS "${ARGN}")
endfunction()
