/// interpreter.hpp: CPython inside a worker, as the state of the plugin.
#pragma once

#include "python/codec/python_api.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tenon/plugin.hpp>

#include "host.hpp"
#include "python/codec/encoder.hpp"

namespace py {

struct Settings;

/// What the plugin `py` keeps in a worker: the functions that were asked for, and what its calls use again.
class Interpreter {
 public:
  /// Starts it by the plugin's settings. A failure does not make the plugin unusable, which would tell callers nothing:
  /// it is kept, and each call fails with it.
  explicit Interpreter(const tenon::WorkerContext& worker);
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;
  ~Interpreter();

  /// Throws tenon::TaskError TENON_UNAVAILABLE with what failed at the start, if anything did.
  void require_start() const;

  /// The function of a name, imported when it is first asked for; borrowed. Null with a Python exception.
  PyObject* function(std::string_view name);
  [[nodiscard]] const Host& host() const noexcept { return *host_; }

  /// An encoder that nothing else uses until the lease ends.
  class EncoderLease {
   public:
    explicit EncoderLease(Interpreter& interpreter);
    EncoderLease(const EncoderLease&) = delete;
    EncoderLease& operator=(const EncoderLease&) = delete;
    ~EncoderLease();
    tenon::python::Encoder& operator*() const noexcept { return *encoder_; }
    tenon::python::Encoder* operator->() const noexcept { return encoder_.get(); }

   private:
    Interpreter& interpreter_;
    std::unique_ptr<tenon::python::Encoder> encoder_;
  };

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
  };

  void set_up(const Settings& settings);

  std::optional<Host> host_;
  std::unordered_map<std::string, PyObject*, Hash, std::equal_to<>> functions_;
  std::vector<std::unique_ptr<tenon::python::Encoder>> idle_encoders_;
  std::string log_level_;
  std::string failure_;
  bool logging_connected_ = false;
};

}  // namespace py
