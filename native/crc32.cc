// CRC-32: eight bytes a step by tables everywhere; where the processor multiplies without carry, four 128-bit lanes are
// folded first. (The method: Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel 2009.)
#include "crc32.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

struct Tables {
  uint32_t entry[8][256];

  constexpr Tables() : entry() {
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t crc = byte;
      for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0u);
      entry[0][byte] = crc;
    }
    for (uint32_t byte = 0; byte < 256; byte++) {
      for (int step = 1; step < 8; step++) {
        entry[step][byte] = (entry[step - 1][byte] >> 8) ^ entry[0][entry[step - 1][byte] & 0xFF];
      }
    }
  }
};

constexpr Tables kTables;

// `crc` here and below is the register, the complement of the CRC-32. Little-endian processors only, as Node's own.
uint32_t ByTable(uint32_t crc, const uint8_t* data, size_t length) {
  const auto& table = kTables.entry;
  for (; length >= 8; length -= 8, data += 8) {
    uint64_t word;
    memcpy(&word, data, 8);
    word ^= crc;
    crc = table[7][word & 0xFF] ^ table[6][word >> 8 & 0xFF] ^ table[5][word >> 16 & 0xFF] ^
          table[4][word >> 24 & 0xFF] ^ table[3][word >> 32 & 0xFF] ^ table[2][word >> 40 & 0xFF] ^
          table[1][word >> 48 & 0xFF] ^ table[0][word >> 56];
  }
  for (; length > 0; length--, data++) crc = (crc >> 8) ^ table[0][(crc ^ *data) & 0xFF];
  return crc;
}

#if defined(__x86_64__)
#define WITH_PCLMUL __attribute__((target("pclmul,sse4.1")))

// Moves `lane` forward in the message by the distance that `constants` stand for and adds `next`.
WITH_PCLMUL inline __m128i Fold(__m128i lane, __m128i constants, __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(lane, constants, 0x00);
  const __m128i high = _mm_clmulepi64_si128(lane, constants, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

WITH_PCLMUL inline __m128i Load(const uint8_t* data) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(data));
}

// At least 64 bytes.
WITH_PCLMUL uint32_t ByFolding(uint32_t crc, const uint8_t* data, size_t length) {
  // x^(512+32), x^(512-32), x^(128+32), x^(128-32) modulo the polynomial, reflected.
  const __m128i over_64_bytes = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
  const __m128i over_16_bytes = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
  __m128i lane0 = _mm_xor_si128(Load(data), _mm_cvtsi32_si128(static_cast<int>(crc)));
  __m128i lane1 = Load(data + 16);
  __m128i lane2 = Load(data + 32);
  __m128i lane3 = Load(data + 48);
  for (data += 64, length -= 64; length >= 64; data += 64, length -= 64) {
    lane0 = Fold(lane0, over_64_bytes, Load(data));
    lane1 = Fold(lane1, over_64_bytes, Load(data + 16));
    lane2 = Fold(lane2, over_64_bytes, Load(data + 32));
    lane3 = Fold(lane3, over_64_bytes, Load(data + 48));
  }
  lane0 = Fold(Fold(Fold(lane0, over_16_bytes, lane1), over_16_bytes, lane2), over_16_bytes, lane3);
  for (; length >= 16; data += 16, length -= 16) lane0 = Fold(lane0, over_16_bytes, Load(data));
  // What is left is congruent to the message so far: sixteen bytes more for the tables.
  uint8_t rest[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(rest), lane0);
  return ByTable(ByTable(0, rest, sizeof(rest)), data, length);
}
#endif

}  // namespace

uint32_t Crc32(uint32_t seed, const uint8_t* data, size_t length) {
#if defined(__x86_64__)
  static const bool can_fold = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (can_fold && length >= 64) return ~ByFolding(~seed, data, length);
#endif
  return ~ByTable(~seed, data, length);
}
