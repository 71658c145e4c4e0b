// Registration: one set of functions per Node environment, each knowing its Environment. See README.md for the table.
#include "crc32.h"
#include "environment.h"
#include "file_tasks.h"

// Raised when a function changes its meaning; src/native/load-addon.ts refuses any other number.
static constexpr int64_t kInterfaceVersion = 2;

// crc32(bytes, offset, length, seed): uint32. A part is named by numbers, because a view costs more than its checksum.
static napi_value Crc32OfBytes(napi_env env, napi_callback_info info) {
  Arguments args(env, info);
  uint8_t* data = nullptr;
  size_t size = 0;
  int64_t offset = 0;
  int64_t length = 0;
  uint32_t seed = 0;
  if (!args.Bytes(0, &data, &size) || !args.Integer(1, &offset) || !args.Integer(2, &length) ||
      !args.Uint32(3, &seed)) {
    return nullptr;
  }
  if (offset < 0 || length < 0 || length > static_cast<int64_t>(size) - offset) {
    return ThrowCoded(env, "ERR_NATIVE_RANGE", "the range is not inside the bytes");
  }
  napi_value result = nullptr;
  NAPI_CHECK(env, napi_create_uint32(env, Crc32(seed, data + offset, static_cast<size_t>(length)), &result));
  return result;
}

#ifdef NATIVE_SELF_TEST
// Only in the AddressSanitizer build: reads past the end, so that its test job can prove that it would notice.
static napi_value ReadPastTheEnd(napi_env env, napi_callback_info) {
  std::vector<uint8_t> bytes(16);
  const volatile uint8_t* data = bytes.data();
  return Number(env, data[16]);
}
#endif

static napi_status Export(napi_env env, napi_value exports, Environment* environment, const Function& function) {
  napi_value value = nullptr;
  const napi_status status =
      napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.callback, environment, &value);
  return status == napi_ok ? napi_set_named_property(env, exports, function.name, value) : status;
}

NAPI_MODULE_INIT() {
  Environment* environment = Environment::Create(env);
  if (environment == nullptr) return ThrowUnexpected(env, "Environment::Create");
  std::vector<Function> functions = {{"crc32", Crc32OfBytes}};
#ifdef NATIVE_SELF_TEST
  functions.push_back({"readPastTheEnd", ReadPastTheEnd});
#endif
  functions.insert(functions.end(), RegionFunctions().begin(), RegionFunctions().end());
  functions.insert(functions.end(), FileFunctions().begin(), FileFunctions().end());
  for (const Function& function : functions) NAPI_CHECK(env, Export(env, exports, environment, function));
  NAPI_CHECK(env, napi_set_named_property(env, exports, "interfaceVersion", Number(env, kInterfaceVersion)));
  return exports;
}
