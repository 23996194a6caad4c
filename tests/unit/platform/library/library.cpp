// A library that dynamic_library_test.cpp loads.
extern "C" __attribute__((visibility("default"))) int platform_test_answer() {
  return 42;
}
