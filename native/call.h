// How a C++ function becomes one that JavaScript can call: `Entry<Function>` reads and checks an argument for each
// parameter, by the parameter's type, and calls the function; or throws a coded error and does not call it.
#pragma once

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "environment.h"

// The kinds of parameters that are more than a number (int64_t, whole) or a std::string.
struct Path {  // not empty, without a NUL byte
  std::string text;
};
template <typename Element, napi_typedarray_type type>
struct TypedArray {
  Element* data = nullptr;
  size_t size = 0;
  napi_value value = nullptr;
};
using Bytes = TypedArray<uint8_t, napi_uint8_array>;
using Doubles = TypedArray<double, napi_float64_array>;
// An open region is the type Region*, by its handle. This one takes three arguments: handle, position, length.
struct Range {
  Region* region = nullptr;
  size_t position = 0;
  size_t length = 0;

  uint8_t* start() const { return region->base + position; }
};

// False when `number` is not whole or not exactly representable.
bool ToInteger(double number, int64_t* integer);

class Call {
 public:
  Call(napi_env env, napi_callback_info info) : env(env) {
    size_t count = kArgumentsMax;
    void* data = nullptr;
    // Missing arguments arrive as undefined, which every Read refuses.
    napi_get_cb_info(env, info, &count, arguments_, nullptr, &data);
    environment = static_cast<Environment*>(data);
  }

  // Each takes the next argument. False when it is of the wrong kind; an exception is pending then.
  bool Read(int64_t* value);
  bool Read(std::string* value);
  bool Read(Path* value);
  bool Read(Region** value);
  bool Read(Range* value);
  template <typename Element, napi_typedarray_type type>
  bool Read(TypedArray<Element, type>* array) {
    array->value = arguments_[next_++];
    napi_typedarray_type found = napi_int32_array;
    void* data = nullptr;
    const napi_status status =
        napi_get_typedarray_info(env, array->value, &found, &array->size, &data, nullptr, nullptr);
    array->data = static_cast<Element*>(data);
    return (status == napi_ok && found == type) || Refuse("a typed array is expected");
  }

  // Throws and returns false.
  bool Refuse(const char* message, const char* code = "ERR_NATIVE_ARGUMENT") {
    ThrowCoded(env, code, message);
    return false;
  }

  const napi_env env;
  Environment* environment;

 private:
  static constexpr size_t kArgumentsMax = 4;

  napi_value arguments_[kArgumentsMax];
  size_t next_ = 0;
};

template <typename... Parameters>
napi_value Invoke(Call& call, napi_value (*function)(Call&, Parameters...)) {
  std::tuple<Parameters...> values;
  const bool valid = std::apply([&call](auto&... value) { return (call.Read(&value) && ...); }, values);
  if (!valid) return nullptr;
  return std::apply([&](auto&... value) { return function(call, std::move(value)...); }, values);
}

template <auto function>
napi_value Entry(napi_env env, napi_callback_info info) {
  Call call(env, info);
  return Invoke(call, function);
}

struct Function {
  const char* name;
  napi_callback callback;
};

std::vector<Function> RegionFunctions();
std::vector<Function> FileFunctions();
std::vector<Function> ChecksumFunctions();
