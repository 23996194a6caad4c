#include "workloads/workloads.hpp"

int main(int argc, char** argv) {
  using namespace tenon::bench;
  return run_steps({{"awake_calls", awake_calls},
                    {"sleeping_calls", sleeping_calls},
                    {"echo", echo},
                    {"futures", futures},
                    {"map", map},
                    {"start", start},
                    {"queue", queue},
                    {"workers", workers},
                    {"idle", idle},
                    {"mixed", mixed},
                    {"nested", nested},
                    {"pipeline", pipeline},
                    {"swap", swap}},
                   argc, argv);
}
