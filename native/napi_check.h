// Argument and error helpers of the addon, and its only macros. Every function that JavaScript can call starts with an
// `Arguments`; its getters throw a coded error and return false when a value has the wrong type.
#ifndef NATIVE_NAPI_CHECK_H_
#define NATIVE_NAPI_CHECK_H_

#define NAPI_VERSION 8
#include <node_api.h>

#include <cstdint>
#include <string>

// Ends the calling function with a pending exception when a Node-API call fails. Only for functions that return a
// napi_value to JavaScript. A failing Node-API call often leaves its own exception pending; that one is kept.
#define NAPI_CHECK(env, call)           \
  do {                                  \
    if ((call) != napi_ok) {            \
      return ThrowUnexpected(env, #call); \
    }                                   \
  } while (false)

// What a piece of work on a thread came to: an errno with the name of the call that set it, or a value.
struct Outcome {
  int error = 0;
  const char* call = "";
  int64_t value = -1;  // a number for JavaScript when it is not negative

  static Outcome Failed(int error, const char* call) { return Outcome{error, call, -1}; }
  static Outcome Value(int64_t value) { return Outcome{0, "", value}; }
};

// In `Outcome::error` where errno has no word for it; `value` is then the size that the file really has.
constexpr int kWrongFileSize = -1;

class Environment;

// A function that JavaScript can call.
struct Function {
  const char* name;
  napi_callback callback;
};

napi_value ThrowUnexpected(napi_env env, const char* call);
// `code` is one of the ERR_NATIVE_ codes of src/native/native-error.ts.
napi_value ThrowCoded(napi_env env, const char* code, const char* message);
// An Error with the fields `errno`, `syscall` and, for kWrongFileSize, `fileSizeBytes`; TypeScript words the message.
napi_value MakeSystemError(napi_env env, const Outcome& outcome);
napi_value ThrowSystemError(napi_env env, const Outcome& outcome);
napi_value Undefined(napi_env env);
napi_value Number(napi_env env, int64_t value);
// False when `number` is not whole or not exactly representable.
bool ToInteger(double number, int64_t* integer);

class Arguments {
 public:
  static constexpr size_t kMax = 6;

  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = kMax;
    void* data = nullptr;
    // Missing arguments arrive as undefined, which every getter refuses.
    napi_get_cb_info(env, info, &count, values_, nullptr, &data);
    environment_ = static_cast<Environment*>(data);
  }

  Environment& environment() const { return *environment_; }
  bool Integer(size_t index, int64_t* value) const;
  bool Uint32(size_t index, uint32_t* value) const;
  bool String(size_t index, std::string* value) const;
  // A path: a string without a NUL byte.
  bool Path(size_t index, std::string* value) const;
  bool Bytes(size_t index, uint8_t** data, size_t* length) const;
  bool Doubles(size_t index, const double** data, size_t* count) const;
  napi_value value(size_t index) const { return values_[index]; }

 private:
  bool Refuse(const char* message) const;

  napi_env env_;
  napi_value values_[kMax];
  Environment* environment_ = nullptr;
};

#endif  // NATIVE_NAPI_CHECK_H_
