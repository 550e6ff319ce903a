// What the address sanitizer does in a fuzz target unless ASAN_OPTIONS says otherwise. Stacks of
// allocations and a long memory for what was freed cost a fifth of the time of an execution. The
// stacks are for a person who looks at an input that failed: malloc_context_size=30.
extern "C" const char* __asan_default_options() {
  return "malloc_context_size=0:quarantine_size_mb=4";
}
