// CRC-32 as zlib computes it (polynomial 0xEDB88320, reflected), here because node:zlib needs three times as long for
// the sizes that matter (README.md). Where the processor multiplies without carry, four 128-bit lanes are folded (Gopal
// et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ", Intel 2009); the rest goes by a table.
#include "call.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace {

struct Table {
  uint32_t entry[256] = {};

  constexpr Table() {
    for (uint32_t byte = 0; byte < 256; byte++) {
      entry[byte] = byte;
      for (int bit = 0; bit < 8; bit++) entry[byte] = (entry[byte] >> 1) ^ ((entry[byte] & 1) != 0 ? 0xEDB88320u : 0u);
    }
  }
};
constexpr Table kTable;

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

// The register after `length` bytes: whole sixteens, at least one of them.
WITH_PCLMUL uint32_t ByFolding(uint32_t crc, const uint8_t* data, size_t length) {
  // x^(512+32), x^(512-32); x^(128+32), x^(128-32); x^64 modulo the polynomial P, floor(x^64 / P) and P; reflected.
  const __m128i over_64_bytes = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
  const __m128i over_16_bytes = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
  const __m128i over_8_bytes = _mm_set_epi64x(0, 0x163cd6124);
  const __m128i barrett = _mm_set_epi64x(0x1f7011641, 0x1db710641);
  __m128i lane0 = _mm_xor_si128(Load(data), _mm_cvtsi32_si128(static_cast<int>(crc)));
  size_t at = 16;
  if (length >= 64) {
    __m128i lane1 = Load(data + 16);
    __m128i lane2 = Load(data + 32);
    __m128i lane3 = Load(data + 48);
    for (at = 64; length - at >= 64; at += 64) {
      lane0 = Fold(lane0, over_64_bytes, Load(data + at));
      lane1 = Fold(lane1, over_64_bytes, Load(data + at + 16));
      lane2 = Fold(lane2, over_64_bytes, Load(data + at + 32));
      lane3 = Fold(lane3, over_64_bytes, Load(data + at + 48));
    }
    lane0 = Fold(Fold(Fold(lane0, over_16_bytes, lane1), over_16_bytes, lane2), over_16_bytes, lane3);
  }
  for (; at < length; at += 16) lane0 = Fold(lane0, over_16_bytes, Load(data + at));
  // 128 bits to 96, to 64, and by Barrett's division to the 32 of the remainder.
  const __m128i low_32 = _mm_set_epi32(0, 0, 0, -1);
  lane0 = _mm_xor_si128(_mm_clmulepi64_si128(lane0, over_16_bytes, 0x10), _mm_srli_si128(lane0, 8));
  const __m128i folded = _mm_clmulepi64_si128(_mm_and_si128(lane0, low_32), over_8_bytes, 0x00);
  lane0 = _mm_xor_si128(folded, _mm_srli_si128(lane0, 4));
  const __m128i quotient = _mm_and_si128(_mm_clmulepi64_si128(_mm_and_si128(lane0, low_32), barrett, 0x10), low_32);
  lane0 = _mm_xor_si128(_mm_clmulepi64_si128(quotient, barrett, 0x00), lane0);
  return static_cast<uint32_t>(_mm_extract_epi32(lane0, 1));
}
#endif

uint32_t Crc32(uint32_t seed, const uint8_t* data, size_t length) {
  uint32_t crc = ~seed;
#if defined(__x86_64__)
  static const bool can_fold = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  if (can_fold && length >= 16) {
    crc = ByFolding(crc, data, length & ~size_t{15});
    data += length & ~size_t{15};
    length &= 15;
  }
#endif
  for (; length > 0; length--, data++) crc = (crc >> 8) ^ kTable.entry[(crc ^ *data) & 0xFF];
  return ~crc;
}

// crc32(bytes, offset, length, seed): uint32. A part is named by numbers, because a view costs more than its checksum.
napi_value Crc32OfBytes(Call& call, Bytes bytes, int64_t offset, int64_t length, int64_t seed) {
  if (offset < 0 || length < 0 || length > static_cast<int64_t>(bytes.size) - offset) {
    return ThrowCoded(call.env, "ERR_NATIVE_RANGE", "the range is not inside the bytes");
  }
  return Number(call.env, Crc32(static_cast<uint32_t>(seed), bytes.data + offset, static_cast<size_t>(length)));
}

}  // namespace

std::vector<Function> ChecksumFunctions() { return {{"crc32", Entry<Crc32OfBytes>}}; }
