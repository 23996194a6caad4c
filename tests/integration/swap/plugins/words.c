/* WORDS is what this content of the library says. */
const char* words(void);

const char* words(void) {
  return WORDS;
}
