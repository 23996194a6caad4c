#include "host/reaper.hpp"

#include "tenon_test/catch.hpp"

using tenon::internal::Reaper;
using State = tenon::internal::Reaper::State;

TEST_CASE("Reaper: the role is the reactor's at first, and no bell is armed") {
  const Reaper reaper;
  REQUIRE(reaper.state() == State::kUnarmed);
  REQUIRE_FALSE(reaper.direct());
  REQUIRE_FALSE(reaper.exited());
  REQUIRE_FALSE(reaper.reactor_comes());
}

TEST_CASE("Reaper: an armed bell rings once") {
  Reaper reaper;
  reaper.arm(7);
  REQUIRE(reaper.reactor_comes());
  REQUIRE_FALSE(reaper.due());
  REQUIRE_FALSE(reaper.armed_elsewhere(7));
  REQUIRE(reaper.armed_elsewhere(8));
  reaper.move_bell(8);
  REQUIRE_FALSE(reaper.armed_elsewhere(8));
  REQUIRE(reaper.rang());
  REQUIRE(reaper.state() == State::kUnarmed);
}

TEST_CASE("Reaper: a ring that was not expected is taken too") {
  Reaper reaper;
  REQUIRE(reaper.rang());
  REQUIRE(reaper.state() == State::kUnarmed);
}

TEST_CASE("Reaper: when the bell cannot be armed, the reactor comes without a ring") {
  Reaper reaper;
  reaper.postpone();
  REQUIRE(reaper.due());
  REQUIRE(reaper.reactor_comes());
  REQUIRE_FALSE(reaper.armed_elsewhere(3));
  REQUIRE(reaper.rang());
  REQUIRE_FALSE(reaper.due());
}

TEST_CASE("Reaper: a waiting thread takes the role from the reactor, whatever that was to do") {
  Reaper reaper;
  SECTION("nothing") {}
  SECTION("wait for the bell") {
    reaper.arm(1);
  }
  SECTION("come soon") {
    reaper.postpone();
  }
  reaper.take();
  REQUIRE(reaper.direct());
  REQUIRE_FALSE(reaper.reactor_comes());
  REQUIRE_FALSE(reaper.due());
  REQUIRE_FALSE(reaper.rang());  // A ring from before.
  REQUIRE(reaper.direct());
  reaper.give_back();
  REQUIRE(reaper.state() == State::kUnarmed);
}

TEST_CASE("Reaper: a worker that exits while a thread has the role is cleaned up by that thread") {
  Reaper reaper;
  reaper.take();
  REQUIRE_FALSE(reaper.exited());
  reaper.note_exit();
  REQUIRE(reaper.direct());
  REQUIRE(reaper.exited());
  REQUIRE_FALSE(reaper.rang());
  reaper.end();
  REQUIRE_FALSE(reaper.direct());
  REQUIRE(reaper.exited());
}

TEST_CASE("Reaper: after the end no ring counts") {
  Reaper reaper;
  reaper.arm(1);
  reaper.end();
  REQUIRE(reaper.state() == State::kGone);
  REQUIRE_FALSE(reaper.rang());
  REQUIRE_FALSE(reaper.reactor_comes());
}
