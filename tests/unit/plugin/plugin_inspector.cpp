// The part of tenon-worker that inspects, as a program of its own.
#include "plugin/inspector.hpp"

int main(int argc, char** argv) {
  return tenon::internal::run_inspector_if_asked(argc, argv).value_or(2);
}
