#include "base/utf8.hpp"

#include "tenon_test/catch.hpp"

namespace tenon::test {

TEST_CASE("utf8_length: accepts what is well-formed and nothing else") {
  using internal::utf8_length;
  CHECK(utf8_length("a") == 1);
  CHECK(utf8_length("\xC3\xA9") == 2);
  CHECK(utf8_length("\xE2\x82\xAC") == 3);
  CHECK(utf8_length("\xF0\x9F\x98\x80") == 4);
  for (const char* bad : {"", "\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"}) {
    CHECK(utf8_length(bad) == 0);
  }
}

TEST_CASE("decode_utf8: gives the character of a sequence") {
  using internal::decode_utf8;
  CHECK(decode_utf8("a") == U'a');
  CHECK(decode_utf8("\xC3\xA9") == 0xE9);
  CHECK(decode_utf8("\xE2\x82\xAC") == 0x20AC);
  CHECK(decode_utf8("\xF0\x9F\x98\x80") == 0x1F600);
}

TEST_CASE("is_utf8: holds for whole texts only") {
  using internal::is_utf8;
  CHECK(is_utf8(""));
  CHECK(is_utf8("a\xC3\xA9z"));
  CHECK_FALSE(is_utf8("a\xC3"));
  CHECK_FALSE(is_utf8("\xFFz"));
}

}  // namespace tenon::test
