// CRC-32 as zlib computes it (polynomial 0xEDB88320, reflected), here because node:zlib needs three times as long
// for the sizes that matter (numbers in README.md).
#ifndef NATIVE_CRC32_H_
#define NATIVE_CRC32_H_

#include <cstddef>
#include <cstdint>

// `seed` is the CRC-32 of what comes before `data`, or 0.
uint32_t Crc32(uint32_t seed, const uint8_t* data, size_t length);

#endif  // NATIVE_CRC32_H_
