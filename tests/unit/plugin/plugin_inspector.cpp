// The part of tenon-worker that inspects plugins, as a separate program.
#include "plugin/inspector.hpp"

int main(int argc, char** argv) {
  return tenon::internal::run_inspector_if_asked(argc, argv).value_or(2);
}
