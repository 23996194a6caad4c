const char* words(void);
const char* speech(void);

const char* speech(void) {
  return words();
}
