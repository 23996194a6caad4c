#include "limits/limits.hpp"

int main(int argc, char** argv) {
  using namespace tenon::bench;
  return run_steps({{"futex", futex_ping_pong},
                    {"spin", spin_ping_pong},
                    {"descriptors", descriptor_ping_pong},
                    {"ring", ring_round_trip},
                    {"memory", memory_copy},
                    {"spawn", spawn_to_first_byte},
                    {"thread_pool", thread_pool}},
                   argc, argv);
}
