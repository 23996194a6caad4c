#include "image/exif.hpp"

#include <span>

#include "pictures.hpp"
#include "tenon_test/catch.hpp"

using image::exif_orientation;
using tenon::test::exif_block;
using tenon::test::FileBytes;

TEST_CASE("Exif: the orientation is read in both byte orders") {
  for (std::uint16_t orientation = 1; orientation <= 8; ++orientation) {
    CHECK(exif_orientation(exif_block(orientation, true)) == orientation);
    CHECK(exif_orientation(exif_block(orientation, false)) == orientation);
  }
}

TEST_CASE("Exif: an orientation that does not exist is upright") {
  CHECK(exif_orientation(exif_block(0, true)) == 1);
  CHECK(exif_orientation(exif_block(9, true)) == 1);
  CHECK(exif_orientation(exif_block(0xFFFF, false)) == 1);
}

TEST_CASE("Exif: a block that is cut off is upright") {
  const FileBytes whole = exif_block(6, true);
  // After the value come padding and the offset of a next directory; neither is needed.
  constexpr std::size_t kValueEnd = 20;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const FileBytes part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(exif_orientation(part) == (size < kValueEnd ? 1 : 6));
  }
}

TEST_CASE("Exif: a directory outside the block is upright") {
  FileBytes block = exif_block(6, true);
  for (const std::uint8_t offset : {std::uint8_t{25}, std::uint8_t{26}, std::uint8_t{255}}) {
    block[4] = offset;
    CHECK(exif_orientation(block) == 1);
  }
  block[4] = block[5] = block[6] = block[7] = 0xFF;
  CHECK(exif_orientation(block) == 1);
}

TEST_CASE("Exif: more entries promised than there are do no harm") {
  FileBytes block = exif_block(6, true);
  block[8] = block[9] = 0xFF;
  block[10] = 0x13;
  CHECK(exif_orientation(block) == 1);
}
