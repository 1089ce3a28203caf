/* Give TestU01 the 32-bit words on standard input: initcore bits | ./testu01 SmallCrush
 *
 * cc -O2 -I/usr/include/testu01 testu01.c -o testu01 -ltestu01
 *
 * is for Debian's libtestu01-0-dev (non-free); a static build of TestU01 also wants -lprobdist -lmylib -lm. With
 * "reversed" each word's bits come in the opposite order: TestU01 looks at the high ones most. */

#include <bbattery.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unif01.h>

enum { AT_ONCE = 1 << 16 };

static uint32_t words[AT_ONCE];
static size_t held, used;

static unsigned int next_word(void) {
  if (used == held) {
    held = fread(words, sizeof words[0], AT_ONCE, stdin);
    used = 0;
    if (held == 0) {
      fprintf(stderr, "testu01: the input has ended\n");
      exit(1);
    }
  }
  return words[used++];
}

static unsigned int next_reversed(void) {
  unsigned int w = next_word();
  w = (w >> 1 & 0x55555555u) | (w & 0x55555555u) << 1;
  w = (w >> 2 & 0x33333333u) | (w & 0x33333333u) << 2;
  w = (w >> 4 & 0x0F0F0F0Fu) | (w & 0x0F0F0F0Fu) << 4;
  w = (w >> 8 & 0x00FF00FFu) | (w & 0x00FF00FFu) << 8;
  return w >> 16 | w << 16;
}

static const struct {
  const char *name;
  void (*run)(unif01_Gen *);
} batteries[] = {{"SmallCrush", bbattery_SmallCrush}, {"Crush", bbattery_Crush}, {"BigCrush", bbattery_BigCrush}};

int main(int argc, char **argv) {
  static char name[] = "standard input", name_reversed[] = "standard input, bits reversed";
  const int reversed = argc == 3 && strcmp(argv[2], "reversed") == 0;
  for (size_t i = 0; i < sizeof batteries / sizeof batteries[0] && (argc == 2 || reversed); i++) {
    if (strcmp(argv[1], batteries[i].name) == 0) {
      unif01_Gen *generator =
          unif01_CreateExternGenBits(reversed ? name_reversed : name, reversed ? next_reversed : next_word);
      batteries[i].run(generator);
      unif01_DeleteExternGenBits(generator);
      return 0;
    }
  }
  fprintf(stderr, "usage: testu01 SmallCrush|Crush|BigCrush [reversed] <words\n");
  return 2;
}
