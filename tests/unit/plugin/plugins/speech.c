const char* speech(void) {
  return WORDS;
}
