#include "schema/conformity.hpp"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include <tenon_test/catch.hpp>

#include "plugin/manifest_reader.hpp"
#include "support.hpp"

using tenon::Schema;
using tenon::internal::check_conformity;
using tenon::internal::SchemaBreak;
using namespace tenon::test;

namespace {

using Lines = std::vector<std::string>;

/// The role of a table in a plugin.
enum class Use { kArgument, kParams, kResult, kCheckpoint, kSettings };

const std::vector<Use> kReadByNew = {Use::kArgument, Use::kParams, Use::kCheckpoint, Use::kSettings};

std::string service(Use use) {
  switch (use) {
    case Use::kArgument:
      return "rpc_service A { a(T): Nil (idempotent); }";
    case Use::kParams:
      return "rpc_service A { a(Nil): Nil (params: \"T\"); }";
    case Use::kResult:
      return "rpc_service A { a(Nil): T; }";
    case Use::kCheckpoint:
      return "rpc_service A { a(Nil): Nil (streaming: \"server\", checkpoint: \"T\"); }";
    case Use::kSettings:
      return "rpc_service A { a(Nil): Nil (settings: \"T\"); }";
  }
  return {};
}

Schema whole(const std::string& text) {
  auto schema = Schema::from_binary(
      compile_schema(
          "attribute \"params\"; attribute \"settings\"; attribute \"checkpoint\"; attribute \"idempotent\"; "
          "namespace p; table Nil {} " +
          text),
      "p");
  REQUIRE(message_of(schema).empty());
  return *schema;
}

/// Returns "params of p.a: p.T.x: int32 became int64" for each break; each break has advice.
Lines texts_of(const std::vector<SchemaBreak>& breaks) {
  Lines lines;
  for (const SchemaBreak& found : breaks) {
    CHECK(!found.advice.empty());
    const std::string line = found.to_string();
    const std::string tail = "; " + found.advice;
    REQUIRE(line.ends_with(tail));
    lines.push_back(line.substr(0, line.size() - tail.size()));
  }
  return lines;
}

Lines between(const std::string& old_text, const std::string& new_text) {
  return texts_of(check_conformity(whole(old_text), whole(new_text)));
}

/// Returns the breaks of p.T in one role, without their prefix ("result of p.a: ").
Lines breaks(Use use, const std::string& old_text, const std::string& new_text) {
  Lines lines = between(old_text + ' ' + service(use), new_text + ' ' + service(use));
  for (std::string& line : lines) {
    const std::string subject = line.substr(0, line.find(": "));
    const std::vector<std::string> subjects = {"argument of p.a", "params of p.a", "result of p.a", "checkpoint of p.a",
                                               "settings"};
    CHECK(subject == subjects[static_cast<std::size_t>(use)]);
    line.erase(0, subject.size() + 2);
  }
  return lines;
}

struct Pair {
  const char* before;
  const char* now;
  Lines lines;
};

}  // namespace

TEST_CASE("check_conformity: what may change, in whichever direction") {
  const Pair pairs[] = {
      {"table T { a: int; }", "table T { a: int; }", {}},
      {"table T { a: int; }", "table T { a: int; b: string; c: [T]; d: double = 2; }", {}},
      {"table T { a: int; b: int; }", "table T { a: int (deprecated); b: int; }", {}},
      {"table T { a: int; }", "table T { a_old: int (deprecated); }", {}},
      {"table T { a: int (id: 0); b: int (id: 1); }", "table T { b: int (id: 1); a: int (id: 0); }", {}},
      {"table T { a: int; }", "\n/// Said better.\ntable T { a: int; } table Unused { x: int; }", {}},
      {"table U { x: int; } table T { u: U; }", "table U { x: int; y: int; } table T { u: U; }", {}},
      {"enum E: byte { X } table T { e: E; }", "enum E: byte { X, Y } table T { e: E; }", {}},
      {"table U {} union W { U } table T { w: W; }", "table U {} table V {} union W { U, V } table T { w: W; }", {}},
      {"table U {} union W { U } table T { a: int; }", "table U {} union W { U } table T { a: int; w: W; }", {}},
      {"struct S { x: int; } table T { s: S; }", "struct S { x: int; } table T { s: S; t: [S]; }", {}},
      {"table T { a: string (required); }", "table T { a: string (required); }", {}},
      {"table T { a: float = nan; }", "table T { a: float = nan; }", {}},
  };
  for (const Pair& pair : pairs) {
    INFO(pair.before << " -> " << pair.now);
    for (const Use use : {Use::kArgument, Use::kParams, Use::kResult, Use::kCheckpoint, Use::kSettings}) {
      CHECK(breaks(use, pair.before, pair.now) == Lines{});
    }
  }
}

TEST_CASE("check_conformity: what is a break in whichever direction") {
  const Pair pairs[] = {
      // Fields that are removed, moved, renamed or reused.
      {"table T { a: int; b: int; }", "table T { a: int; }", {"p.T.b: int32 became absent"}},
      {"table T { a: int; b: int; c: int; }",
       "table T { a: int; c: int; }",
       {"p.T.c: id 2 became id 1", "p.T.b: int32 became absent"}},
      {"table T { a: int; b: int (deprecated); }", "table T { a: int; }", {"p.T.b: int32 (deprecated) became absent"}},
      {"table T { a: int; b: int; }", "table T { a: int; c: int; b: int; }", {"p.T.b: id 1 became id 2"}},
      {"table T { a: int; b: int; }",
       "table T { b: int; a: int; }",
       {"p.T.a: id 0 became id 1", "p.T.b: id 1 became id 0"}},
      {"table T { a: int; }", "table T { b: int; }", {"p.T.a: 'a' became 'b'"}},
      {"table T { a: int (deprecated); b: int; }",
       "table T { c: int; b: int; }",
       {"p.T.c: 'a' (deprecated) became 'c'"}},
      {"table U {} union W { U } table T { a: int; w: W; }",
       "table U {} union W { U } table T { a: int; }",
       {"p.T.w: p.W became absent"}},
      {"table T { a: ubyte; }", "table U {} union W { U } table T { w: W; }", {"p.T.a: 'a' became 'w_type'"}},
      // Types.
      {"table T { a: int; }", "table T { a: long; }", {"p.T.a: int32 became int64"}},
      {"table T { a: int; }", "table T { a: uint; }", {"p.T.a: int32 became uint32"}},
      {"table T { a: int; }", "table T { a: int (deprecated); b: int; } table X { }", {}},
      {"table T { a: int; }", "table T { a: long (deprecated); }", {"p.T.a: int32 became int64"}},
      {"table T { a: int; }", "table T { a: [int]; }", {"p.T.a: int32 became [int32]"}},
      {"table T { a: [int]; }", "table T { a: [uint]; }", {"p.T.a: [int32] became [uint32]"}},
      {"table T { a: string; }", "table T { a: [ubyte]; }", {"p.T.a: string became [ubyte]"}},
      {"table T { a: bool; }", "table T { a: ubyte; }", {"p.T.a: bool became uint8"}},
      {"enum E: int { X } table T { a: int; }", "enum E: int { X } table T { a: E; }", {"p.T.a: int32 became p.E"}},
      {"enum E: int { X } table T { a: E; }", "enum E: int { X } table T { a: int; }", {"p.T.a: p.E became int32"}},
      {"enum E: byte { X } table T { a: [byte]; }",
       "enum E: byte { X } table T { a: [E]; }",
       {"p.T.a: [int8] became [p.E]"}},
      {"table U {} table T { a: U; }", "struct U { x: int; } table T { a: U; }", {"p.U: a table became a struct"}},
      {"enum U: byte { X } table T { a: U; }", "table U {} table T { a: U; }", {"p.U: an enum of int8 became a table"}},
      {"table U { x: int; } table T { a: [U]; }",
       "table U { x: float; } table T { a: [U]; }",
       {"p.U.x: int32 became float"}},
      // Defaults and nulls.
      {"table T { a: int = 1; }", "table T { a: int = 2; }", {"p.T.a: default 1 became default 2"}},
      {"table T { a: float = 1; }", "table T { a: float = nan; }", {"p.T.a: default 1.0 became default \"nan\""}},
      {"enum E: byte { X, Y } table T { a: E; }",
       "enum E: byte { X, Y } table T { a: E = Y; }",
       {"p.T.a: default X became default Y"}},
      {"table T { a: int = null; }", "table T { a: int; }", {"p.T.a: default null became default 0"}},
      {"table T { a: int; }", "table T { a: int = null; }", {"p.T.a: default 0 became default null"}},
      // Enums and unions.
      {"enum E: byte { X } table T { a: E; }",
       "enum E: short { X } table T { a: E; }",
       {"p.E: an enum of int8 became an enum of int16"}},
      {"enum E: byte { X, Y } table T { a: E; }", "enum E: byte { X } table T { a: E; }", {"p.E.Y: 1 became absent"}},
      {"enum E: byte { X, Y } table T { a: E; }", "enum E: byte { X, Z } table T { a: E; }", {"p.E.Y: 'Y' became 'Z'"}},
      {"enum E: byte { X, Y } table T { a: E; }", "enum E: byte { X, Z, Y } table T { a: E; }", {"p.E.Y: 1 became 2"}},
      {"table U {} table V {} union W { U, V } table T { w: W; }",
       "table U {} table V {} union W { U } table T { w: W; }",
       {"p.W.V: 2 became absent"}},
      {"table U {} table V {} union W { M: U } table T { w: W; }",
       "table U {} table V {} union W { M: V } table T { w: W; }",
       {"p.W.M: p.U became p.V"}},
      {"table U { x: int; } union W { U } table T { w: [W]; }",
       "table U { } union W { U } table T { w: [W]; }",
       {"p.U.x: int32 became absent"}},
      // Structs.
      {"struct S { x: int; } table T { s: S; }",
       "struct S { x: int; y: int; } table T { s: S; }",
       {"p.S.y: absent became int32 at byte 4"}},
      {"struct S { x: int; y: int; } table T { s: S; }",
       "struct S { x: int; } table T { s: S; }",
       {"p.S.y: int32 at byte 4 became absent"}},
      {"struct S { x: int; } table T { s: S; }",
       "struct S (force_align: 16) { x: int; } table T { s: S; }",
       {"p.S: 4 bytes, aligned to 4 became 16 bytes, aligned to 16"}},
      {"struct S { x: int; y: short; z: short; } table T { s: [S]; }",
       "struct S { x: int; z: short; y: short; } table T { s: [S]; }",
       {"p.S.y: int16 at byte 4 became int16 at byte 6", "p.S.z: int16 at byte 6 became int16 at byte 4"}},
      {"struct S { x: int; } table T { s: S; }",
       "struct S { x: float; } table T { s: S; }",
       {"p.S.x: int32 became float"}},
      {"struct S { x: int; } struct B { s: [S:2]; } table T { b: B; }",
       "struct S { x: int; } struct B { s: [S:3]; } table T { b: B; }",
       {"p.B.s: [p.S:2] became [p.S:3]"}},
      {"struct S { x: int; } struct B { s: S; } table T { b: B; }",
       "struct S { x: uint; } struct B { s: S; } table T { b: B; }",
       {"p.S.x: int32 became uint32"}},
  };
  for (const Pair& pair : pairs) {
    INFO(pair.before << " -> " << pair.now);
    for (const Use use : {Use::kArgument, Use::kParams, Use::kResult, Use::kCheckpoint, Use::kSettings}) {
      Lines found = breaks(use, pair.before, pair.now);
      Lines expected = pair.lines;
      std::sort(found.begin(), found.end());
      std::sort(expected.begin(), expected.end());
      CHECK(found == expected);
    }
  }
}

TEST_CASE("check_conformity: what is a break where the new version reads") {
  const Pair pairs[] = {
      {"table T { a: string; }", "table T { a: string (required); }", {"p.T.a: optional became required"}},
      {"table T { }", "table T { a: string (required); }", {"p.T.a: absent became required"}},
      {"table K { k: int; } table T { a: [K]; }",
       "table K { k: int (key); } table T { a: [K]; }",
       {"p.K.k: no key became key"}},
      {"enum E: ubyte (bit_flags) { X = 0 } table T { a: E = X; }",
       "enum E: ubyte { X = 1 } table T { a: E = X; }",
       {"p.E: bit_flags became one value"}},
  };
  for (const Pair& pair : pairs) {
    INFO(pair.before << " -> " << pair.now);
    for (const Use use : kReadByNew) {
      CHECK(breaks(use, pair.before, pair.now) == pair.lines);
    }
    CHECK(breaks(Use::kResult, pair.before, pair.now) == Lines{});
  }
}

TEST_CASE("check_conformity: what is a break where old callers read") {
  const Pair pairs[] = {
      {"table T { a: string (required); }", "table T { a: string; }", {"p.T.a: required became optional"}},
      {"table T { a: string (required); }",
       "table T { a: string (deprecated); }",
       {"p.T.a: required became deprecated"}},
      {"table K { k: int (key); } table T { a: [K]; }",
       "table K { k: int; } table T { a: [K]; }",
       {"p.K.k: key became no key"}},
      {"enum E: ubyte { X = 1 } table T { a: E = X; }",
       "enum E: ubyte (bit_flags) { X = 0 } table T { a: E = X; }",
       {"p.E: one value became bit_flags"}},
  };
  for (const Pair& pair : pairs) {
    INFO(pair.before << " -> " << pair.now);
    CHECK(breaks(Use::kResult, pair.before, pair.now) == pair.lines);
    for (const Use use : kReadByNew) {
      CHECK(breaks(use, pair.before, pair.now) == Lines{});
    }
  }
}

TEST_CASE("check_conformity: tasks") {
  const auto tasks = [](const std::string& before, const std::string& now) {
    const std::string tables = "table T {} table U {} table V { s: string (required); } ";
    return between(tables + "rpc_service A { " + before + " }", tables + "rpc_service A { " + now + " }");
  };
  const std::string other = "z(T): T;";
  CHECK(tasks(other, "a(T): T;" + other) == Lines{});
  CHECK(tasks("a(T): T;", "a(T): T (idempotent);") == Lines{});
  CHECK(tasks("a(T): T (idempotent);", "a(T): T;") == Lines{"task p.a: idempotent became not idempotent"});
  CHECK(tasks("a(T): T;" + other, other) == Lines{"task p.a: a plain task became absent"});
  CHECK(tasks("a(T): T;", "a(T): T (streaming: \"server\");") == Lines{"task p.a: a plain task became a source"});
  CHECK(tasks("a(T): T (streaming: \"client\");", "a(T): T;") == Lines{"task p.a: a reduce became a plain task"});
  CHECK(tasks("a(T): T;", "a(U): T;") == Lines{"argument of p.a: p.T became p.U"});
  CHECK(tasks("a(T): T;", "a(T): U;") == Lines{"result of p.a: p.T became p.U"});
  CHECK(tasks("a(T): T (params: \"T\");", "a(T): T (params: \"U\");") == Lines{"params of p.a: p.T became p.U"});
  CHECK(tasks("a(T): T (params: \"T\");", "a(T): T;") == Lines{"params of p.a: p.T became none"});
  CHECK(tasks("a(T): T;", "a(T): T (params: \"T\");") == Lines{});
  CHECK(tasks("a(T): T;", "a(T): T (params: \"V\");") == Lines{"params of p.a: p.V.s: absent became required"});
  CHECK(tasks("a(T): T (settings: \"T\");", "a(T): T (settings: \"U\");") == Lines{"settings: p: p.T became p.U"});
  CHECK(tasks("a(T): T (settings: \"T\");", "a(T): T;") == Lines{"settings: p: p.T became none"});
  CHECK(tasks("a(T): T;", "a(T): T (settings: \"T\");") == Lines{});
  CHECK(tasks("a(T): T;", "a(T): T (settings: \"V\");") == Lines{"settings: p.V.s: absent became required"});
}

TEST_CASE("check_conformity: checkpoints are compared where both versions declare them") {
  const auto source = [](const std::string& attribute) {
    return "table T { a: int; } table U { } rpc_service A { a(Nil): Nil (streaming: \"server\"" + attribute + "); }";
  };
  CHECK(between(source(", checkpoint: \"T\""), source(", checkpoint: \"T\"")) == Lines{});
  CHECK(between(source(""), source(", checkpoint: \"T\"")) == Lines{});
  CHECK(between(source(", checkpoint: \"T\""), source("")) == Lines{});
  CHECK(between(source(", checkpoint: \"T\""), source(", checkpoint: \"U\"")) ==
        Lines{"checkpoint of p.a: p.T became p.U"});
}

TEST_CASE("check_conformity: a renamed task is found") {
  const auto advice = [](const std::string& before, const std::string& now) {
    const auto found = check_conformity(whole("table T {} table U {} rpc_service A { " + before + " }"),
                                        whole("table T {} table U {} rpc_service A { " + now + " }"));
    REQUIRE(found.size() == 1);
    CHECK(found[0].subject == SchemaBreak::Subject::kTask);
    CHECK(found[0].task == "p.scale");
    CHECK(found[0].place == "p.scale");
    return found[0].advice;
  };
  CHECK(has(advice("scale(T): T;", "scales(T): T;"), "did you mean 'scales'?"));
  CHECK(has(advice("scale(T): U; a(T): T;", "resize(T): U; a(T): T;"), "did you mean 'resize'?"));
  CHECK_FALSE(has(advice("scale(T): U; a(T): T;", "resize(T): T; a(T): T;"), "did you mean"));
  CHECK_FALSE(has(advice("scale(T): T; scald(T): T;", "scald(T): T;"), "did you mean"));
}

TEST_CASE("check_conformity: tenon.Any takes every table, and gives any") {
  const auto one = [](const std::string& types) {
    return "table T { a: tenon.File; } rpc_service A { a" + types + "; }";
  };
  const auto compare = [](const std::string& before, const std::string& now) {
    const auto read = [](const std::string& text) {
      auto schema = Schema::from_binary(compile_schema("include \"tenon/types.fbs\"; namespace p; " + text), "p");
      REQUIRE(message_of(schema).empty());
      return *schema;
    };
    return texts_of(check_conformity(read(before), read(now)));
  };
  CHECK(compare(one("(T): T"), one("(tenon.Any): T")) == Lines{});
  CHECK(compare(one("(tenon.Any): T"), one("(T): T")) == Lines{"argument of p.a: tenon.Any became p.T"});
  CHECK(compare(one("(T): T"), one("(T): tenon.Any")) == Lines{"result of p.a: p.T became tenon.Any"});
  CHECK(compare(one("(T): tenon.Any"), one("(T): T")) == Lines{});
  CHECK(compare("table T { a: tenon.File; } rpc_service A { a(T): tenon.Empty; }",
                "table T { a: tenon.Any; } rpc_service A { a(T): tenon.Empty; }") == Lines{});
}

TEST_CASE("check_conformity: all breaks at once, each with its first task") {
  const Lines found = between(
      "enum E: byte { X, Y } table U { e: E; } table T { a: int; b: string; u: U; } table P { q: int = 1; } "
      "rpc_service A { one(T): T (params: \"P\", idempotent); two(U): T; gone(U): U; }",
      "enum E: byte { X, Z } table U { e: E; } table T { a: long; b: string (required); u: U; } table P { q: int = 2; "
      "} "
      "rpc_service A { one(T): T (params: \"P\"); two(T): T; }");
  CHECK(found == Lines{"task p.gone: a plain task became absent", "task p.one: idempotent became not idempotent",
                       "argument of p.one: p.T.a: int32 became int64",
                       "argument of p.one: p.T.b: optional became required", "argument of p.one: p.E.Y: 'Y' became 'Z'",
                       "params of p.one: p.P.q: default 1 became default 2", "argument of p.two: p.U became p.T"});
}

TEST_CASE("check_conformity: types that lead back to themselves") {
  const std::string before = "table U { t: [T]; x: int; } table T { t: T; us: [U]; a: int; }";
  CHECK(breaks(Use::kArgument, before, before) == Lines{});
  CHECK(breaks(Use::kArgument, before, "table U { t: [T]; x: long; } table T { t: T; us: [U]; a: int; }") ==
        Lines{"p.U.x: int32 became int64"});
}

TEST_CASE("check_conformity: types of the same short name are not mistaken for each other") {
  const std::string spaces =
      "namespace q; table U { x: int; } enum E: byte { X } namespace r; table U { x: int; } enum E: byte { X } "
      "namespace p; ";
  CHECK(breaks(Use::kArgument, spaces + "table T { u: q.U; e: q.E; }", spaces + "table T { u: r.U; e: r.E; }") ==
        Lines{"p.T.u: q.U became r.U", "p.T.e: q.E became r.E"});
  CHECK(breaks(Use::kArgument, spaces + "table T { a: q.U; b: r.U; }",
               "namespace q; table U { x: int; } namespace r; table U { x: long; } namespace p; "
               "table T { a: q.U; b: r.U; }") == Lines{"r.U.x: int32 became int64"});
}

TEST_CASE("check_conformity: foreign text cannot reach a terminal") {
  // flatc does not accept such names, but a binary schema may contain any bytes.
  tenon::Buffer binary = compile_schema("namespace p; table T { abcd: int; } rpc_service A { a(T): T; }");
  const std::string name = "abcd";
  const auto at = std::search(binary.begin(), binary.end(), name.begin(), name.end());
  REQUIRE(at != binary.end());
  *at = 0x1b;
  const auto hostile = Schema::from_binary(binary, "p");
  REQUIRE(message_of(hostile).empty());
  const auto found = check_conformity(
      *hostile, *Schema::from_binary(compile_schema("namespace p; table T { } rpc_service A { a(T): T; }"), "p"));
  REQUIRE(found.size() == 1);
  CHECK(found[0].place == "p.T.\\x1bbcd");
  CHECK(found[0].to_string().find('\x1b') == std::string::npos);
}

TEST_CASE("check_conformity: large schemas take time in proportion") {
  // Every table refers to two others through two fields each, so that there are 2^n paths to the
  // last one. A chain of this length is deeper than a stack allows.
  const auto text = [](const std::string& last) {
    std::string tables;
    constexpr int kTables = 20'000;
    for (int i = 0; i < kTables; ++i) {
      const std::string next = "N" + std::to_string(std::min(i + 1, kTables));
      const std::string after = "N" + std::to_string(std::min(i + 2, kTables));
      tables += "table N" + std::to_string(i) + " { a: " + next + "; b: " + after + "; c: [" + next + "]; } ";
    }
    return tables + "table N" + std::to_string(kTables) + " { x: " + last +
           "; } rpc_service A { a(N0): N0; b(N1): N2; }";
  };
  const Schema before = whole(text("int"));
  const Schema now = whole(text("long"));
  const auto start = std::chrono::steady_clock::now();
  const Lines found = texts_of(check_conformity(before, now));
  CHECK(found == Lines{"argument of p.a: p.N20000.x: int32 became int64"});
  // A wrong implementation hangs; a correct one takes a second.
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

TEST_CASE("check_conformity: many removed and added tasks take time in proportion") {
  const auto text = [](const std::string& prefix) {
    std::string methods;
    for (int i = 0; i < 3000; ++i) {
      methods += prefix + std::to_string(i) + "(Nil): Nil; ";
    }
    return "rpc_service A { " + methods + "}";
  };
  CHECK(between(text("before"), text("after")).size() == 3000);
}
