/* WORDS is the text of this content of the library. */
const char* words(void);

const char* words(void) {
  return WORDS;
}
