// A library for dynamic_library_test.cpp.
extern "C" __attribute__((visibility("default"))) int platform_test_answer() {
  return 42;
}
