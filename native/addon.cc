// Registration: one set of functions per Node environment, each knowing its Environment. See README.md for the table.
#include "call.h"

// Raised when a function changes its meaning; src/native/load-addon.ts refuses any other number.
static constexpr int64_t kInterfaceVersion = 2;

static std::vector<Function> SelfTestFunctions() {
#ifdef NATIVE_SELF_TEST
  // Only in the AddressSanitizer build: reads past the end, so that its test job can prove that it would notice.
  auto read_past_the_end = [](napi_env env, napi_callback_info) {
    std::vector<uint8_t> bytes(16);
    const volatile uint8_t* data = bytes.data();
    return Number(env, data[16]);
  };
  return {{"readPastTheEnd", read_past_the_end}};
#else
  return {};
#endif
}

NAPI_MODULE_INIT() {
  Environment* environment = Environment::Create(env);
  if (environment == nullptr) return ThrowCoded(env, "ERR_NATIVE_UNEXPECTED", "Environment::Create");
  for (const auto& functions : {RegionFunctions(), FileFunctions(), ChecksumFunctions(), SelfTestFunctions()}) {
    for (const auto& [name, callback] : functions) {
      napi_value value = nullptr;
      NAPI_CHECK(env, napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, environment, &value));
      NAPI_CHECK(env, napi_set_named_property(env, exports, name, value));
    }
  }
  NAPI_CHECK(env, napi_set_named_property(env, exports, "interfaceVersion", Number(env, kInterfaceVersion)));
  return exports;
}
