extern const char* speech(void);

const char* voice(void) {
  return speech();
}
