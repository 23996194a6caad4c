int nameless(void) {
  return 1;
}
