int add(int b, int c) {
  int a;
  a = b + c;
  return a;
}
