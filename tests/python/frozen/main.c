// A program with a frozen __main__, as tools make them that turn a script into one executable.
// frozen_main.h has the code of program.py.
#include <Python.h>

#include "frozen_main.h"

extern int Py_FrozenMain(int argc, char** argv);

int main(int argc, char** argv) {
  static const struct _frozen modules[] = {
      {.name = "__main__", .code = kFrozenMain, .size = (int)sizeof kFrozenMain},
      {.name = NULL},
  };
  PyImport_FrozenModules = modules;
  return Py_FrozenMain(argc, argv);
}
