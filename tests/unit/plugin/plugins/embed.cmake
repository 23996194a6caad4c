# Writes the bytes of INPUT into the header OUTPUT.
file(READ ${INPUT} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUTPUT} "#define SAMPLE_SCHEMA_BYTES ${bytes}\ninline constexpr unsigned char kSampleSchema[] = {SAMPLE_SCHEMA_BYTES};\n")
